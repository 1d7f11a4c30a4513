package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"indelible/internal/store/s3/s3test"
)

// TestExportKill kills exports at any moment, to a file, a folder and a bucket.
// On a table that stands still the result is the same each time, whatever came
// before, and nothing is left of what was killed.
func TestExportKill(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	program := filepath.Join(home, "indelible")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	server := s3test.Start(t)
	bucket := server.NewBucket(t, false)
	env := []string{"HOME=" + home, "S3_ENDPOINT=" + server.Endpoint, "S3_REGION=" + server.Region, "S3_ACCESS_KEY=" + server.AccessKey, "S3_SECRET_KEY=" + server.SecretKey}
	command := func(args ...string) (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.Command(program, append([]string{"--dir", filepath.Join(home, "log")}, args...)...)
		var out bytes.Buffer
		cmd.Env, cmd.Stdout, cmd.Stderr = env, &out, &out
		return cmd, &out
	}
	run := func(args ...string) string {
		t.Helper()
		cmd, out := command(args...)
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return out.String()
	}
	run("init", "--origin", "test.example/log")
	db := filepath.Join(home, "runs.db")
	run("sample", "runs", "--rows", "20000", "--sqlite", db)
	export := func(out string) []string {
		return []string{"export", "--mask", "off", "--all-tenants", "--sqlite", db, "--out", out}
	}
	rounds := 5
	if !testing.Short() {
		rounds = 15
	}
	digest, killed := "", 0
	random := rand.New(rand.NewPCG(1, 2))
	for _, out := range []string{filepath.Join(home, "one", "runs.jsonl"), filepath.Join(home, "many"), "s3://" + bucket + "/killed"} {
		begun := time.Now()
		run(export(out)...)
		whole := time.Since(begun) // with the start of the program
		run("dataset", "purge", "--apply", out)
		for range rounds {
			for range 3 {
				cmd, _ := command(export(out)...)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				kill := time.AfterFunc(time.Duration(random.Int64N(int64(whole)*5/4)), func() { cmd.Process.Kill() })
				if cmd.Wait() != nil {
					killed++
				}
				kill.Stop()
			}
			// It ends now, unless it had ended: then nothing is overwritten.
			cmd, text := command(export(out)...)
			if err := cmd.Run(); err != nil && !strings.Contains(text.String(), "--overwrite") {
				t.Fatalf("%s: %v\n%s", out, err, text)
			}
			var r struct {
				Result string
				Rows   int
				Digest string `json:"content_digest"`
			}
			if err := json.Unmarshal([]byte(run("dataset", "verify", "--json", out)), &r); err != nil {
				t.Fatal(err)
			}
			if r.Result != "ok" || r.Rows != 20000 || digest != "" && digest != r.Digest {
				t.Fatalf("%s: %+v", out, r)
			}
			digest = r.Digest
			purged := run("dataset", "purge", "--apply", out)
			if strings.HasPrefix(out, "s3://") {
				nothingIn(t, server, bucket)
			} else if left := leftIn(t, out); len(left) > 0 {
				t.Fatalf("%s: left behind: %v\n%s", out, left, purged)
			}
		}
	}
	run("verify")
	if killed < rounds {
		t.Errorf("only %d exports were killed", killed)
	}
	t.Logf("%d exports were killed", killed)
}

// program is this test's binary under the program's name, as which it is the
// program.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "indelible")
	if err := os.Symlink(self, name); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestExportKillWhileWriting kills the links of a chain at any moment, while others
// write. Together the links that were made hold the last revision of every row.
func TestExportKillWhileWriting(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.NewBucket(t, false)
	for name, out := range map[string]string{"disk": filepath.Join(t.TempDir(), "chain"), "S3": "s3://" + bucket + "/chain"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newExporter(t, 1500, map[string]string{"S3_ENDPOINT": server.Endpoint, "S3_REGION": server.Region, "S3_ACCESS_KEY": server.AccessKey, "S3_SECRET_KEY": server.SecretKey})
			x.run("runs", "migrate", "--apply").want(exitOK)
			link := []string{"export", "--no-rls", "--mask", "off", "--all-tenants", "--incremental", "nightly", "--include-running", "--out", out}
			name := program(t)
			start := func() (*exec.Cmd, *bytes.Buffer) {
				t.Helper()
				cmd := exec.Command(name, append([]string{"--dir", x.dir}, link...)...)
				var said bytes.Buffer
				cmd.Stdout, cmd.Stderr = &said, &said
				for name, value := range x.env {
					cmd.Env = append(cmd.Env, name+"="+value)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				return cmd, &said
			}
			stop := x.writers()
			random := rand.New(rand.NewPCG(3, uint64(len(out))))
			rounds, killed, made := 2, 0, 0
			if !testing.Short() {
				rounds = 5
			}
			whole := time.Second
			for range rounds {
				for range 3 {
					cmd, _ := start()
					kill := time.AfterFunc(time.Duration(random.Int64N(int64(whole)*5/4)), func() { cmd.Process.Kill() })
					if cmd.Wait() != nil {
						killed++
					} else {
						made++
					}
					kill.Stop()
				}
				begun := time.Now()
				cmd, said := start()
				if err := cmd.Wait(); err != nil {
					stop()
					t.Fatalf("%v\n%s", err, said)
				}
				made++
				whole = time.Since(begun)
			}
			stop()
			x.run(link...).want(exitOK)
			x.export("whole.jsonl", "--all-tenants").want(exitOK)
			x.run("dataset", "diff", out, x.path("whole.jsonl")).want(exitOK, "changed     0", "added       0", "removed     0")
			x.run("dataset", "verify", out).want(exitOK, "proved by ledger and evidence")
			if killed < rounds {
				t.Errorf("only %d links were killed", killed)
			}
			t.Logf("%d links were killed, %d were made", killed, made)
			x.run("dataset", "purge", "--apply", out).want(exitOK)
			if !strings.HasPrefix(out, "s3://") {
				if left := leftIn(t, out); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
				return
			}
			nothingIn(t, server, bucket)
		})
	}
}

// leftIn are the files below a dataset's folder that is gone.
func leftIn(t *testing.T, out string) (left []string) {
	t.Helper()
	if filepath.Ext(out) != "" {
		out = filepath.Dir(out)
	}
	filepath.WalkDir(out, func(name string, e os.DirEntry, err error) error {
		// The lock of a process that was killed is nobody's.
		if err == nil && !e.IsDir() && !strings.HasSuffix(name, ".lock") {
			left = append(left, name)
		}
		return nil
	})
	return left
}

func nothingIn(t *testing.T, server *s3test.Server, bucket string) {
	t.Helper()
	objects, err := server.Client().ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	if err != nil {
		t.Fatal(err)
	}
	uploads, err := server.Client().ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
	if err != nil {
		t.Fatal(err)
	}
	if len(objects.Contents)+len(uploads.Uploads) > 0 {
		t.Fatalf("left behind: %d objects, first %s; %d uploads", len(objects.Contents), aws.ToString(objects.Contents[0].Key), len(uploads.Uploads))
	}
}
