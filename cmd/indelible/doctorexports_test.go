package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"indelible/internal/store/s3/s3test"
)

// TestDoctorExports: of a bucket that datasets go to, doctor says whether unfinished
// uploads end by themselves, and says so where it cannot know.
func TestDoctorExports(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	m := newMachine(t, map[string]string{"S3_ENDPOINT": server.Endpoint, "S3_REGION": server.Region, "S3_ACCESS_KEY": server.AccessKey, "S3_SECRET_KEY": server.SecretKey})
	m.run("init", "--origin", "test.example/log").want(exitOK)
	m.run("doctor", "--exports", "s3://"+server.NewBucket(t, false)+"/exports").want(exitOK, "not known", "AbortIncompleteMultipartUpload")
	m.run("doctor", "--exports", "/srv/exports").want(exitUsage, "s3://bucket/prefix")

	rules := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/without") {
			w.WriteHeader(http.StatusNotFound)
			w.Write([]byte(`<Error><Code>NoSuchLifecycleConfiguration</Code></Error>`))
			return
		}
		w.Write([]byte(`<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter></Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>`))
	}))
	t.Cleanup(rules.Close)
	m.env["S3_ENDPOINT"] = rules.URL
	name := filepath.Join(m.dir, "indelible.yaml")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	write(t, name, append(text, "\nschedules:\n  nightly:\n    when: daily 02:00\n    run: export\n    with:\n      out: s3://acme-data/runs\n      all_tenants: true\n      mask: \"off\"\n"...))
	m.run("doctor").want(exitOK, "s3://acme-data/runs: the bucket gives up those that are not completed after 7 days")
	m.run("doctor", "--exports", "s3://without").want(exitOK, "no rule of the bucket", "lifecycle rule")
}
