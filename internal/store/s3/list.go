package s3

import (
	"context"
	"fmt"
	"iter"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"indelible/internal/store"
)

// List implements store.Store. Each page starts after the last key of the one
// before, so that no page depends on a token of the store's.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		last := ""
		if after != "" {
			last = s.key(after)
		}
		for {
			if err := context.Cause(ctx); err != nil {
				yield("", s.fail("list", prefix, err))
				return
			}
			keys, more, err := s.page(ctx, prefix, last)
			if err != nil {
				yield("", s.fail("list", prefix, err))
				return
			}
			for _, key := range keys {
				if key <= last {
					yield("", s.fail("list", prefix, fmt.Errorf("%w: %q comes after %q: the store does not list in byte order", store.ErrDenied, clean(key), clean(last))))
					return
				}
				last = key
				name, ours := s.name(key)
				if !ours || store.CheckName(name) != nil {
					continue
				}
				if err := context.Cause(ctx); err != nil {
					yield("", s.fail("list", prefix, err))
					return
				}
				if !yield(name, nil) {
					return
				}
			}
			if !more {
				return
			}
			if len(keys) == 0 {
				yield("", s.fail("list", prefix, fmt.Errorf("%w: an empty page that claims to go on", store.ErrUnavailable)))
				return
			}
		}
	}
}

func (s *Store) page(ctx context.Context, prefix, last string) (keys []string, more bool, err error) {
	in := &awss3.ListObjectsV2Input{
		Bucket: &s.cfg.Bucket,
		Prefix: aws.String(s.key(prefix)),
		// Other people's keys may hold bytes that XML cannot.
		EncodingType: types.EncodingTypeUrl,
	}
	if last != "" {
		in.StartAfter = &last
	}
	callCtx, w := s.watched(ctx)
	defer w.release()
	out, err := s.client.ListObjectsV2(callCtx, in)
	if err != nil {
		return nil, false, s.explain(ctx, w, err)
	}
	for _, object := range out.Contents {
		key, err := decode(object.Key, out.EncodingType)
		if err != nil {
			return nil, false, err
		}
		keys = append(keys, key)
	}
	return keys, aws.ToBool(out.IsTruncated), nil
}

// decode undoes the encoding of a key, where the store did it.
func decode(key *string, encoding types.EncodingType) (string, error) {
	if encoding != types.EncodingTypeUrl {
		return aws.ToString(key), nil
	}
	plain, err := url.QueryUnescape(aws.ToString(key))
	if err != nil {
		return "", fmt.Errorf("%w: key %q is not encoded as the store says", store.ErrUnavailable, clean(aws.ToString(key)))
	}
	return plain, nil
}
