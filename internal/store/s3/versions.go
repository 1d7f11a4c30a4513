package s3

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"indelible/internal/store"
)

// maxVersions bounds what somebody may heap on one name.
const maxVersions = 100_000

// Versions implements store.Store. The order of versions is the store's own. S3
// lists delete markers apart, with times of a second: a marker is placed by its
// time, and after the versions of the same second unless a version is newest.
func (s *Store) Versions(ctx context.Context, name string) ([]store.Version, error) {
	if err := begin(ctx, name, nil); err != nil {
		return nil, s.fail("versions of", name, err)
	}
	var versions, markers []store.Version
	var resume *string
	for {
		out, err := s.versionsPage(ctx, name, resume)
		if err != nil {
			return nil, s.fail("versions of", name, err)
		}
		more, err := s.sortOut(out, name, &versions, &markers)
		if err != nil {
			return nil, s.fail("versions of", name, err)
		}
		if !more {
			return merge(versions, markers), nil
		}
		if len(versions)+len(markers) > maxVersions {
			return nil, s.fail("versions of", name, fmt.Errorf("%w: more than %d versions", store.ErrTooLarge, maxVersions))
		}
		if next := out.NextVersionIdMarker; next == nil || resume != nil && *next == *resume {
			return nil, s.fail("versions of", name, fmt.Errorf("%w: a page that claims to go on and does not say where", store.ErrUnavailable))
		}
		resume = out.NextVersionIdMarker
	}
}

func (s *Store) versionsPage(ctx context.Context, name string, resume *string) (*awss3.ListObjectVersionsOutput, error) {
	key := s.key(name)
	in := &awss3.ListObjectVersionsInput{Bucket: &s.cfg.Bucket, Prefix: &key, EncodingType: types.EncodingTypeUrl}
	if resume != nil {
		in.KeyMarker, in.VersionIdMarker = &key, resume
	}
	return s.anyVersionsPage(ctx, in)
}

// sortOut keeps what has exactly our key, and reports whether the next page can
// have more of it. Our key sorts before all others that begin with it, so the
// first other one is the end.
func (s *Store) sortOut(out *awss3.ListObjectVersionsOutput, name string, versions, markers *[]store.Version) (more bool, err error) {
	more = aws.ToBool(out.IsTruncated)
	ours := func(key *string) (bool, error) {
		plain, err := decode(key, out.EncodingType)
		if err == nil && plain != s.key(name) {
			more = false
			return false, nil
		}
		return err == nil, err
	}
	for i := range out.Versions {
		ok, err := ours(out.Versions[i].Key)
		if err != nil {
			return false, err
		}
		if ok {
			*versions = append(*versions, versionOf(&out.Versions[i]))
		}
	}
	for i := range out.DeleteMarkers {
		ok, err := ours(out.DeleteMarkers[i].Key)
		if err != nil {
			return false, err
		}
		if ok {
			*markers = append(*markers, markerOf(&out.DeleteMarkers[i]))
		}
	}
	return more, nil
}

func versionOf(v *types.ObjectVersion) store.Version {
	return store.Version{ID: aws.ToString(v.VersionId), Modified: aws.ToTime(v.LastModified), Size: aws.ToInt64(v.Size), Newest: aws.ToBool(v.IsLatest)}
}

func markerOf(m *types.DeleteMarkerEntry) store.Version {
	return store.Version{ID: aws.ToString(m.VersionId), Modified: aws.ToTime(m.LastModified), DeleteMarker: true, Newest: aws.ToBool(m.IsLatest)}
}

// merge turns both lists, newest first, into one, oldest first.
func merge(versions, markers []store.Version) []store.Version {
	slices.Reverse(versions)
	slices.Reverse(markers)
	var all []store.Version
	for len(versions) > 0 || len(markers) > 0 {
		takeVersion := len(markers) == 0
		if len(versions) > 0 && len(markers) > 0 {
			v, m := versions[0], markers[0]
			takeVersion = m.Newest || !v.Newest && !m.Modified.Before(v.Modified)
		}
		if takeVersion {
			all, versions = append(all, versions[0]), versions[1:]
		} else {
			all, markers = append(all, markers[0]), markers[1:]
		}
	}
	return all
}
