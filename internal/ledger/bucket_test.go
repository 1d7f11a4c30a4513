package ledger_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"indelible/internal/ledger"
	"indelible/internal/store/s3"
	"indelible/internal/store/s3/s3test"
)

// TestBucket attacks a log in a real bucket with what its users may do there:
// put objects over others and delete without naming a version. Originals stay
// below, the log verifies, and the writer goes on.
func TestBucket(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.NewBucket(t, true)
	cfg := server.Config(bucket)
	cfg.LockMode = "GOVERNANCE"
	st, err := s3.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	w, d := newWorld(t, st)
	w.clock.now = time.Now() // locks end by the store's clock
	lock := func(c *ledger.Config) { c.Retention = time.Hour }
	p := d.open(lock).ready()
	p.commit(events("acme", 0, 300)...)
	p.publish()
	p.commit(events("acme", 300, 5)...) // beyond the checkpoint
	next := ledger.SegmentName(p.ledger.Status().LastSegment + 1)
	p.close()
	w.wantClean()

	var names []string
	for name, err := range st.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		if name != "checkpoint" {
			names = append(names, name)
		}
	}
	client := server.Client()
	for i, name := range append(names, next) {
		key := "audit-logs/" + name
		if i%3 != 0 || name == next {
			_, err = client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader([]byte("garbage"))})
		}
		if i%3 != 1 && err == nil && name != next {
			_, err = client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &bucket, Key: &key})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	attacked := func() {
		t.Helper()
		r := w.verify()
		want(t, r, ledger.ResultOK)
		for _, name := range append(slices.Clone(names), next) {
			if !named(r, name) {
				t.Errorf("%s is not named\n%s", name, describe(r))
			}
		}
	}
	attacked()
	p = d.open(lock).ready()
	p.commit(events("acme", 305, 5)...)
	p.publish()
	p.close()
	attacked()
	w.wantRecorded(events("acme", 0, 310))
}
