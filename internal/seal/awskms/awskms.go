// Package awskms has AWS KMS hold the root key.
package awskms

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"indelible/internal/seal"
)

// Config says which key, and how to reach KMS.
type Config struct {
	Key       string // a symmetric key's ARN or id; no alias, which can be pointed at another key
	Region    string // empty: the ARN's, or that of the usual AWS chain
	Endpoint  string // empty for AWS itself, else http(s)://host[:port]
	AccessKey string // both keys empty: the usual AWS chain
	SecretKey string
	Insecure  bool // allow http:// to other machines

	// Timeout bounds one call with all its attempts; 10 s if zero.
	Timeout time.Duration
}

// deletionDays is the shortest delay KMS allows; the key is unusable from its beginning.
const deletionDays = 7

// Key is a root key in KMS. It implements seal.KeyWrapper. The context of a
// wrapping is KMS's encryption context, and so stands in CloudTrail.
type Key struct {
	id      string
	client  *kms.Client
	timeout time.Duration
}

var _ seal.KeyWrapper = (*Key)(nil)

// Open checks the configuration and finds the credentials. It does not talk to
// KMS; Describe does.
func Open(ctx context.Context, cfg Config) (*Key, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("open AWS KMS: %w", err)
	}
	region, provider, err := cfg.identity(ctx)
	if err != nil {
		return nil, fmt.Errorf("open AWS KMS: %w", err)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	options := kms.Options{
		Region:      region,
		Credentials: provider,
		HTTPClient: &http.Client{
			Transport:     http.DefaultTransport.(*http.Transport).Clone(),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = 3, time.Second
		}),
	}
	if cfg.Endpoint != "" {
		options.BaseEndpoint = &cfg.Endpoint
	}
	return &Key{cfg.Key, kms.New(options), cfg.Timeout}, nil
}

// Wrap implements seal.KeyWrapper.
func (k *Key) Wrap(ctx context.Context, key []byte, kc seal.Context) ([]byte, error) {
	if len(key) == 0 || len(key) > seal.MaxKey {
		return nil, fmt.Errorf("wrap a key of %d bytes: want 1 to %d", len(key), seal.MaxKey)
	}
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	out, err := k.client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: key, EncryptionContext: encryptionContext(kc)})
	if err != nil {
		return nil, k.failed(ctx, "wrap a key", err)
	}
	if len(out.CiphertextBlob) == 0 || len(out.CiphertextBlob) > seal.MaxWrapped {
		return nil, fmt.Errorf("wrap a key: KMS answered with %d bytes", len(out.CiphertextBlob))
	}
	return out.CiphertextBlob, nil
}

// Unwrap implements seal.KeyWrapper.
func (k *Key) Unwrap(ctx context.Context, wrapped []byte, kc seal.Context) ([]byte, error) {
	if len(wrapped) == 0 || len(wrapped) > seal.MaxWrapped {
		return nil, fmt.Errorf("%w: not a key wrapped by KMS", seal.ErrDenied)
	}
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	out, err := k.client.Decrypt(ctx, &kms.DecryptInput{KeyId: &k.id, CiphertextBlob: wrapped, EncryptionContext: encryptionContext(kc)})
	if err != nil {
		return nil, k.failed(ctx, "unwrap a key", err)
	}
	return out.Plaintext, nil
}

// Rotate implements seal.KeyWrapper. KMS makes the new version within minutes
// and wraps with the old one until then; it allows ten such rotations a key.
func (k *Key) Rotate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	_, err := k.client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &k.id})
	return k.failed(ctx, "rotate", err)
}

// Destroy implements seal.KeyWrapper. KMS deletes the key after seven days, in
// which somebody with the right to do so can cancel it, and refuses all use of
// it from now on.
func (k *Key) Destroy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	_, err := k.client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &k.id, PendingWindowInDays: aws.Int32(deletionDays)})
	if err != nil {
		if d, derr := k.Describe(ctx); derr == nil && d.Destroyed {
			return nil
		}
	}
	return k.failed(ctx, "destroy", err)
}

// Describe implements seal.KeyWrapper. KMS tells no version.
func (k *Key) Describe(ctx context.Context) (seal.Description, error) {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	d := seal.Description{Driver: "awskms", Key: k.id}
	out, err := k.client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &k.id})
	if err != nil {
		return d, k.failed(ctx, "describe", err)
	}
	if m := out.KeyMetadata; m != nil {
		d.Created = aws.ToTime(m.CreationDate).UTC()
		d.Destroyed = pendingDeletion(m.KeyState)
	}
	return d, nil
}

func pendingDeletion(s types.KeyState) bool {
	return s == types.KeyStatePendingDeletion || s == types.KeyStatePendingReplicaDeletion
}

func encryptionContext(kc seal.Context) map[string]string {
	m := make(map[string]string, len(kc))
	for _, v := range kc {
		m[v.Name] = v.Value
	}
	return m
}
