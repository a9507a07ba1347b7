package engines

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Rows is an engine's answer in a form in which equal values of all engines are
// equal texts:
//
//	null, true, 42, 1.100 (decimals keep their scale), 0.1 NaN -Infinity (the
//	shortest text that reads back as the same float), "text" and "uuid" quoted
//	as Go does, x'00ff' for bytes, 2026-11-21, 12:30:00.5 and
//	2026-11-21T12:30:00.5 with Z behind when the type has a zone (fractions
//	without trailing zeros), [a, b], {name: value}, {key => value} by key.
type Rows struct {
	Columns []string
	Values  [][]string
}

// Cell is one value.
func (r Rows) Cell(row, column int) string { return r.Values[row][column] }

// Lines are the rows as lines of text, in order.
func (r Rows) Lines() []string {
	lines := make([]string, len(r.Values))
	for i, row := range r.Values {
		lines[i] = strings.Join(row, " | ")
	}
	return lines
}

// Only keeps these columns, in this order. A column that is not there is an
// empty text in every row, which equals no value.
func (r Rows) Only(columns ...string) Rows {
	out := Rows{Columns: columns, Values: make([][]string, len(r.Values))}
	at := make([]int, len(columns))
	for i, name := range columns {
		at[i] = slices.Index(r.Columns, name)
	}
	for i, row := range r.Values {
		out.Values[i] = make([]string, len(at))
		for j, from := range at {
			if from >= 0 {
				out.Values[i][j] = row[from]
			}
		}
	}
	return out
}

// Checksum names the multiset of rows: the sum of the hashes of all rows, and
// their number. The order of rows does not count, duplicates do.
func (r Rows) Checksum() string {
	var sum [4]uint64
	for _, row := range r.Values {
		h := sha256.New()
		for _, cell := range row {
			// The length keeps neighbouring cells apart.
			var size [8]byte
			binary.LittleEndian.PutUint64(size[:], uint64(len(cell)))
			h.Write(size[:])
			h.Write([]byte(cell))
		}
		digest := h.Sum(nil)
		for i := range sum {
			sum[i] += binary.LittleEndian.Uint64(digest[8*i:])
		}
	}
	var text [32]byte
	for i, n := range sum {
		binary.BigEndian.PutUint64(text[8*i:], n)
	}
	return fmt.Sprintf("%d rows %s", len(r.Values), hex.EncodeToString(text[:16]))
}

// Same fails the test when the two answers differ in column names (but for their
// case: Trino shows all in lower case) or in rows, whatever their order, and
// shows rows that only one of them has.
func Same(t testing.TB, want, got Rows) bool {
	t.Helper()
	if text := difference(want, got); text != "" {
		t.Error(text)
		return false
	}
	return true
}

func difference(want, got Rows) string {
	var b strings.Builder
	if !slices.EqualFunc(want.Columns, got.Columns, strings.EqualFold) {
		fmt.Fprintf(&b, "columns differ\n want %q\n  got %q\n", want.Columns, got.Columns)
	}
	if want.Checksum() == got.Checksum() {
		return b.String()
	}
	fmt.Fprintf(&b, "rows differ: want %s, got %s\n", want.Checksum(), got.Checksum())
	counts := map[string]int{}
	for _, line := range want.Lines() {
		counts[line]++
	}
	for _, line := range got.Lines() {
		counts[line]--
	}
	var only [2][]string
	for line, n := range counts {
		switch {
		case n > 0:
			only[0] = append(only[0], fmt.Sprintf("%d x %s", n, line))
		case n < 0:
			only[1] = append(only[1], fmt.Sprintf("%d x %s", -n, line))
		}
	}
	for i, title := range []string{"only wanted", "only got"} {
		slices.Sort(only[i])
		for _, line := range only[i][:min(5, len(only[i]))] {
			fmt.Fprintf(&b, " %s: %s\n", title, line)
		}
		if len(only[i]) > 5 {
			fmt.Fprintf(&b, " %s: and %d more\n", title, len(only[i])-5)
		}
	}
	return b.String()
}
