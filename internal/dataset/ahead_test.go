package dataset_test

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"indelible/internal/dataset"
	"indelible/internal/runs"
)

// slowPlace has a file of rows whose writes wait until they are let through.
type slowPlace struct {
	dataset.Place
	through chan struct{}
}

func (p slowPlace) Create(ctx context.Context, name string, replace bool) (dataset.File, error) {
	f, err := p.Place.Create(ctx, name, replace)
	if err != nil || name != "runs" {
		return f, err
	}
	return slowFile{f, p.through}, nil
}

type slowFile struct {
	dataset.File
	through chan struct{}
}

func (f slowFile) Write(b []byte) (int, error) {
	<-f.through
	return f.File.Write(b)
}

// counted counts the rows that are read of a source.
type counted struct {
	runs.Source
	rows atomic.Int64
}

type countedView struct {
	runs.Snapshot
	c *counted
}

func (c *counted) Open(ctx context.Context, q runs.Query) (runs.Snapshot, error) {
	s, err := c.Source.Open(ctx, q)
	return countedView{s, c}, err
}

func (v countedView) Scan(ctx context.Context, tenant string, shard int, fn func(*runs.Run) error) error {
	return v.Snapshot.Scan(ctx, tenant, shard, func(r *runs.Run) error {
		v.c.rows.Add(1)
		return fn(r)
	})
}

// TestReadAhead: where a file is written slower than the table is read, the
// readers wait. How far they are ahead goes by bytes, also with large rows.
func TestReadAhead(t *testing.T) {
	t.Parallel()
	for _, form := range []func(*dataset.Job){all, zstd} {
		f := newFixture(t, 120)
		for i := range f.table.rows {
			f.table.rows[i].run.Metadata = fmt.Appendf(nil, `{"x":"%s"}`, bytes.Repeat([]byte{'a' + byte(i%26)}, 1<<20))
		}
		synctest.Test(t, func(t *testing.T) {
			source := &counted{Source: f.table}
			through := make(chan struct{})
			ended := make(chan error, 1)
			go func() {
				_, err := dataset.Export(context.Background(), f.job(all, form, file("runs"), func(j *dataset.Job) {
					j.Source = source
					j.Place = slowPlace{f.place(), through}
				}))
				ended <- err
			}()
			synctest.Wait()
			// 20 MiB ahead in both readers, and a few blocks beside that.
			if n := source.rows.Load(); n < 10 || n > 40 {
				t.Errorf("%d rows of 1 MiB are in memory", n)
			}
			close(through)
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		f.verify("runs", dataset.ResultOK)
	}
}
