package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"indelible/internal/store"
)

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// maxKey is the longest key S3 takes, in bytes.
const maxKey = 1024

func (c *Config) check() error {
	if !bucketName.MatchString(c.Bucket) {
		return fmt.Errorf("bucket %q: not a bucket name (3 to 63 of a-z, 0-9, '.' and '-')", c.Bucket)
	}
	if c.Prefix != "" {
		if err := store.CheckName(c.Prefix); err != nil {
			return fmt.Errorf("prefix: %w", err)
		}
		if len(c.Prefix)+1+store.MaxName > maxKey {
			return fmt.Errorf("prefix: %d bytes leave no room for names in keys of %d", len(c.Prefix), maxKey)
		}
	}
	switch c.LockMode {
	case "", "COMPLIANCE", "GOVERNANCE":
	default:
		return fmt.Errorf("lock mode %q: want COMPLIANCE, GOVERNANCE or none", c.LockMode)
	}
	if (c.AccessKey == "") != (c.SecretKey == "") {
		return errors.New("access key and secret key: one is set, the other is not")
	}
	if c.Timeout < 0 {
		return fmt.Errorf("timeout %v: want a positive time", c.Timeout)
	}
	if c.Endpoint == "" {
		return nil
	}
	return c.checkEndpoint()
}

// checkEndpoint never repeats an endpoint it cannot parse: it may hold a password.
func (c *Config) checkEndpoint() error {
	u, err := url.Parse(c.Endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return errors.New("endpoint: want https://host or https://host:port")
	}
	if u.User != nil {
		return fmt.Errorf("endpoint at %s: keys do not belong into the address; use the settings for them", u.Host)
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("endpoint at %s: nothing may follow the host and port", u.Host)
	}
	if u.Scheme == "http" && !c.Insecure && !loopback(u.Hostname()) {
		return fmt.Errorf("endpoint http://%s: without TLS anybody on the way can read and drop events; use https, or allow it with the setting s3.insecure", u.Host)
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func (c *Config) pathStyle() bool {
	if c.PathStyle != nil {
		return *c.PathStyle
	}
	return c.Endpoint != ""
}

// identity finds region and credentials. With keys given, neither environment
// nor files of AWS are looked at; without, only for these two: an endpoint from
// there would go round the checks above.
func (c *Config) identity(ctx context.Context) (string, aws.CredentialsProvider, error) {
	region := c.Region
	if c.AccessKey != "" {
		if region == "" {
			if c.Endpoint == "" {
				return "", nil, errors.New("no region set")
			}
			region = "us-east-1"
		}
		return region, credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, ""), nil
	}
	chain, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return "", nil, fmt.Errorf("read the AWS configuration: %w", err)
	}
	switch {
	case region != "":
	case chain.Region != "":
		region = chain.Region
	case c.Endpoint != "":
		region = "us-east-1"
	default:
		return "", nil, errors.New("no region set, and none in the AWS configuration")
	}
	return region, chain.Credentials, nil
}
