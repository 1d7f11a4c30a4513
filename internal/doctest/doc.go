// Package doctest runs the commands shown in the documents and compares what
// they print with what is shown. It has tests and nothing else.
package doctest
