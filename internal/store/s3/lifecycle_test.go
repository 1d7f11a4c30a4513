package s3_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"indelible/internal/store/s3"
	"indelible/internal/store/s3/s3test"
)

// TestUploadsEnd: which rules of a bucket give up uploads below audit-logs.
func TestUploadsEnd(t *testing.T) {
	t.Parallel()
	rule := func(status, filter string, days int) string {
		return fmt.Sprintf("<Rule><ID>x</ID><Status>%s</Status>%s<AbortIncompleteMultipartUpload><DaysAfterInitiation>%d</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>", status, filter, days)
	}
	for what, c := range map[string]struct {
		rules string
		want  int
	}{
		"no rule":                    {"", 0},
		"for all":                    {rule("Enabled", "<Filter></Filter>", 7), 7},
		"an empty prefix":            {rule("Enabled", "<Filter><Prefix></Prefix></Filter>", 7), 7},
		"above ours":                 {rule("Enabled", "<Filter><Prefix>audit</Prefix></Filter>", 3), 3},
		"ours":                       {rule("Enabled", "<Filter><Prefix>audit-logs/</Prefix></Filter>", 3), 3},
		"as in old times":            {rule("Enabled", "<Prefix>audit-logs/</Prefix>", 4), 4},
		"only a part of ours":        {rule("Enabled", "<Filter><Prefix>audit-logs/a</Prefix></Filter>", 3), 0},
		"another":                    {rule("Enabled", "<Filter><Prefix>other/</Prefix></Filter>", 3), 0},
		"off":                        {rule("Disabled", "<Filter></Filter>", 3), 0},
		"by a tag":                   {rule("Enabled", "<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>", 3), 0},
		"by size":                    {rule("Enabled", "<Filter><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></Filter>", 3), 0},
		"the earliest of several":    {rule("Enabled", "<Filter></Filter>", 9) + rule("Enabled", "<Filter></Filter>", 2), 2},
		"a rule of something else":   {"<Rule><ID>x</ID><Status>Enabled</Status><Filter></Filter><Expiration><Days>1</Days></Expiration></Rule>", 0},
		"several conditions, a safe": {rule("Enabled", "<Filter><And><Prefix>a</Prefix><Tag><Key>a</Key><Value>b</Value></Tag></And></Filter>", 3), 0},
	} {
		s := pretend(t, func(w http.ResponseWriter, r *http.Request) {
			if _, asked := r.URL.Query()["lifecycle"]; !asked || r.Method != "GET" {
				t.Errorf("%s %s", r.Method, r.URL)
			}
			if c.rules == "" {
				answer(w, 404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
				return
			}
			io.WriteString(w, `<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`+c.rules+`</LifecycleConfiguration>`)
		})
		if days, err := s.UploadsEnd(t.Context()); err != nil || days != c.want {
			t.Errorf("%s: %d days, want %d, %v", what, days, c.want, err)
		}
	}
	for _, status := range []int{403, 501, 400} {
		s := pretend(t, func(w http.ResponseWriter, r *http.Request) { answer(w, status, "Something", "no") })
		if days, err := s.UploadsEnd(t.Context()); err == nil {
			t.Errorf("status %d: %d days are known", status, days)
		}
	}
	// A server that has no such rules does not seem to have none.
	server := s3test.Start(t)
	s, err := s3.Open(t.Context(), server.Config(server.NewBucket(t, false)))
	if err != nil {
		t.Fatal(err)
	}
	if days, err := s.UploadsEnd(t.Context()); err == nil {
		t.Errorf("versitygw: %d days", days)
	}
}

// TestKMSKey: what is written under a key of the store's KMS says so, alone and in
// parts, and nothing else does. No server here has such a key: the requests are
// what can be tested.
func TestKMSKey(t *testing.T) {
	t.Parallel()
	const key = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	for _, kms := range []string{key, ""} {
		var mu sync.Mutex
		seen := map[string][]string{}
		s := pretend(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			q := r.URL.Query()
			what := r.Method
			switch {
			case q.Has("uploads"):
				what = "begin parts"
			case q.Has("partNumber"):
				what = "part"
			case q.Has("uploadId"):
				what = "end parts"
			}
			mu.Lock()
			seen[what] = append(seen[what], r.Header.Get("X-Amz-Server-Side-Encryption")+" "+r.Header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"))
			mu.Unlock()
			w.Header().Set("Etag", `"etag"`)
			switch what {
			case "begin parts":
				io.WriteString(w, `<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>`)
			case "end parts":
				io.WriteString(w, `<CompleteMultipartUploadResult><ETag>"etag"</ETag></CompleteMultipartUploadResult>`)
			}
		}, func(c *s3.Config) { c.KMSKey = kms })
		if err := upload(t, s, "small", make([]byte, 1000), false); err != nil {
			t.Fatal(err)
		}
		if err := upload(t, s, "large", make([]byte, 2*s3.PartSize+1), false); err != nil {
			t.Fatal(err)
		}
		want := " "
		if kms != "" {
			want = "aws:kms " + key
		}
		for _, what := range []string{"PUT", "begin parts"} {
			if len(seen[what]) == 0 || strings.Join(seen[what], "|") != strings.Repeat(want+"|", len(seen[what])-1)+want {
				t.Errorf("%s with key %q: %q", what, kms, seen[what])
			}
		}
		// The parts and the end are encrypted as was said at the beginning.
		for _, what := range []string{"part", "end parts"} {
			if len(seen[what]) == 0 || strings.Trim(strings.Join(seen[what], ""), " ") != "" {
				t.Errorf("%s with key %q: %q", what, kms, seen[what])
			}
		}
	}
}
