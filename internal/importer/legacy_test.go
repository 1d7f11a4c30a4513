package importer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

// outcome is what became of each record: its number, and the beginning of the
// error if it was refused.
func outcomes(t *testing.T, records func(func(Record, error) bool)) (events []Record, refused map[int64]string) {
	t.Helper()
	refused = map[int64]string{}
	var last int64
	for rec, err := range records {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Number <= last {
			t.Errorf("record %d after record %d", rec.Number, last)
		}
		last = rec.Number
		if (rec.Event == nil) == (rec.Err == nil) {
			t.Errorf("record %d: event %v, error %v", rec.Number, rec.Event, rec.Err)
		}
		if rec.Err != nil {
			refused[rec.Number] = rec.Err.Error()
			continue
		}
		rec.Raw = bytes.Clone(rec.Raw)
		events = append(events, rec)
	}
	return events, refused
}

func TestLegacyGenerated(t *testing.T) {
	t.Parallel()
	for _, separator := range []string{"\n", `\n`, "\r\n"} {
		rng := rand.New(rand.NewPCG(1, 2))
		var want []string
		var file strings.Builder
		for range 500 {
			record := sealed(pyEvent(pyDetails(rng)))
			want = append(want, record)
			file.WriteString(record + separator)
		}
		for name, r := range map[string]io.Reader{
			"whole":   strings.NewReader(file.String()),
			"by byte": iotest.OneByteReader(strings.NewReader(file.String())),
		} {
			events, refused := outcomes(t, Legacy(r, false))
			if len(events) != len(want) || len(refused) != 0 {
				t.Fatalf("%q, %s: %d events, refused %v", separator, name, len(events), refused)
			}
			for i, rec := range events {
				if string(rec.Raw) != want[i] {
					t.Fatalf("record %d: raw is %s", i+1, rec.Raw)
				}
				if rec.Event.SourceIP != "" || rec.Event.UserAgent != "Планировщик/1.0" || rec.Event.UserID != "zoë" {
					t.Errorf("record %d: %+v", i+1, rec.Event)
				}
				legacyHashOf(t, rec.Event.Details)
				if bytes.Contains(rec.Event.Details, []byte(legacyVerified)) {
					t.Errorf("record %d is marked", i+1)
				}
			}
		}
	}
}

func TestLegacyDetails(t *testing.T) {
	t.Parallel()
	record := sealed(pyEvent(pyDict{
		{"b", 1.0}, {"a", 1<<53 + 1}, {"n", new(big.Int).Exp(big.NewInt(10), big.NewInt(30), nil)}, {"big", []any{1 << 53, new(big.Int).SetUint64(1<<64 - 1)}},
	}))
	events, refused := outcomes(t, Legacy(strings.NewReader(record), false))
	if len(events) != 1 {
		t.Fatal(refused)
	}
	rec := events[0]
	want := `{"a":"9007199254740993","b":1,"big":[9007199254740992,"18446744073709551615"],"legacy_audit_hash":"` +
		legacyHashOf(t, rec.Event.Details) + `","n":1e+30}`
	if string(rec.Event.Details) != want || rec.Stringified != 2 {
		t.Errorf("got %s, %d\nwant %s", rec.Event.Details, rec.Stringified, want)
	}
	if id := rec.Event.ID; len(id) != 36 || id[14] != '8' || !strings.Contains("89ab", id[19:20]) {
		t.Errorf("id %s is no UUID version 8", id)
	}
	// The id hangs on the bytes of the record alone.
	again, _ := outcomes(t, Legacy(strings.NewReader("\ufeff\n "+record+`\n`+record+"x"), true))
	if len(again) != 2 || again[0].Event.ID != rec.Event.ID || again[1].Event.ID != rec.Event.ID {
		t.Errorf("%+v", again)
	}
}

