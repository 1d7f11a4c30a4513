package s3

import (
	"bytes"
	"context"
	"net/http"
)

// CreateDamaged sends data under the checksum of other bytes, and reports
// whether the store refused it as it should. It is for probes.
func (s *Store) CreateDamaged(ctx context.Context, name string, data []byte) (refused bool, err error) {
	if err := begin(ctx, name, data); err != nil {
		return false, s.fail("create", name, err)
	}
	in := s.object(name, append(bytes.Clone(data), '!'))
	in.Body = bytes.NewReader(data)
	size := int64(len(data))
	in.ContentLength = &size
	f := s.putOnce(ctx, in)
	switch {
	case f == nil:
		return false, nil
	case f.is(http.StatusBadRequest):
		return true, nil
	}
	return false, s.fail("create", name, f)
}
