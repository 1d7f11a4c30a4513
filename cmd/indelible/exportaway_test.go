package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"indelible/internal/store/s3/s3test"
)

// TestExportStoreAway: a bucket that goes away in the middle of an upload is an
// error that says what to do; nothing of the rows is there under a name, and the
// same command makes the dataset when the bucket is back.
func TestExportStoreAway(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	bucket := server.NewBucket(t, false)
	m := newMachine(t, map[string]string{"S3_ENDPOINT": server.Endpoint, "S3_REGION": server.Region, "S3_ACCESS_KEY": server.AccessKey, "S3_SECRET_KEY": server.SecretKey})
	m.run("init", "--origin", "test.example/log").want(exitOK)
	db := t.TempDir() + "/runs.db"
	m.run("sample", "runs", "--rows", "60000", "--sqlite", db).want(exitOK)
	export := []string{"export", "--mask", "off", "--all-tenants", "--sqlite", db, "--out", "s3://" + bucket + "/away"}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ended := make(chan output, 1)
	// Slow enough to be in the middle of an upload for seconds.
	go func() { ended <- m.runReading(ctx, strings.NewReader(""), append(export, "--max-rate", "15000")...) }()
	client := server.Client()
	for poll := time.NewTicker(10 * time.Millisecond); ; <-poll.C {
		uploads, err := client.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
		if err != nil {
			t.Fatal(err)
		}
		if len(uploads.Uploads) > 0 {
			break
		}
		if len(ended) > 0 {
			t.Fatalf("it ended before the bucket went away: %+v", <-ended)
		}
	}
	server.Stop()
	o := (<-ended).want(exitFailure, "error: ", "hint: run the same command again when it is back")
	if strings.Contains(o.err, server.SecretKey) {
		t.Error("the error tells the secret key")
	}

	server.Start()
	objects, err := client.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects.Contents {
		if name := aws.ToString(object.Key); !strings.HasSuffix(name, "plan.json") {
			t.Errorf("%s is there", name)
		}
	}
	m.run("dataset", "verify", "s3://"+bucket+"/away").want(exitUsage, "no dataset there")
	m.run(export...).want(exitOK, "rows        60000")
	m.run("dataset", "verify", "s3://"+bucket+"/away").want(exitOK, "proved by ledger and evidence")
	m.run("dataset", "purge", "--apply", "s3://"+bucket+"/away").want(exitOK)
	nothingIn(t, server, bucket)
}
