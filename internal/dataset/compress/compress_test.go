package compress_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"indelible/internal/dataset/compress"
)

// TestBlocks: blocks packed apart are read as one stream, and equal ones are
// packed alike by any compressor.
func TestBlocks(t *testing.T) {
	t.Parallel()
	block := []byte(strings.Repeat(`{"id":"run-1","status":"completed"}`+"\n", 3000))
	for _, name := range []string{"gzip", "zstd"} {
		packer, err := compress.Packer(name)
		if err != nil {
			t.Fatal(err)
		}
		one, two := packer(), packer()
		file := one.Append(nil, block)
		first := bytes.Clone(file)
		file = one.Append(file, nil)
		file = one.Append(file, block[:77])
		two.Append(nil, block[:5])
		if again := two.Append(nil, block); !bytes.Equal(again, first) {
			t.Errorf("%s: the same block is packed in two ways", name)
		}
		if len(first)*5 > len(block) {
			t.Errorf("%s: %d bytes of %d", name, len(first), len(block))
		}
		r, err := compress.Reader(name, bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, append(bytes.Clone(block), block[:77]...)) {
			t.Errorf("%s: %d bytes back, %v", name, len(got), err)
		}
		if r, err := compress.Reader(name, bytes.NewReader(file[:len(file)-3])); err == nil {
			if _, err := io.ReadAll(r); err == nil {
				t.Errorf("%s: nobody misses the end", name)
			}
		}
	}
	for _, name := range []string{"", "lz4"} {
		if _, err := compress.Packer(name); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
}
