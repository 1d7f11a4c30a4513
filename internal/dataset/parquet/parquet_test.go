package parquet_test

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	"indelible/internal/dataset"
	"indelible/internal/dataset/parquet"
	"indelible/internal/runs"
)

func columns(extra bool) (all []runs.Column) {
	for _, name := range runs.Columns {
		all = append(all, runs.Column{Name: name})
	}
	if extra {
		all = append(all, runs.Column{Name: "region", Extra: true})
	}
	return all
}

func rows(n int) (all []runs.Run) {
	at := time.Date(2025, 3, 1, 12, 0, 0, 123456000, time.UTC)
	for i := range n {
		r := runs.Run{
			ID: fmt.Appendf(nil, "run-%d", i), TenantID: []byte("acme"), WorkflowName: []byte("load"), WorkflowVersion: []byte{},
			Status: []byte("completed"), StartedAt: runs.TimeOf(at.Add(time.Duration(i) * time.Second)), DurationMS: runs.Int{N: int64(i), Valid: true},
			StepsTotal: runs.Int{N: -3, Valid: true}, Metadata: []byte(`{"a":1}`), CreatedAt: runs.TimeOf(at), Revision: 1<<63 + uint64(i),
			Extra: [][]byte{[]byte(`"eu"`)},
		}
		if i%3 == 0 {
			r.WorkflowVersion, r.Status, r.StartedAt, r.DurationMS, r.Metadata, r.Extra[0] = nil, nil, runs.Time{}, runs.Int{}, nil, nil
			r.ErrorMessage = []byte("out of memory")
		}
		all = append(all, r)
	}
	return all
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	exported := dataset.Timestamp{Time: time.Date(2025, 3, 2, 0, 0, 0, 0, time.UTC)}
	for _, n := range []int{0, 1, 5000} {
		for _, compressed := range []bool{true, false} {
			var b bytes.Buffer
			f, err := parquet.Format{Compressed: compressed}.Create(&b, columns(true), true, exported)
			if err != nil {
				t.Fatal(err)
			}
			want := rows(n)
			for from := 0; from < n; from += 700 {
				if err := f.Write(want[from:min(n, from+700)]); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			i := 0
			err = parquet.Rows(bytes.NewReader(b.Bytes()), int64(b.Len()), columns(true), true, func(r *runs.Run) error {
				if !reflect.DeepEqual(*r, want[i]) {
					return fmt.Errorf("row %d:\n%+v\nwant\n%+v", i, *r, want[i])
				}
				i++
				return nil
			})
			if err != nil || i != n {
				t.Errorf("%d of %d rows: %v", i, n, err)
			}
			if err := parquet.Rows(bytes.NewReader(b.Bytes()), int64(b.Len()), columns(false), true, func(*runs.Run) error { return nil }); err == nil {
				t.Error("read with other columns")
			}
		}
	}
}
