package main

import (
	"context"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"indelible/internal/datadir"
	"indelible/internal/dataset"
	"indelible/internal/dataset/bucket"
	"indelible/internal/dataset/compress"
	"indelible/internal/dataset/encrypt"
	"indelible/internal/dataset/folder"
	"indelible/internal/dataset/parquet"
)

// placeOptions say where a dataset lies.
type placeOptions struct {
	out    string
	kmsKey string // of the bucket's service
}

func (o *placeOptions) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.kmsKey, "sse-kms-key", "", "s3: the key of AWS KMS that the store encrypts the objects with")
}

// openPlace opens the place that --out, or an argument, names: file is the name
// of the one file, or empty for a folder. What ends in a slash, has no
// extension, or is a folder already is a folder.
func (a *app) openPlace(ctx context.Context, o *placeOptions, writing bool) (place dataset.Place, file string, err error) {
	out := o.out
	if !writing {
		out = strings.TrimSuffix(out, ".manifest.json")
	}
	if rest, ok := strings.CutPrefix(out, "s3://"); ok {
		name, key, _ := strings.Cut(rest, "/")
		if name == "" || strings.Contains(key, "//") {
			return nil, "", usagef("write s3://bucket/prefix", "%q names no place in a bucket", o.out)
		}
		prefix := strings.Trim(key, "/")
		if !strings.HasSuffix(key, "/") && path.Ext(key) != "" {
			prefix, file = path.Split(key)
			prefix = strings.TrimSuffix(prefix, "/")
		}
		st, err := datadir.OpenBucketFor(ctx, name, prefix, o.kmsKey, a.env)
		if err != nil {
			return nil, "", err
		}
		return bucket.New(st), file, nil
	}
	if o.kmsKey != "" {
		return nil, "", usagef("it goes with s3://bucket/prefix", "--sse-kms-key")
	}
	name := filepath.Clean(out)
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir(), err != nil && (strings.HasSuffix(out, "/") || filepath.Ext(name) == ""):
		return folder.New(name), "", nil
	}
	return folder.New(filepath.Dir(name)), filepath.Base(name), nil
}

// form fills in format, compression and encryption, by the flags and by the
// name of --out.
func (o *exportSpec) form(job *dataset.Job) error {
	name := strings.TrimSuffix(o.out, ".age")
	if name != o.out && len(o.encryptTo) == 0 {
		return usagef("give the recipients with --encrypt-to age1…", "%s says that it is encrypted", o.out)
	}
	job.Compression = o.compress
	for ext, compression := range map[string]string{".gz": "gzip", ".zst": "zstd"} {
		if base, ok := strings.CutSuffix(name, ext); ok {
			name = base
			if job.Compression == "" {
				job.Compression = compression
			}
		}
	}
	job.Format = o.format
	if job.Format == "" {
		job.Format = "jsonl"
		if path.Ext(name) == ".parquet" {
			job.Format = "parquet"
		}
	}
	switch job.Format {
	case "jsonl":
		if job.Compression == "" || job.Compression == "none" {
			job.Compression = "none"
			break
		}
		pack, err := compress.Packer(job.Compression)
		if err != nil {
			return usagef("choose none, gzip or zstd", "--compress %q", job.Compression)
		}
		job.Pack = pack
	case "parquet":
		if job.Compression == "" {
			job.Compression = "zstd"
		}
		if job.Compression != "zstd" && job.Compression != "none" {
			return usagef("choose none or zstd", "--compress %q with --format parquet", job.Compression)
		}
		job.Columnar = parquet.Format{Compressed: job.Compression == "zstd"}
	default:
		return usagef("choose jsonl or parquet", "--format %q", job.Format)
	}
	if len(o.encryptTo) > 0 {
		to, err := encrypt.To(o.encryptTo)
		if err != nil {
			return usagef("give the public key age-keygen printed, age1…", "--encrypt-to: %s", err)
		}
		job.Encrypt = to
	}
	return nil
}

// unpacking says how files are read back.
func (o *datasetVerifyOptions) unpacking(c *dataset.Check) error {
	return o.readOptions.into(&c.Reader)
}

// readOptions say how the files of a dataset are opened.
type readOptions struct{ identity string }

func (o *readOptions) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.identity, "identity", "", "file of age identities to decrypt the files with")
}

func (o *readOptions) into(r *dataset.Reader) error {
	r.Unpack = func(name string, in io.Reader) (io.ReadCloser, error) { return compress.Reader(name, in) }
	r.Rows = parquet.Rows
	if o.identity == "" {
		return nil
	}
	f, err := os.Open(o.identity)
	if err != nil {
		return usagef("name the file age-keygen wrote", "--identity: %s", err)
	}
	defer f.Close()
	if r.Decrypt, err = encrypt.With(f); err != nil {
		return usagef("name the file age-keygen wrote", "--identity %s: %s", o.identity, err)
	}
	return nil
}
