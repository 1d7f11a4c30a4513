// Package indelible holds the shapes of an audit log that nobody can quietly
// change: the event and its canonical bytes, the leaf of the Merkle tree, the
// payload beside it, and the receipts and evidence that can be checked offline
// with nothing but the log's public key. It does no I/O.
//
// docs/format.md in this module is the byte-exact description of everything here.
package indelible
