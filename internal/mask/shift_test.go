package mask_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"indelible/internal/mask"
)

func shifting(t testing.TB, p *mask.Policy, key byte, opt mask.Options) *mask.Masker {
	t.Helper()
	p.Types = map[mask.Type]mask.Action{mask.Date: mask.Shift, mask.BirthDate: mask.Shift}
	opt.Key = bytes.Repeat([]byte{key}, mask.MinKey)
	m, err := mask.New(compiled(t, p), opt)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// line masks a line, and makes sure that a second time changes nothing.
func line(t *testing.T, m *mask.Masker, in string) string {
	t.Helper()
	out, left := m.Record(nil, []byte(in), true)
	if again, more := m.Record(nil, out, true); len(left)+len(more) > 0 || !bytes.Equal(again, out) {
		t.Errorf("%s became %s, and then %s: %v %v", in, out, again, left, more)
	}
	return string(out)
}

// offset is how far a masker shifts the dates of a person.
func offset(t *testing.T, m *mask.Masker, who string) time.Duration {
	t.Helper()
	out := line(t, m, fmt.Sprintf(`{"user_id":%q,"m":"2020-06-15"}`, who))
	_, rest, _ := strings.Cut(out, "[DATE_TIME:~")
	d, err := time.Parse(time.DateOnly, rest[:min(10, len(rest))])
	if err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return d.Sub(time.Date(2020, 6, 15, 0, 0, 0, 0, time.UTC))
}

// TestShiftForms: the form of a date stays, and the time of day; what is no whole
// date is left out.
func TestShiftForms(t *testing.T) {
	t.Parallel()
	const who = "u-17"
	us, de := shifting(t, mask.Strict(), 1, mask.Options{}), shifting(t, &mask.Policy{Region: "DE"}, 1, mask.Options{})
	by := offset(t, us, who)
	from := time.Date(2024, 3, 9, 0, 0, 0, 0, time.UTC)
	to := from.Add(by)
	same := func(s string) string { return s }
	for _, c := range []struct {
		m      *mask.Masker
		layout string
		rest   string // behind the date
		as     func(string) string
	}{
		{us, "2006-01-02", "", same},
		{us, "2006/01/02", "", same},
		{us, "2006-01-02", "T10:00:00.123+02:00", same},
		{us, "2006-01-02", " 10:00", same},
		{us, "01/02/2006", "", same},
		{us, "1/2/2006", " 9:05 PM", same},
		{us, "01/02/06", "", same},
		{us, "02.01.2006", "", same},
		{de, "02/01/2006", "", same},
		{us, "2 January 2006", "", same},
		{us, "2 Jan 2006", "", same},
		{us, "January 2, 2006", "", strings.ToUpper},
		{us, "January 2, 2006", "", strings.ToLower},
		{us, "", "10:00:00", same},
		{us, "", "Saturday", same},
	} {
		in := c.as(from.Format(c.layout)) + c.rest
		want := `"m":"at [DATE_TIME:~` + c.as(to.Format(c.layout)) + c.rest + `]."}`
		if got := line(t, c.m, fmt.Sprintf(`{"user_id":"u-17","m":"at %s."}`, in)); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	for _, in := range []string{"March 2024", "March 9"} {
		if got := line(t, us, fmt.Sprintf(`{"user_id":"u-17","m":"at %s."}`, in)); !strings.HasSuffix(got, `"m":"at [DATE_TIME]."}`) {
			t.Errorf("%s: %s", in, got)
		}
	}
	if got := line(t, us, `{"user_id":"u-17","dob":"19800309","m":"due May 5th, 2024"}`); strings.Contains(got, "19800309") || !strings.Contains(got, `"[DATE_OF_BIRTH:~19`) || !strings.Contains(got, "[DATE_TIME:~") {
		t.Errorf("a day of birth in digits alone: %s", got)
	}
}

// TestShiftPersons: all dates of a person are shifted alike, in every record;
// another person's otherwise, and those of nobody are left out.
func TestShiftPersons(t *testing.T) {
	t.Parallel()
	m := shifting(t, mask.Strict(), 1, mask.Options{})
	a, b := offset(t, m, "ann"), offset(t, m, "ben")
	if a == b || a != offset(t, m, "ann") || a == offset(t, shifting(t, mask.Strict(), 2, mask.Options{}), "ann") {
		t.Errorf("ann %v, ben %v: of each person and key its own", a, b)
	}
	all := map[time.Duration]int{}
	for i := range 2000 {
		d := offset(t, m, fmt.Sprintf("user-%d", i))
		if all[d]++; d == 0 || d%(7*24*time.Hour) != 0 || d.Abs() > 364*24*time.Hour {
			t.Fatalf("%v", d)
		}
	}
	if len(all) != 104 {
		t.Errorf("%d different offsets of 104", len(all))
	}
	// Durations and order stay, wherever in the record the person is named.
	in := `{"metadata":{"admitted":"2023-12-30T08:00:00Z","log":"{\"left\":\"2024-02-29\"}"},"customerId":"c-9"}`
	out := line(t, m, in)
	var d [2]time.Time
	for i, name := range []string{`"admitted":"`, `"left\":\"`} {
		_, rest, _ := strings.Cut(out, name+"[DATE_TIME:~")
		var err error
		if d[i], err = time.Parse(time.DateOnly, rest[:min(10, len(rest))]); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
	}
	if d[1].Sub(d[0]) != 61*24*time.Hour {
		t.Errorf("%s: %v between the two, it was 61 days", out, d[1].Sub(d[0]))
	}
	want := `"m":"[DATE_TIME]"}`
	for name, in := range map[string]string{
		"nobody": `{"m":"2024-03-09"}`, "no name": `{"user_id":"n/a","m":"2024-03-09"}`, "a list": `{"user_id":["ann"],"m":"2024-03-09"}`,
	} {
		if got := line(t, m, in); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s", name, got)
		}
	}
	erased := shifting(t, mask.Strict(), 1, mask.Options{Suppressed: func(x mask.Identity) bool { return x.Found == "ann" }})
	if got := line(t, erased, `{"user_id":"ann","m":"2024-03-09"}`); !strings.HasSuffix(got, want) {
		t.Errorf("an erased person: %s", got)
	}
	redacted := shifting(t, mask.Strict(), 1, mask.Options{Redact: true})
	if got := line(t, redacted, `{"user_id":"ann","m":"2024-03-09"}`); !strings.HasSuffix(got, want) {
		t.Errorf("without a key: %s", got)
	}
	// The policy says which field it is, the best first.
	own := shifting(t, &mask.Policy{Subject: []string{"patient", "user_id"}}, 1, mask.Options{})
	if one, two := line(t, own, `{"user_id":"ann","patient":"ben","m":"2024-03-09"}`), line(t, own, `{"user_id":"ben","m":"2024-03-09"}`); one[strings.Index(one, `"m"`):] != two[strings.Index(two, `"m"`):] {
		t.Errorf("%s and %s are of one person", one, two)
	}
}