func TestLegacyTampered(t *testing.T) {
	t.Parallel()
	good := sealed(pyEvent(pyDict{{"n", 100.0}, {"inner", pyDict{{"audit_hash", "x"}}}}))
	replace := func(old, new string) string {
		if strings.Count(good, old) != 1 {
			t.Fatalf("%s stands %d times in %s", old, strings.Count(good, old), good)
		}
		return strings.Replace(good, old, new, 1)
	}
	hash := good[strings.Index(good, `,"audit_hash":`):strings.Index(good, `},"source_ip"`)]
	for name, record := range map[string]string{
		"outcome":      replace(`"success"`, `"failure"`),
		"same number":  replace(`100.0`, `100`),
		"white space":  replace(`"n":`, `"n": `),
		"no hash":      replace(hash, ``),
		"no details":   replace(good[strings.Index(good, `"details"`):strings.Index(good, `"source_ip"`)], ``),
		"null details": replace(good[strings.Index(good, `{"n"`):strings.Index(good, `,"source_ip"`)], `null`),
		"not last":     replace(hash, hash+`,"z":1`),
		"no SHA-256":   replace(hash, hash[:len(hash)-2]+`"`),
		"upper case":   replace(hash, `,"audit_hash":"`+strings.ToUpper(hash[len(`,"audit_hash":"`):])),
		"null hash":    replace(hash, `,"audit_hash":null`),
		"escaped name": replace(`"details"`, `"detail\u0073"`),
	} {
		events, refused := outcomes(t, Legacy(strings.NewReader(good+"\n"+record+"\n"+good), false))
		if len(events) != 2 || len(refused) != 1 || !strings.Contains(refused[2], "audit_hash") {
			t.Errorf("%s: %d events, refused %v", name, len(events), refused)
		}
		events, refused = outcomes(t, Legacy(strings.NewReader(good+"\n"+record+"\n"+good), true))
		if name == "escaped name" { // it holds an audit_hash that is not ours
			if len(events) != 2 || len(refused) != 1 {
				t.Errorf("%s: %d events, refused %v", name, len(events), refused)
			}
			continue
		}
		if len(events) != 3 {
			t.Errorf("%s: refused %v", name, refused)
			continue
		}
		for i, rec := range events {
			marked := bytes.Contains(rec.Event.Details, []byte(`"legacy_audit_hash_verified":false`))
			if marked != (i == 1) || rec.Unverified != marked {
				t.Errorf("%s: record %d: %s", name, i+1, rec.Event.Details)
			}
		}
		if events[0].Event.ID == events[1].Event.ID {
			t.Errorf("%s: two records, one id", name)
		}
	}
}

