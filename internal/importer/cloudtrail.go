package importer

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"

	"indelible"
)

// CloudTrail reads AWS CloudTrail log files, {"Records":[…]}, or bare arrays
// of records; several may follow one another, gzip or not. Each record becomes
// the details of an event. An error comes last and says that r failed.
func CloudTrail(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		plain, err := unzipped(r)
		if err != nil {
			yield(Record{}, err)
			return
		}
		in := trailReading{reading: reading{source: newSource(plain), yield: yield}}
		in.skipBOM()
		for in.document() {
		}
		in.end()
	}
}

func unzipped(r io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(r)
	if magic, _ := buffered.Peek(2); string(magic) != "\x1f\x8b" {
		return buffered, nil
	}
	zip, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, fmt.Errorf("read gzip: %w", err)
	}
	return zip, nil
}

type trailReading struct {
	reading
	scanner scanner
}

// broken reports that the file around the records is not what it should be.
// There is no going on from there.
func (in *trailReading) broken(b byte, ok bool, wanted string) bool {
	if !ok && in.err != io.EOF {
		return false
	}
	in.number++
	what := fmt.Sprintf("%q", b)
	if !ok {
		what = "the end of the file"
	}
	in.refuse(nil, fmt.Errorf("the file is broken here: %s where %s should stand; what follows is not read", what, wanted))
	return false
}

// document reads one file; it returns false when nothing can follow.
func (in *trailReading) document() bool {
	switch b, ok := in.skipSpace(); {
	case !ok:
		return false
	case b == '[':
		return in.records()
	case b != '{':
		return in.broken(b, ok, `{"Records":[…]} or an array of records`)
	}
	in.pos++
	found := false
	for first := true; ; first = false {
		b, ok := in.skipSpace()
		switch {
		case ok && b == '}':
			in.pos++
			if !found {
				in.number++
				return in.refuse(nil, errors.New(`a JSON object without "Records": not a CloudTrail log file`))
			}
			return true
		case ok && b == ',' && !first:
			in.pos++
			b, ok = in.skipSpace()
		}
		if !ok || b != '"' {
			return in.broken(b, ok, "a member's name")
		}
		n, v := in.whole()
		if v != whole {
			return in.broken('"', in.err == nil, "a member's name")
		}
		isRecords := string(in.window()[:n]) == `"Records"`
		in.pos += n
		if b, ok := in.skipSpace(); !ok || b != ':' {
			return in.broken(b, ok, "a colon")
		}
		in.pos++
		if b, ok := in.skipSpace(); ok && isRecords && b == '[' {
			found = true
			if !in.records() {
				return false
			}
		} else {
			in.drop(0, skipValue())
		}
	}
}

// records reads an array of records.
func (in *trailReading) records() bool {
	in.pos++
	if b, ok := in.skipSpace(); ok && b == ']' {
		in.pos++
		return true
	}
	for {
		if !in.record() {
			return false
		}
		switch b, ok := in.skipSpace(); {
		case ok && b == ',':
			in.pos++
		case ok && b == ']':
			in.pos++
			return true
		default:
			return in.broken(b, ok, "a comma or the end of the records")
		}
	}
}

// record reads one record, of which nothing was taken yet.
func (in *trailReading) record() bool {
	if b, ok := in.skipSpace(); !ok || b == ',' || b == ']' {
		return in.broken(b, ok, "a record")
	}
	n, v := in.whole()
	if v == whole && n <= MaxRecord {
		in.number++
		raw := in.window()[:n]
		in.pos += n
		e, stringified, err := cloudTrailEvent(raw)
		if err != nil {
			return in.refuse(raw, err)
		}
		return in.give(Record{Event: e, Raw: raw, Stringified: stringified})
	}
	err := fmt.Errorf("not valid JSON (byte %d of the record)", n+1)
	switch {
	case v != broken && len(in.window()) > MaxRecord:
		err = errTooLong
	case v == unfinished && in.err != io.EOF:
		return false
	case v == unfinished:
		err = errCutOff
	}
	in.number++
	return in.refuse(in.drop(0, skipValue()), err) && err != errCutOff
}

// whole scans the next value, reading as much as it takes.
func (in *trailReading) whole() (int, verdict) {
	in.scanner.begin()
	for {
		n, v := in.scanner.scan(in.window())
		if v != unfinished || !in.more() {
			return n, v
		}
	}
}

