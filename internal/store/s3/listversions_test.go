package s3_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"indelible/internal/store"
	"indelible/internal/store/s3/s3test"
)

// TestListVersions: over several pages, with delete markers, keys that hold no
// valid name, and a name whose versions reach from one page into the next,
// every name's versions are those Versions tells.
func TestListVersions(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.NewBucket(t, true)
	s := open(t, server.Config(bucket))
	ctx := t.Context()
	const objects = 1200
	var wg sync.WaitGroup
	room := make(chan struct{}, 16)
	for i := range objects {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			if err := s.Create(ctx, fmt.Sprintf("wal/%020d", i), nil, time.Time{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	name := func(i int) string { return fmt.Sprintf("wal/%020d", i) }
	hide := func(i int) {
		key := "audit-logs/" + name(i)
		if _, err := server.Client().DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 30 { // 998 stands on the edge of the first page
		put(t, server, bucket, "audit-logs/"+name(980), strings.Repeat("x", i+1))
		put(t, server, bucket, "audit-logs/"+name(998), strings.Repeat("x", i+1))
	}
	hide(3)
	hide(998)
	hide(1199)
	put(t, server, bucket, "audit-logs/wal/ä b%20", "foreign")
	put(t, server, bucket, "audit-logs/walrus", "foreign")

	got := make(map[string][]store.Version)
	last := ""
	for v, err := range s.ListVersions(ctx, "wal/") {
		if err != nil {
			t.Fatal(err)
		}
		if v.Name < last {
			t.Fatalf("%s comes after %s", v.Name, last)
		}
		last = v.Name
		got[v.Name] = append(got[v.Name], v.Version)
	}
	if len(got) != objects {
		t.Errorf("%d names, want %d", len(got), objects)
	}
	for i, want := range map[int]int{0: 1, 3: 2, 980: 31, 997: 1, 998: 32, 999: 1, 1198: 1, 1199: 2} {
		there, err := s.Versions(ctx, name(i))
		if err != nil {
			t.Fatal(err)
		}
		list := got[name(i)]
		if len(list) != want || len(there) != want {
			t.Fatalf("%s: %d versions listed, %d told, want %d", name(i), len(list), len(there), want)
		}
		for j := range list {
			if list[j].ID != there[j].ID || list[j].DeleteMarker != there[j].DeleteMarker || list[j].Newest != (j == want-1) {
				t.Errorf("%s, version %d: %+v, want %+v", name(i), j, list[j], there[j])
			}
		}
	}
	if v := got[name(3)]; v[0].DeleteMarker || !v[1].DeleteMarker || v[1].ID == "" {
		t.Errorf("hidden object: %+v", v)
	}
}
