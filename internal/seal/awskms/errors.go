package awskms

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	"indelible/internal/seal"
)

// failed names the cause of a failed call; nil stays nil.
func (k *Key) failed(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", what, context.Canceled)
	}
	cause := seal.ErrUnavailable
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "NotFoundException", "IncorrectKeyException", "InvalidArnException":
			cause = seal.ErrUnknownKey
		case "KMSInvalidStateException":
			if k.isDestroyed(ctx) {
				cause = seal.ErrDestroyed
			}
		case "InternalFailure", "KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException",
			"ThrottlingException", "LimitExceededException", "ServiceUnavailable", "ServiceUnavailableException", "RequestTimeout":
		default:
			if api.ErrorFault() != smithy.FaultServer {
				cause = seal.ErrDenied
			}
		}
		// The code, and not the message: that repeats who was asking.
		return fmt.Errorf("%s: %w: key %s: %s", what, cause, k.id, api.ErrorCode())
	}
	return fmt.Errorf("%s: %w: key %s: %w", what, cause, k.id, err)
}

// isDestroyed asks why a key is in no state to be used.
func (k *Key) isDestroyed(ctx context.Context) bool {
	out, err := k.client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &k.id})
	return err == nil && out.KeyMetadata != nil && pendingDeletion(out.KeyMetadata.KeyState)
}
