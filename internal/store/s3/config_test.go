package s3_test

import (
	"strings"
	"testing"

	"indelible/internal/store/s3"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	good := s3.Config{Endpoint: "https://s3.example.com", Bucket: "ledger", AccessKey: "access", SecretKey: "secret"}
	tests := []struct {
		name   string
		change func(*s3.Config)
		want   string // part of the error; empty for none
	}{
		{"as it is", func(c *s3.Config) {}, ""},
		{"AWS", func(c *s3.Config) { c.Endpoint, c.Region = "", "eu-central-1" }, ""},
		{"AWS without a region", func(c *s3.Config) { c.Endpoint = "" }, "region"},
		{"loopback", func(c *s3.Config) { c.Endpoint = "http://127.0.0.1:7070" }, ""},
		{"loopback name", func(c *s3.Config) { c.Endpoint = "http://localhost:7070/" }, ""},
		{"loopback of IPv6", func(c *s3.Config) { c.Endpoint = "http://[::1]:7070" }, ""},
		{"plain HTTP", func(c *s3.Config) { c.Endpoint = "http://minio.example.com:9000" }, "s3.insecure"},
		{"plain HTTP in the local net", func(c *s3.Config) { c.Endpoint = "http://10.0.0.1" }, "s3.insecure"},
		{"a name that only begins like localhost", func(c *s3.Config) { c.Endpoint = "http://localhost.example.com" }, "s3.insecure"},
		{"plain HTTP allowed", func(c *s3.Config) { c.Endpoint, c.Insecure = "http://minio.example.com:9000", true }, ""},
		{"no scheme", func(c *s3.Config) { c.Endpoint = "minio:9000" }, "https://"},
		{"other scheme", func(c *s3.Config) { c.Endpoint = "ftp://minio" }, "https://"},
		{"path", func(c *s3.Config) { c.Endpoint = "https://minio/bucket" }, "nothing may follow"},
		{"password", func(c *s3.Config) { c.Endpoint = "https://user:secret-word@minio" }, "do not belong"},
		{"password, unparsable", func(c *s3.Config) { c.Endpoint = "https://user:secret-word%@mi nio" }, "endpoint"},
		{"one key", func(c *s3.Config) { c.AccessKey = "" }, "secret key"},
		{"lock mode", func(c *s3.Config) { c.LockMode = "compliance" }, "lock mode"},
		{"no bucket", func(c *s3.Config) { c.Bucket = "" }, "bucket"},
		{"bucket of another form", func(c *s3.Config) { c.Bucket = "a/b" }, "bucket"},
		{"prefix", func(c *s3.Config) { c.Prefix = "a//b" }, "prefix"},
		{"prefix with a slash", func(c *s3.Config) { c.Prefix = "audit-logs/" }, ""},
		{"long prefix", func(c *s3.Config) { c.Prefix = strings.Repeat("p/", 255) + "pp" }, "prefix"},
		{"timeout", func(c *s3.Config) { c.Timeout = -1 }, "timeout"},
	}
	for _, test := range tests {
		cfg := good
		test.change(&cfg)
		_, err := s3.Open(t.Context(), cfg)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: error %v, want one about %q", test.name, err, test.want)
		case err != nil && strings.Contains(err.Error(), "secret-word"):
			t.Errorf("%s: %v holds a password", test.name, err)
		}
	}
}
