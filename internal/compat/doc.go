// Package compat opens ledgers that earlier versions wrote, which every later
// version must. It has tests and nothing else.
package compat
