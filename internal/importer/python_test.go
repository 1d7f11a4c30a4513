package importer

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode/utf16"
)

// The types below write JSON as Python's json.dumps does with compact
// separators: members in the order given, all but printable ASCII escaped,
// floats as repr, integers of any size.

type pyDict []pyItem

type pyItem struct {
	name  string
	value any // pyDict, []any, string, float64, int, *big.Int, bool, nil
}

func python(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case *big.Int:
		return v.String()
	case float64:
		return pythonFloat(v)
	case string:
		return pythonString(v)
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = python(item)
		}
		return "[" + strings.Join(items, ",") + "]"
	case pyDict:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = pythonString(item.name) + ":" + python(item.value)
		}
		return "{" + strings.Join(items, ",") + "}"
	}
	panic(fmt.Sprintf("%T", v))
}

// pythonFloat is float.__repr__: shortest digits, an exponent of at least two
// digits below 1e-4 and from 1e16 on, ".0" where nothing else shows a float.
func pythonFloat(f float64) string {
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

func pythonString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r >= ' ' && r < 0x7f:
			b.WriteRune(r)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}

// pyEvent is an event as the former logger built it.
func pyEvent(details pyDict) pyDict {
	return pyDict{
		{"timestamp", "2024-10-26T00:00:36.913054+00:00"}, {"event_type", "data_access"}, {"user_id", "zoë"},
		{"tenant_id", "müller-gmbh"}, {"resource_type", "dataset"}, {"resource_id", "da-1"}, {"action", "read"},
		{"outcome", "success"}, {"details", details}, {"source_ip", nil}, {"user_agent", "Планировщик/1.0"},
	}
}

// sealed adds the hash, as the last thing that happened to a record.
func sealed(event pyDict) string {
	sum := sha256.Sum256([]byte(python(event)))
	out := append(pyDict(nil), event...)
	for i, item := range out {
		if item.name == "details" {
			out[i].value = append(append(pyDict(nil), item.value.(pyDict)...), pyItem{"audit_hash", hex.EncodeToString(sum[:])})
		}
	}
	return python(out)
}

// pyDetails draws details of every kind that made trouble.
func pyDetails(rng *rand.Rand) pyDict {
	messages := []string{
		"ok", "line\nbreak", `two characters: \n`, `\n{"timestamp":`, `ends in \`, "tab\tbell\a delete\x7f null\x00", `quote " slash /`, "<b>&amp;</b>",
		"Grüße", "東京", "🎉 𝄞", "e\u0301", `decoy ,"audit_hash":"0000"} in a string`, "{[", "]}",
	}
	floats := []float64{1, 0, math.Copysign(0, -1), 1e-7, 1.5e-10, 0.1, 0.30000000000000004, 1e16, 1e22, 123456789012345.68, 5e-324, math.MaxFloat64, -273.15, 100, 0.0001}
	ints := []any{0, -1, 1 << 53, 1<<53 + 1, math.MaxInt64, math.MinInt64, new(big.Int).Lsh(big.NewInt(1), 64), new(big.Int).Exp(big.NewInt(10), big.NewInt(30), nil)}
	pick := func() string { return messages[rng.IntN(len(messages))] }
	float := func() float64 { return floats[rng.IntN(len(floats))] }
	switch rng.IntN(7) {
	case 0:
		return nil
	case 1:
		return pyDict{{"cost", float()}, {"matrix", []any{float(), []any{float()}}}}
	case 2:
		return pyDict{{"bytes", ints[rng.IntN(len(ints))]}, {"epoch_ns", 1729900000000000001}}
	case 3:
		return pyDict{{"zone", "z"}, {"alpha", 1}, {"", "empty"}, {"ключ", pick()}, {"emoji🔑", []any{true, false, nil}}}
	case 4:
		return pyDict{{"upstream", pyDict{{"audit_hash", strings.Repeat("0", 64)}}}, {"details", pyDict{{"audit_hash", "x"}}}, {"message", pick()}}
	case 5:
		return pyDict{{"tree", pyDict{{"items", []any{pyDict{}, pyDict{{"leaf", pick()}}, []any{}}}}}}
	}
	return pyDict{{"message", strings.Repeat(pick(), 1+rng.IntN(60))}, {"audit", "hash"}}
}
