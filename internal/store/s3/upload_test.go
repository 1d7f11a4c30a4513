package s3_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"indelible/internal/store"
	"indelible/internal/store/s3"
	"indelible/internal/store/s3/s3test"
)

func upload(t *testing.T, s *s3.Store, name string, data []byte, replace bool) error {
	t.Helper()
	u, err := s.Upload(t.Context(), name, replace)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Abort()
	for p := data; len(p) > 0; {
		n := min(len(p), 300_000)
		if _, err := u.Write(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return u.Complete()
}

func TestUpload(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.NewBucket(t, false)
	s, err := s3.Open(t.Context(), server.Config(bucket))
	if err != nil {
		t.Fatal(err)
	}
	large := make([]byte, 2*s3.PartSize+12345)
	source := rand.NewChaCha8([32]byte{1})
	io.ReadFull(source, large)
	for name, data := range map[string][]byte{"empty": nil, "small": large[:1000], "exact": large[:s3.PartSize], "large": large} {
		if err := upload(t, s, name, data, false); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		o, err := s.Read(t.Context(), name, store.ReadOptions{})
		if err != nil || !bytes.Equal(o.Data, data) {
			t.Errorf("%s: %v, %d bytes", name, err, len(o.Data))
		}
		if err := upload(t, s, name, large[5:s3.PartSize+9], false); !errors.Is(err, store.ErrExist) {
			t.Errorf("%s again: %v", name, err)
		}
		if err := upload(t, s, name, large[7:s3.PartSize+9], true); err != nil {
			t.Errorf("replace %s: %v", name, err)
		}
		o, err = s.Read(t.Context(), name, store.ReadOptions{})
		if err != nil || !bytes.Equal(o.Data, large[7:s3.PartSize+9]) {
			t.Errorf("%s replaced: %v", name, err)
		}
	}
	unfinished(t, server, bucket, 0)

	// Whoever was killed leaves an upload; the next one gives it up, and no other.
	for _, name := range []string{"runs/a/part", "runs/a", "runs/ab", "other"} {
		u, err := s.Upload(t.Context(), name, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Write(large[:s3.PartSize+1]); err != nil {
			t.Fatal(err)
		}
		// Of a process that was killed nothing is on its way any more; a part
		// that is could begin the upload anew in the server's folder.
		if err := u.Arrived(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AbortUploads(t.Context(), "runs/a"); err != nil {
		t.Fatal(err)
	}
	unfinished(t, server, bucket, 2)
	if err := s.AbortUploads(t.Context(), "runs"); err != nil {
		t.Fatal(err)
	}
	unfinished(t, server, bucket, 1)

	if err := s.Delete(t.Context(), "large"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context(), "large", store.ReadOptions{}); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("deleted: %v", err)
	}
	if err := s.Delete(t.Context(), "large"); err != nil {
		t.Error(err)
	}
}

func unfinished(t *testing.T, server *s3test.Server, bucket string, want int) {
	t.Helper()
	out, err := server.Client().ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Uploads) != want {
		t.Errorf("%d uploads are unfinished, want %d", len(out.Uploads), want)
	}
}

// TestUploadAway: a store that goes away in the middle is an error that says
// so, and the name stays free.
func TestUploadAway(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	s, err := s3.Open(t.Context(), server.Config(server.NewBucket(t, false)))
	if err != nil {
		t.Fatal(err)
	}
	u, err := s.Upload(t.Context(), "runs.jsonl", false)
	if err != nil {
		t.Fatal(err)
	}
	part := make([]byte, s3.PartSize)
	if _, err := u.Write(part); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	_, err = u.Write(part)
	if err == nil {
		err = u.Complete()
	}
	u.Abort()
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	server.Start()
	if _, err := s.Read(t.Context(), "runs.jsonl", store.ReadOptions{}); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("after it came back: %v", err)
	}
	if err := upload(t, s, "runs.jsonl", part, false); err != nil {
		t.Errorf("after it came back: %v", err)
	}
}
