package dataset_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"indelible/internal/dataset"
	"indelible/internal/dataset/compress"
	"indelible/internal/dataset/encrypt"
	"indelible/internal/dataset/parquet"
)

func zstd(j *dataset.Job) { packed("zstd")(j) }

func packed(name string) func(*dataset.Job) {
	return func(j *dataset.Job) {
		j.Compression = name
		j.Pack, _ = compress.Packer(name)
	}
}

func parquetFiles(j *dataset.Job) {
	j.Format, j.Compression, j.Columnar = "parquet", "zstd", parquet.Format{Compressed: true}
}

// TestFormats: whatever the form, the rows have one digest, and every changed
// byte shows.
func TestFormats(t *testing.T) {
	t.Parallel()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	encrypted := func(j *dataset.Job) {
		if j.Encrypt, err = encrypt.To([]string{id.Recipient().String()}); err != nil {
			t.Fatal(err)
		}
	}
	f := newFixture(t, 9000)
	f.table.revision, f.table.extra = true, true
	want := f.export(file("runs.jsonl"), all).Manifest.Dataset
	for name, change := range map[string][]func(*dataset.Job){
		"runs.jsonl.zst":     {packed("zstd")},
		"runs.jsonl.gz":      {packed("gzip")},
		"runs.parquet":       {parquetFiles},
		"runs.jsonl.zst.age": {packed("zstd"), encrypted},
		"runs.jsonl.age":     {encrypted},
		"runs.parquet.age":   {parquetFiles, encrypted},
	} {
		d := f.export(append(change, file(name), all)...).Manifest.Dataset
		if d.ContentDigest != want.ContentDigest || d.Rows != 9000 {
			t.Errorf("%s: other rows", name)
		}
		if strings.HasPrefix(name, "runs.jsonl") && d.Files[0].UncompressedSHA256 != want.Files[0].SHA256 {
			t.Errorf("%s: its content is another one", name)
		}
		whole := f.read(name)
		if strings.Contains(name, ".age") && bytes.Contains(whole, []byte("acme")) {
			t.Errorf("%s is not encrypted", name)
		}
		check := f.check(name)
		if strings.HasSuffix(name, ".age") {
			r := f.verify(name, dataset.ResultOK)
			if len(r.Unchecked) == 0 {
				t.Errorf("%s: nothing is said of rows that could not be read", name)
			}
			if check.Decrypt, err = encrypt.With(strings.NewReader(id.String())); err != nil {
				t.Fatal(err)
			}
		}
		r, err := dataset.Verify(t.Context(), check)
		if err != nil || r.Result != dataset.ResultOK || len(r.Unchecked) > 0 && name != "runs.parquet.age" {
			t.Errorf("%s: %v %+v", name, err, r)
		}
		for at := 0; at < len(whole); at += max(1, len(whole)/15) {
			if err := os.WriteFile(filepath.Join(f.dir, name), flip(whole, at), 0o600); err != nil {
				t.Fatal(err)
			}
			if r, err := dataset.Verify(t.Context(), check); err != nil || r.Result != dataset.ResultTampered {
				t.Errorf("%s, byte %d: %v %+v", name, at, err, r)
			}
		}
	}
}

// TestPackedJobsChangeNothing: where frames and pages begin does not depend on
// how many read.
func TestPackedJobsChangeNothing(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*dataset.Job){zstd, packed("gzip"), parquetFiles} {
		f := newFixture(t, 20_000)
		var first []byte
		for _, jobs := range []int{1, 3} {
			f.export(change, file("runs.x"), all, func(j *dataset.Job) { j.Query.Jobs, j.Overwrite = jobs, true })
			if b := f.read("runs.x"); first == nil {
				first = b
			} else if !bytes.Equal(b, first) {
				t.Errorf("with %d jobs the file is another one", jobs)
			}
		}
	}
	f := newFixture(t, 0)
	f.export(zstd, file("runs.jsonl.zst"))
	f.verify("runs.jsonl.zst", dataset.ResultOK)
	r, err := compress.Reader("zstd", bytes.NewReader(f.read("runs.jsonl.zst")))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || len(b) != 0 || len(f.read("runs.jsonl.zst")) == 0 {
		t.Errorf("an empty dataset is no file of the format: %v", err)
	}
	f = newFixture(t, 0)
	f.export(parquetFiles, file("runs.parquet"))
	f.verify("runs.parquet", dataset.ResultOK)
	if slices.Contains(f.files(), "plan.json") {
		t.Error("a plan is left")
	}
}
