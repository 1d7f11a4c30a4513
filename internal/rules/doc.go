// Package rules holds the rules of the house: who may import whom, how large a
// file may be, and what no file may say. It has tests and nothing else.
package rules
