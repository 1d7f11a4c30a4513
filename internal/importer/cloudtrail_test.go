package importer

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"indelible"
)

const trail = `{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"P","arn":"arn:aws:iam::1:user/b"},` +
	`"eventTime":"2023-07-10T11:42:36Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","sourceIPAddress":"192.0.2.1",` +
	`"userAgent":"aws-cli","requestParameters":null,"errorCode":"AccessDenied","additionalEventData":{"bytes":9007199254740993,"time":1.50},` +
	`"resources":[{"accountId":"1"},{"ARN":"arn:aws:s3:::b"},{"ARN":"arn:aws:s3:::c"}],` +
	`"eventID":"293BA626-3be5-4a26-ab1b-0f4c54f49959","eventType":"AwsApiCall","recipientAccountId":"111122223333"}`

func TestCloudTrailRecord(t *testing.T) {
	t.Parallel()
	events, refused := outcomes(t, CloudTrail(strings.NewReader(`{"Records":[`+trail+`]}`)))
	if len(events) != 1 {
		t.Fatal(refused)
	}
	rec := events[0]
	want := &indelible.Event{
		ID: "293ba626-3be5-4a26-ab1b-0f4c54f49959", Timestamp: time.Date(2023, 7, 10, 11, 42, 36, 0, time.UTC),
		EventType: "AwsApiCall", UserID: "arn:aws:iam::1:user/b", TenantID: "111122223333", ResourceType: "s3.amazonaws.com",
		ResourceID: "arn:aws:s3:::b", Action: "GetObject", Outcome: "failure", SourceIP: "192.0.2.1", UserAgent: "aws-cli",
		Details: rec.Event.Details,
	}
	if diff := cmp.Diff(want, rec.Event); diff != "" {
		t.Error(diff)
	}
	if string(rec.Raw) != trail || rec.Number != 1 || rec.Stringified != 1 {
		t.Errorf("raw %s, number %d, stringified %d", rec.Raw, rec.Number, rec.Stringified)
	}
	if !bytes.Contains(rec.Event.Details, []byte(`"additionalEventData":{"bytes":"9007199254740993","time":1.5}`)) {
		t.Errorf("%s", rec.Event.Details)
	}
}

