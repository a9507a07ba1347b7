package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ByteSize is a number of bytes, written "512MiB", "1.5GB" or "4096".
type ByteSize int64

// Binary units.
const (
	KiB ByteSize = 1 << 10
	MiB ByteSize = 1 << 20
	GiB ByteSize = 1 << 30
	TiB ByteSize = 1 << 40
)

var units = []struct {
	name string
	size float64
}{
	{"tib", 1 << 40},
	{"gib", 1 << 30},
	{"mib", 1 << 20},
	{"kib", 1 << 10},
	{"tb", 1e12},
	{"gb", 1e9},
	{"mb", 1e6},
	{"kb", 1e3},
	{"b", 1},
}

// ParseByteSize reads a size: a number and a unit (B, kB, MB, GB, TB with
// powers of ten; KiB, MiB, GiB, TiB with powers of two), in any case, with or
// without a space. A number alone is bytes.
func ParseByteSize(text string) (ByteSize, error) {
	s := strings.ToLower(strings.TrimSpace(text))
	factor := 1.0
	for _, u := range units {
		if rest, ok := strings.CutSuffix(s, u.name); ok {
			s, factor = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	bytes := n * factor
	switch {
	case err != nil, math.IsNaN(bytes), strings.ContainsAny(s, "xpi_"):
		return 0, fmt.Errorf("%q is not a byte size; write a number and a unit, for example 512MiB", text)
	case bytes < 0:
		return 0, fmt.Errorf("%q is negative", text)
	case bytes >= math.MaxInt64:
		return 0, fmt.Errorf("%q is too large", text)
	}
	return ByteSize(math.Round(bytes)), nil
}

// String writes the largest binary unit that divides the size, so that
// ParseByteSize reads the same value back.
func (b ByteSize) String() string {
	for _, u := range []struct {
		name string
		size ByteSize
	}{{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}} {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *ByteSize) UnmarshalText(text []byte) error {
	v, err := ParseByteSize(string(text))
	if err != nil {
		return err
	}
	*b = v
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (b ByteSize) MarshalText() ([]byte, error) { return []byte(b.String()), nil }
