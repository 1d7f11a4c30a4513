// Package vectortest keeps the worked examples in docs/format.md and the code
// the same: each test owns one block of them and makes it anew.
package vectortest

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the code gives into docs/format.md and testdata")

// Updating reports whether the tests were run with -update.
func Updating() bool { return *update }

// Block is a list of worked examples.
type Block struct {
	name string
	text strings.Builder
}

// NewBlock begins the block that stands in the document as ```vectors, with
// "# name" as its first line.
func NewBlock(name string) *Block {
	b := &Block{name: name}
	fmt.Fprintf(&b.text, "# %s\n", name)
	return b
}

const perLine = 48

// Bytes adds an example in hex, over as many lines as it needs.
func (b *Block) Bytes(name string, data []byte) {
	if len(data) <= 32 {
		fmt.Fprintf(&b.text, "%s = %x\n", name, data)
		return
	}
	fmt.Fprintf(&b.text, "%s (%d bytes) =\n", name, len(data))
	for len(data) > 0 {
		n := min(perLine, len(data))
		fmt.Fprintf(&b.text, "  %s\n", hex.EncodeToString(data[:n]))
		data = data[n:]
	}
}

// Text adds an example that is text of one line.
func (b *Block) Text(name, value string) {
	fmt.Fprintf(&b.text, "%s = %s\n", name, value)
}

// Lines adds an example that is text of several lines, each behind a bar.
func (b *Block) Lines(name, value string) {
	fmt.Fprintf(&b.text, "%s =\n", name)
	for line := range strings.Lines(value) {
		b.text.WriteString(strings.TrimRight("  | "+strings.TrimSuffix(line, "\n"), " ") + "\n")
	}
}

// Gap separates examples.
func (b *Block) Gap() { b.text.WriteByte('\n') }

// Check compares the block with the one in the document, or writes it there.
func (b *Block) Check(t *testing.T, document string) {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	start, end, err := find(string(text), b.name)
	if err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	got, want := string(text[start:end]), b.text.String()
	if got == want {
		return
	}
	if *update {
		if err := os.WriteFile(document, []byte(string(text[:start])+want+string(text[end:])), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		g, w := lineOf(gotLines, i), lineOf(wantLines, i)
		if g != w {
			t.Errorf("%s, vectors %q, line %d:\n  the document says %q\n  the code gives    %q\n(go test -update writes the document)", document, b.name, i+1, g, w)
			return
		}
	}
}

func lineOf(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}

// find returns where the content of a block stands in the document.
func find(text, name string) (start, end int, err error) {
	const fence = "```vectors\n"
	opening := fence + "# " + name + "\n"
	at := strings.Index(text, opening)
	if at < 0 {
		return 0, 0, fmt.Errorf("no ```vectors block that begins with # %s", name)
	}
	if strings.Contains(text[at+1:], opening) {
		return 0, 0, fmt.Errorf("two ```vectors blocks begin with # %s", name)
	}
	start = at + len(fence)
	length := strings.Index(text[start:], "```\n")
	if length < 0 {
		return 0, 0, fmt.Errorf("the block # %s has no end", name)
	}
	return start, start + length, nil
}