func TestCloudTrailMembers(t *testing.T) {
	t.Parallel()
	change := func(old, new string) func(*testing.T) (*indelible.Event, string) {
		return func(t *testing.T) (*indelible.Event, string) {
			if strings.Count(trail, old) != 1 {
				t.Fatalf("%s stands %d times", old, strings.Count(trail, old))
			}
			events, refused := outcomes(t, CloudTrail(strings.NewReader("["+strings.Replace(trail, old, new, 1)+"]")))
			if len(events) == 1 {
				return events[0].Event, ""
			}
			return nil, refused[1]
		}
	}
	got := func(f func(*testing.T) (*indelible.Event, string), of func(*indelible.Event) string) string {
		e, err := f(t)
		if e == nil {
			t.Error(err)
			return ""
		}
		return of(e)
	}
	user := func(e *indelible.Event) string { return e.UserID }
	resource := func(e *indelible.Event) string { return e.ResourceID }
	outcome := func(e *indelible.Event) string { return e.Outcome }
	for _, tt := range []struct{ got, want string }{
		{got(change(`,"arn":"arn:aws:iam::1:user/b"`, ``), user), "P"},
		{got(change(`"principalId":"P","arn":"arn:aws:iam::1:user/b"`, `"arn":null`), user), ""},
		{got(change(`{"type":"IAMUser","principalId":"P","arn":"arn:aws:iam::1:user/b"}`, `null`), user), ""},
		{got(change(`"userIdentity"`, `"x"`), user), ""},
		{got(change(`"ARN":"arn:aws:s3:::b"`, `"arn":"lower"`), resource), "lower"},
		{got(change(`[{"accountId":"1"},{"ARN":"arn:aws:s3:::b"},{"ARN":"arn:aws:s3:::c"}]`, `null`), resource), ""},
		{got(change(`[{"accountId":"1"},{"ARN":"arn:aws:s3:::b"},{"ARN":"arn:aws:s3:::c"}]`, `[]`), resource), ""},
		{got(change(`[{"accountId":"1"},{"ARN":"arn:aws:s3:::b"},{"ARN":"arn:aws:s3:::c"}]`, `[1,"a]",[{"ARN":"x"}]]`), resource), ""},
		{got(change(`"AccessDenied"`, `null`), outcome), "success"},
		{got(change(`"errorCode"`, `"noError"`), outcome), "success"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
	noID := change(`"eventID":"293BA626-3be5-4a26-ab1b-0f4c54f49959",`, ``)
	id := func(e *indelible.Event) string { return e.ID }
	if a, b := got(noID, id), got(noID, id); a != b || a[14] != '8' {
		t.Errorf("ids %s, %s", a, b)
	}
	for _, tt := range []struct {
		err  func(*testing.T) (*indelible.Event, string)
		want string
	}{
		{change(`"recipientAccountId"`, `"x"`), "recipientAccountId, which becomes tenant_id: required"},
		{change(`"2023-07-10T11:42:36Z"`, `"July"`), "eventTime, which becomes timestamp"},
		{change(`"eventTime"`, `"x"`), "eventTime: missing"},
		{change(`"GetObject"`, `7`), "eventName: must be a string"},
		{change(`"293BA626-`, `"`), "eventID, which becomes id"},
		{change(`"eventVersion":"1.08"`, `"a":1,"a":1`), "a: appears more than once"},
		{change(`"eventVersion":"1.08"`, `"a":{"b":["\ud800"]}`), "a.b[0]: the lone surrogate"},
	} {
		if _, err := tt.err(t); !strings.Contains(err, tt.want) {
			t.Errorf("got %q, want %q", err, tt.want)
		}
	}
}

func TestCloudTrailFiles(t *testing.T) {
	t.Parallel()
	zip := func(s string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		io.WriteString(w, s)
		w.Close()
		return b.String()
	}
	long := `{"a":"` + strings.Repeat("x", MaxRecord) + `"}`
	records := `{"Records":[` + trail + `]}`
	for name, tt := range map[string]struct {
		file    string
		events  int
		refused []string
	}{
		"nothing":          {"", 0, nil},
		"no records":       {`{"Records":[]}`, 0, nil},
		"pretty":           {"\ufeff{\n \"Records\" : [\n " + trail + " ,\n " + trail + "\n ]\n}\n", 2, nil},
		"bare":             {" [ " + trail + "," + trail + " ] ", 2, nil},
		"several":          {records + "\n[" + trail + "]" + records, 3, nil},
		"gzip":             {zip(records), 1, nil},
		"several gzip":     {zip(records) + zip(records), 2, nil},
		"other members":    {`{"a":{"Records":[1,"]}"]},"Records":[` + trail + `],"b":[1,2],"c":"\"}"}`, 1, nil},
		"bad ones between": {"[" + trail + `,{"a" 1},nope,17,{},{"a":[1,{"b":nope}]},` + trail + "]", 2, []string{"not valid JSON", "nope", "object", "eventTime", "not valid JSON"}},
		"over-long":        {"[" + trail + "," + long + "," + trail + "]", 2, []string{"4194304 bytes"}},
		"no array":         {`{"Records":{}}`, 0, []string{`without "Records"`}},
		"something else":   {`{"a":1}` + records, 1, []string{`without "Records"`}},
		"no JSON":          {"hello", 0, []string{"broken here: 'h'"}},
		"cut between":      {"[" + trail + ",", 1, []string{"broken here: the end of the file"}},
		"cut inside":       {"[" + trail + "," + trail[:99], 1, []string{"the file ends in the middle of this record"}},
		"cut behind":       {"[" + trail, 1, []string{"broken here: the end of the file"}},
		"cut in a name":    {`{"Recor`, 0, []string{"broken here: the end of the file"}},
		"comma missing":    {"[" + trail + trail + "]", 1, []string{"broken here: '{'"}},
		"comma too many":   {"[" + trail + ",]", 1, []string{"broken here: ']'"}},
		"no colon":         {`{"Records"[]}`, 0, []string{"broken here: '['"}},
		"no name":          {`{7:[]}`, 0, []string{"broken here: '7'"}},
	} {
		for how, r := range map[string]io.Reader{
			"whole":  strings.NewReader(tt.file),
			"halves": iotest.HalfReader(strings.NewReader(tt.file)),
		} {
			events, refused := outcomes(t, CloudTrail(r))
			if len(events) != tt.events || len(refused) != len(tt.refused) {
				t.Errorf("%s, %s: %d events, refused %v", name, how, len(events), refused)
				continue
			}
			all := ""
			for n := int64(1); n < 20; n++ {
				all += refused[n] + "\n"
			}
			for _, want := range tt.refused {
				if want != "nope" && !strings.Contains(all, want) {
					t.Errorf("%s, %s: refused %v, want %q", name, how, refused, want)
				}
			}
		}
	}
}

// A file that unpacks to many times its size is read in the memory of a record.
func TestCloudTrailBomb(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	go func() {
		zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			w.CloseWithError(err)
			return
		}
		io.WriteString(zip, `{"Records":[{"a":"`)
		block := strings.Repeat("x", 1<<20)
		for range 48 {
			io.WriteString(zip, block)
		}
		io.WriteString(zip, `"},`+trail+`]}`)
		zip.Close()
		w.Close()
	}()
	events, refused := outcomes(t, CloudTrail(r))
	if len(events) != 1 || refused[1] != errTooLong.Error() {
		t.Errorf("%d events, refused %v", len(events), refused)
	}
}

func TestCloudTrailBrokenGzip(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, `{"Records":[`+trail+`]}`)
	w.Close()
	for _, cut := range []int{2, 30, b.Len() - 4} {
		var last error
		for _, err := range CloudTrail(bytes.NewReader(b.Bytes()[:cut])) {
			last = err
		}
		if last == nil {
			t.Errorf("cut at %d: no error", cut)
		}
	}
}

func FuzzCloudTrail(f *testing.F) {
	f.Add([]byte(`{"Records":[` + trail + `]}`))
	f.Add([]byte(`[{"a":[}],"` + trail + `]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		read := func(r io.Reader) (seen []string) {
			for rec, err := range CloudTrail(r) {
				if err != nil {
					seen = append(seen, "error")
					break
				}
				if (rec.Event == nil) == (rec.Err == nil) {
					t.Fatal(rec)
				}
				seen = append(seen, string(rec.Raw))
			}
			return seen
		}
		// How the stream is cut into reads changes nothing.
		if diff := cmp.Diff(read(bytes.NewReader(data)), read(iotest.OneByteReader(bytes.NewReader(data)))); diff != "" {
			t.Fatal(diff)
		}
	})
}
