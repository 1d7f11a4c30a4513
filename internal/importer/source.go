package importer

import "io"

// A source is a stream with a window on it: buf[pos:] is what was read and
// not taken yet. The window grows as far as one record may be long.
type source struct {
	r   io.Reader
	buf []byte
	pos int
	err error // of r, io.EOF included
}

const firstBuffer = 64 << 10

func newSource(r io.Reader) *source {
	return &source{r: r, buf: make([]byte, 0, firstBuffer)}
}

func (s *source) window() []byte { return s.buf[s.pos:] }

// more widens the window. It returns false at the end of the stream, and when
// the window is longer than any record. It moves the window, so slices of it
// are void afterwards.
func (s *source) more() bool {
	if s.err != nil || len(s.window()) > MaxRecord {
		return false
	}
	if s.pos > 0 {
		s.buf = s.buf[:copy(s.buf, s.window())]
		s.pos = 0
	}
	if len(s.buf) == cap(s.buf) {
		s.buf = append(make([]byte, 0, 2*cap(s.buf)), s.buf...)
	}
	for range 100 {
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		s.err = err
		if n > 0 || err != nil {
			return n > 0
		}
	}
	s.err = io.ErrNoProgress
	return false
}

// at returns the byte at window position i, or false at the end of the stream.
func (s *source) at(i int) (byte, bool) {
	for len(s.window()) <= i {
		if !s.more() {
			return 0, false
		}
	}
	return s.buf[s.pos+i], true
}

// skipSpace takes white space and returns the byte after it, which stays.
func (s *source) skipSpace() (byte, bool) {
	for {
		b, ok := s.at(0)
		if !ok || b != ' ' && b != '\n' && b != '\t' && b != '\r' {
			return b, ok
		}
		s.pos++
	}
}

// skipBOM takes the byte order mark that some editors put at the beginning.
func (s *source) skipBOM() {
	for i, want := range []byte("\ufeff") {
		if b, ok := s.at(i); !ok || b != want {
			return
		}
	}
	s.pos += len("\ufeff")
}

// drop takes what find says: the stream up to the position it returns, or, if
// that is negative, the whole window except for its last keep bytes, and so
// on. It returns the beginning of what was taken.
func (s *source) drop(keep int, find func(window []byte) int) (head []byte) {
	for {
		window := s.window()
		last := s.err != nil
		n := find(window)
		found := n >= 0
		if !found {
			n = len(window)
			if !last {
				n = max(n-keep, 0)
			}
		}
		head = append(head, window[:min(n, KeptRaw-len(head))]...)
		s.pos += n
		if found || last {
			return head
		}
		s.more()
	}
}