// skipValue finds the comma or bracket that ends a value of any length. It
// sees each byte once, and works on what is not quite JSON too.
func skipValue() func(window []byte) int {
	depth, inText, escaped := 0, false, false
	return func(window []byte) int {
		for i, c := range window {
			switch {
			case escaped:
				escaped = false
			case inText:
				escaped = c == '\\'
				inText = c != '"'
			case c == '"':
				inText = true
			case c == '{' || c == '[':
				depth++
			case c == ',' && depth == 0:
				return i
			case c == '}' || c == ']':
				if depth == 0 {
					return i
				}
				depth--
			}
		}
		return -1
	}
}

// cloudTrailEvent makes an event of one record. See the CloudTrail record
// contents reference for what the members mean.
func cloudTrailEvent(raw []byte) (*indelible.Event, int, error) {
	details, stringified, err := indelible.CanonicalizeLossless(nil, raw)
	if err != nil {
		return nil, 0, err
	}
	if details[0] != '{' {
		return nil, 0, errors.New("not a JSON object")
	}
	e := &indelible.Event{Details: details, Outcome: "success"}
	var eventTime string
	for p := range parts(details) {
		value := details[p.value.start:p.value.end]
		var to *string
		switch string(p.name) {
		case `"eventTime"`:
			to = &eventTime
		case `"eventType"`:
			to = &e.EventType
		case `"recipientAccountId"`:
			to = &e.TenantID
		case `"eventSource"`:
			to = &e.ResourceType
		case `"eventName"`:
			to = &e.Action
		case `"eventID"`:
			to = &e.ID
		case `"sourceIPAddress"`:
			to = &e.SourceIP
		case `"userAgent"`:
			to = &e.UserAgent
		case `"userIdentity"`:
			e.UserID = firstText(value, "arn", "principalId")
			continue
		case `"resources"`:
			e.ResourceID = firstResource(value)
			continue
		case `"errorCode"`:
			if code, isText := asText(value); code != "" || !isText {
				e.Outcome = "failure"
			}
			continue
		default:
			continue
		}
		var ok bool
		if *to, ok = asText(value); !ok {
			return nil, 0, fmt.Errorf("%s: must be a string", p.name[1:len(p.name)-1])
		}
	}
	if e.ID == "" { // the earliest records had none
		e.ID = stableID("indelible/import/cloudtrail/v1", details)
	}
	if eventTime == "" {
		return nil, 0, errors.New("eventTime: missing")
	}
	if e.Timestamp, err = indelible.ParseTimestamp(eventTime); err == nil {
		err = e.Validate()
	}
	if err != nil {
		return nil, 0, named(err)
	}
	return e, stringified, nil
}

// named says which of CloudTrail's members an error is about.
func named(err error) error {
	var fe *indelible.FieldError
	if errors.As(err, &fe) {
		name := map[string]string{
			"timestamp": "eventTime", "event_type": "eventType", "tenant_id": "recipientAccountId",
			"resource_type": "eventSource", "action": "eventName", "id": "eventID",
		}[fe.Field]
		if name != "" {
			return fmt.Errorf("%s, which becomes %w", name, err)
		}
	}
	return err
}

// firstText returns the first of the named members of a canonical object that
// is a text and not empty.
func firstText(object []byte, names ...string) string {
	if len(object) == 0 || object[0] != '{' {
		return ""
	}
	for _, name := range names {
		for p := range parts(object) {
			if !p.named(name) {
				continue
			}
			if s, _ := asText(object[p.value.start:p.value.end]); s != "" {
				return s
			}
		}
	}
	return ""
}

// firstResource returns the first ARN in a canonical array of resources.
func firstResource(array []byte) string {
	if len(array) == 0 || array[0] != '[' {
		return ""
	}
	var s scanner
	for rest := array[1:]; len(rest) > 1; {
		s.begin()
		n, v := s.scan(rest)
		if v != whole {
			return ""
		}
		if arn := firstText(rest[:n], "ARN", "arn"); arn != "" {
			return arn
		}
		rest = rest[min(n+1, len(rest)):] // and the comma or bracket
	}
	return ""
}