// Whatever stands between good records, they are found.
func TestLegacyRefusesAndGoesOn(t *testing.T) {
	t.Parallel()
	good := sealed(pyEvent(pyDict{{"message", "a\nb"}}))
	with := func(details string) string {
		return strings.Replace(good, `"message":"a\nb"`, details, 1)
	}
	torn := good[:len(good)/2]
	for name, tt := range map[string]struct{ record, want string }{
		"NaN":              {with(`"message":NaN`), "audit_hash"},
		"lone surrogate":   {sealedRaw(t, `"message":"\ud800"`), `details.message: the lone surrogate \ud800`},
		"NaN, hash right":  {sealedRaw(t, `"rate":[1,NaN]`), "details.rate[1]: NaN and Infinity are not JSON"},
		"Infinity":         {sealedRaw(t, `"rate":-Infinity`), "details.rate: NaN and Infinity are not JSON"},
		"twice":            {sealedRaw(t, `"a":1,"a":1`), "details.a: appears more than once"},
		"hash taken":       {sealedRaw(t, `"legacy_audit_hash":"x"`), "has a member \"legacy_audit_hash\" already"},
		"too deep":         {sealedRaw(t, `"a":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)), "32 levels"},
		"too large":        {sealedRaw(t, `"a":"`+strings.Repeat("x", 1<<20)+`"`), "1048576 bytes"},
		"over-long":        {sealedRaw(t, `"a":"`+strings.Repeat("x", MaxRecord)+`"`), "longer than the limit of 4194304 bytes"},
		"torn":             {torn, "not valid JSON"},
		"torn in a string": {good[:strings.Index(good, "ssage")], "not valid JSON"},
		"no object":        {`[1,2]`, "not a JSON object"},
		"garbage":          {`}}!`, "not valid JSON"},
		"a backslash":      {`\x`, "not valid JSON"},
	} {
		for _, separator := range []string{"\n", `\n`} {
			file := strings.Join([]string{good, tt.record, good, good, tt.record, good, ""}, separator)
			for how, r := range map[string]io.Reader{
				"whole":  strings.NewReader(file),
				"halves": iotest.HalfReader(strings.NewReader(file)),
			} {
				events, refused := outcomes(t, Legacy(r, false))
				if len(events) != 4 || len(refused) != 2 {
					t.Errorf("%s, %q, %s: %d events, refused %v", name, separator, how, len(events), refused)
				}
				for n, err := range refused {
					if n != 2 && n != 5 || !strings.Contains(err, tt.want) {
						t.Errorf("%s, %q, %s: record %d: %s, want %s", name, separator, how, n, err, tt.want)
					}
				}
			}
		}
	}

	// A write was cut off, and the next record stands behind it on the line.
	events, refused := outcomes(t, Legacy(strings.NewReader(good+`\n`+torn+good+`\n`+good), false))
	if len(events) != 3 || len(refused) != 1 {
		t.Errorf("torn: %d events, refused %v", len(events), refused)
	}
	// The file was cut off.
	events, refused = outcomes(t, Legacy(strings.NewReader(good+"\n"+torn), false))
	if len(events) != 1 || !strings.Contains(refused[2], "ends in the middle") {
		t.Errorf("cut off: %d events, refused %v", len(events), refused)
	}
}

// sealedRaw is sealed for details that Python could write and pyDict cannot.
func sealedRaw(t *testing.T, details string) string {
	t.Helper()
	marker := "0f1e2d3c"
	before := strings.Replace(python(pyEvent(pyDict{{marker, 0}})), `"`+marker+`":0`, details, 1)
	return strings.Replace(before, details, details+`,"audit_hash":"`+sha256Hex(before)+`"`, 1)
}

func TestReaderError(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	legacy := sealed(pyEvent(nil))
	for name, tt := range map[string]struct {
		data string
		read func(io.Reader) func(func(Record, error) bool)
	}{
		"legacy":     {legacy + "\n" + legacy[:40], func(r io.Reader) func(func(Record, error) bool) { return Legacy(r, false) }},
		"jsonl":      {line + "\n" + line[:40], func(r io.Reader) func(func(Record, error) bool) { return JSONL(r) }},
		"cloudtrail": {`{"Records":[` + trail + `,` + trail[:40], func(r io.Reader) func(func(Record, error) bool) { return CloudTrail(r) }},
	} {
		var got []string
		for rec, err := range tt.read(io.MultiReader(strings.NewReader(tt.data), iotest.ErrReader(broken))) {
			switch {
			case err != nil && errors.Is(err, broken):
				got = append(got, "reader")
			case rec.Event != nil:
				got = append(got, "event")
			default:
				got = append(got, fmt.Sprint(rec.Err, err))
			}
		}
		if strings.Join(got, ",") != "event,reader" {
			t.Errorf("%s: %v", name, got)
		}
		// A caller that has seen enough is not called again.
		for range tt.read(io.MultiReader(strings.NewReader(tt.data), iotest.ErrReader(broken))) {
			break
		}
	}
}

func FuzzLegacy(f *testing.F) {
	good := sealed(pyEvent(pyDict{{"a", 1.0}}))
	f.Add([]byte(good + `\n` + good + "\n" + good[:30] + good))
	f.Add([]byte(`{"timestamp":{"timestamp":`))
	f.Fuzz(func(t *testing.T, data []byte) {
		const sentinel = "\n"
		data = append(append(data, sentinel...), good...)
		var last Record
		for rec, err := range Legacy(bytes.NewReader(data), true) {
			if err != nil || (rec.Event == nil) == (rec.Err == nil) {
				t.Fatal(rec, err)
			}
			if rec.Event != nil {
				if err := rec.Event.Validate(); err != nil {
					t.Fatal(err)
				}
			}
			last = rec
		}
		if last.Event == nil || string(last.Raw) != good {
			t.Fatalf("the last record was lost: %s, %v", last.Raw, last.Err)
		}
	})
}

// TestLegacyIndented: a file of another kind beside the logs is one refusal.
func TestLegacyIndented(t *testing.T) {
	t.Parallel()
	text := "{\n  \"note\": \"counts\",\n  \"files\": {\n    \"a\": 1\n  }\n}\n"
	var refused int
	for rec, err := range Legacy(strings.NewReader(text), false) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Err == nil || rec.Number != 1 {
			t.Errorf("record %d: %+v", rec.Number, rec)
		}
		refused++
	}
	if refused != 1 {
		t.Errorf("%d refusals, want 1", refused)
	}
}
