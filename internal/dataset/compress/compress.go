// Package compress packs the files of datasets. What it makes of one block may
// stand after what it made of another: frames of Zstandard (RFC 8878), members
// of gzip (RFC 1952). So blocks are packed side by side, and every program that
// knows these formats reads the file as one.
package compress

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"indelible/internal/dataset"
)

// Packer makes the compressors of a name: gzip or zstd. Equal blocks are packed
// to equal bytes.
func Packer(name string) (func() dataset.Compressor, error) {
	switch name {
	case "zstd":
		return func() dataset.Compressor { return newZstd() }, nil
	case "gzip":
		return func() dataset.Compressor { return newGzip() }, nil
	}
	return nil, fmt.Errorf("no compression is called %q", name)
}

// maxWindow bounds the memory a frame from outside may ask for.
const maxWindow = 64 << 20

// Reader reads what compressors of a name packed.
func Reader(name string, r io.Reader) (io.ReadCloser, error) {
	switch name {
	case "zstd":
		d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	case "gzip":
		return gzip.NewReader(r)
	}
	return nil, fmt.Errorf("no compression is called %q", name)
}

type zstdPacker struct{ e *zstd.Encoder }

func newZstd() *zstdPacker {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithZeroFrames(true), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err) // the options are constant
	}
	return &zstdPacker{e}
}

// Append implements dataset.Compressor.
func (z *zstdPacker) Append(dst, src []byte) []byte { return z.e.EncodeAll(src, dst) }

type gzipPacker struct{ w *gzip.Writer }

func newGzip() *gzipPacker {
	w, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is constant
	}
	return &gzipPacker{w}
}

// Append implements dataset.Compressor.
func (g *gzipPacker) Append(dst, src []byte) []byte {
	b := bytes.NewBuffer(dst)
	g.w.Reset(b)
	// Writing to memory does not fail.
	g.w.Write(src)
	g.w.Close()
	return b.Bytes()
}
