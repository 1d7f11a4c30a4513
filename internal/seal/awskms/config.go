package awskms

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

func (c *Config) check() error {
	switch {
	case c.Key == "" || len(c.Key) > 2048:
		return errors.New("no key named: want the ARN or the id of a symmetric key")
	case strings.HasPrefix(c.Key, "alias/") || strings.Contains(c.Key, ":alias/"):
		return fmt.Errorf("key %s: an alias can be pointed at another key; name the key by its ARN or id", c.Key)
	case (c.AccessKey == "") != (c.SecretKey == ""):
		return errors.New("access key and secret key: one is set, the other is not")
	case c.Endpoint == "":
		return nil
	}
	// What cannot be parsed is not repeated: it may hold a password.
	u, err := url.Parse(c.Endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return errors.New("endpoint: want https://host or https://host:port and nothing else")
	}
	if u.Scheme == "http" && !c.Insecure && !loopback(u.Hostname()) {
		return fmt.Errorf("endpoint http://%s: without TLS anybody on the way can read keys; use https", u.Host)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// identity finds region and credentials. As for S3, with keys given neither
// environment nor files of AWS are looked at; without, only for these two.
func (c *Config) identity(ctx context.Context) (region string, provider aws.CredentialsProvider, err error) {
	region = c.Region
	if a, err := arn.Parse(c.Key); err == nil && region == "" {
		region = a.Region
	}
	if c.AccessKey != "" {
		provider = credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, "")
	} else {
		chain, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return "", nil, fmt.Errorf("read the AWS configuration: %w", err)
		}
		provider = chain.Credentials
		if region == "" {
			region = chain.Region
		}
	}
	if region == "" {
		return "", nil, errors.New("no region set, and none in the key's name")
	}
	return region, provider, nil
}
