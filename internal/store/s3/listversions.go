package s3

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"indelible/internal/store"
)

// ListVersions yields all versions and delete markers below a prefix, grouped
// by name in byte order, oldest first within a name as Versions orders them. A
// name that is hidden by a delete marker is there, unlike in List. What stands
// there under no valid name is passed over. After an error nothing more is yielded.
func (s *Store) ListVersions(ctx context.Context, prefix string) iter.Seq2[store.NamedVersion, error] {
	return func(yield func(store.NamedVersion, error) bool) {
		err := s.listVersions(ctx, prefix, yield)
		if err != nil {
			yield(store.NamedVersion{}, s.fail("list the versions of", prefix, err))
		}
	}
}

// keyVersions is what was listed of one key so far, newest first.
type keyVersions struct {
	key               string
	versions, markers []store.Version
}

func (s *Store) listVersions(ctx context.Context, prefix string, yield func(store.NamedVersion, error) bool) error {
	in := &awss3.ListObjectVersionsInput{Bucket: &s.cfg.Bucket, Prefix: aws.String(s.key(prefix)), EncodingType: types.EncodingTypeUrl}
	var open *keyVersions // the last key of the page before: it may go on
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		out, err := s.anyVersionsPage(ctx, in)
		if err != nil {
			return err
		}
		more := aws.ToBool(out.IsTruncated)
		found, err := grouped(out, open)
		if err != nil {
			return err
		}
		open = nil
		if n := len(found); more && n > 0 {
			open, found = found[n-1], found[:n-1]
			if len(open.versions)+len(open.markers) > maxVersions {
				return fmt.Errorf("%w: %q has more than %d versions", store.ErrTooLarge, clean(open.key), maxVersions)
			}
		}
		for _, k := range found {
			if !s.yieldKey(k, yield) {
				return nil
			}
		}
		if !more {
			return nil
		}
		if err := advance(in, out); err != nil {
			return err
		}
	}
}

func (s *Store) yieldKey(k *keyVersions, yield func(store.NamedVersion, error) bool) bool {
	name, ours := s.name(k.key)
	if !ours || store.CheckName(name) != nil {
		return true
	}
	for _, v := range merge(k.versions, k.markers) {
		if !yield(store.NamedVersion{Name: name, Version: v}, nil) {
			return false
		}
	}
	return true
}

func (s *Store) anyVersionsPage(ctx context.Context, in *awss3.ListObjectVersionsInput) (*awss3.ListObjectVersionsOutput, error) {
	callCtx, w := s.watched(ctx)
	defer w.release()
	out, err := s.client.ListObjectVersions(callCtx, in)
	if err != nil {
		return nil, s.explain(ctx, w, err)
	}
	return out, nil
}

// grouped sorts a page by key. The first key may continue the one left open.
func grouped(out *awss3.ListObjectVersionsOutput, open *keyVersions) ([]*keyVersions, error) {
	byKey := make(map[string]*keyVersions)
	var keys []*keyVersions
	last := ""
	if open != nil {
		byKey[open.key], last = open, open.key
		keys = append(keys, open)
	}
	of := func(encoded *string) (*keyVersions, error) {
		key, err := decode(encoded, out.EncodingType)
		if err != nil {
			return nil, err
		}
		if key < last {
			return nil, fmt.Errorf("%w: %q comes after %q: the store does not list in byte order", store.ErrDenied, clean(key), clean(last))
		}
		k := byKey[key]
		if k == nil {
			k = &keyVersions{key: key}
			byKey[key] = k
			keys = append(keys, k)
		}
		return k, nil
	}
	for i := range out.Versions {
		k, err := of(out.Versions[i].Key)
		if err != nil {
			return nil, err
		}
		k.versions = append(k.versions, versionOf(&out.Versions[i]))
	}
	for i := range out.DeleteMarkers {
		k, err := of(out.DeleteMarkers[i].Key)
		if err != nil {
			return nil, err
		}
		k.markers = append(k.markers, markerOf(&out.DeleteMarkers[i]))
	}
	// S3 gives versions and markers as two lists, each in order.
	slices.SortFunc(keys, func(a, b *keyVersions) int {
		if a.key < b.key {
			return -1
		}
		return 1
	})
	return keys, nil
}

// advance asks for the page after out.
func advance(in *awss3.ListObjectVersionsInput, out *awss3.ListObjectVersionsOutput) error {
	key, err := decode(out.NextKeyMarker, out.EncodingType)
	if err != nil {
		return err
	}
	version := aws.ToString(out.NextVersionIdMarker)
	if key == "" || key == aws.ToString(in.KeyMarker) && version == aws.ToString(in.VersionIdMarker) {
		return fmt.Errorf("%w: a page that claims to go on and does not say where", store.ErrUnavailable)
	}
	in.KeyMarker, in.VersionIdMarker = &key, nil
	if version != "" {
		in.VersionIdMarker = &version
	}
	return nil
}
