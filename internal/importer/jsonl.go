package importer

import (
	"bytes"
	"io"
	"iter"

	"indelible"
)

// JSONL reads events in our own form, one a line. Blank lines count as lines
// and nothing else; a line that is refused does not stop the reading. An error
// comes last and says that r failed.
func JSONL(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		in := reading{source: newSource(r), yield: yield}
		in.skipBOM()
		for in.line() {
		}
		in.end()
	}
}

// line reports the next line. It returns false when there is none.
func (in *reading) line() bool {
	for from := 0; ; { // there is no line feed before from
		window := in.window()
		i := bytes.IndexByte(window[from:], '\n')
		if i < 0 && len(window) <= MaxRecord {
			from = len(window)
			if in.more() {
				continue
			}
			window = in.window() // it may have moved
		}
		end := from + i
		if i < 0 {
			end = len(window)
		}
		switch {
		case end > MaxRecord:
			in.number++
			head := in.drop(0, func(window []byte) int { return bytes.IndexByte(window, '\n') })
			ok := in.refuse(head, errTooLong)
			in.skipLineFeed()
			return ok
		case i < 0 && (end == 0 || in.err != io.EOF):
			return false // a line that the reader broke off is not a line
		}
		in.number++
		in.pos += end
		ok := in.event(bytes.Trim(window[:end], " \t\r"))
		in.skipLineFeed()
		return ok
	}
}

func (in *reading) skipLineFeed() {
	if w := in.window(); len(w) > 0 && w[0] == '\n' {
		in.pos++
	}
}

func (in *reading) event(line []byte) bool {
	if len(line) == 0 {
		return true
	}
	e, err := indelible.ParseEvent(line)
	if err != nil {
		return in.refuse(line, err)
	}
	return in.give(Record{Event: e, Raw: line})
}
