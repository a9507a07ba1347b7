package engines_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// still is how a lake starts whose tables nobody but the journey changes: with no
// compactor, which would now and then win a race against an engine.
func still() []string {
	roles := "catalog,query,page"
	if engines.Store() == "embedded" {
		roles += ",gateway"
	}
	return []string{"--role", roles}
}

// agree has the engine that wrote a table read it, and compares that with the
// computation over its files and with Firn's SQL.
func agree(t *testing.T, s *engines.Session, path ...string) engines.Rows {
	t.Helper()
	want := s.Lake.Independent(t, path...)
	got := s.Read(t, path...)
	assert.True(t, engines.Same(t, want, got), "%s reads %s as its files are", s.Engine, strings.Join(path, "."))
	assert.True(t, engines.Same(t, want, s.Lake.On(t, engines.Firn).Read(t, path...)), "firn reads %s as its files are", strings.Join(path, "."))
	return want
}

// holds is agree, and that these are the rows, in any order.
func holds(t *testing.T, s *engines.Session, path []string, lines ...string) {
	t.Helper()
	sameLines(t, lines, agree(t, s, path...), strings.Join(path, "."))
}

// reads is holds without the files, for what the computation over them does not
// do: nested fields of another name, defaults, name mappings.
func reads(t *testing.T, s *engines.Session, path []string, lines ...string) {
	t.Helper()
	for _, reader := range []*engines.Session{s, s.Lake.On(t, engines.Firn)} {
		sameLines(t, lines, reader.Read(t, path...), string(reader.Engine)+" reads "+strings.Join(path, "."))
	}
}

// sameLines compares rows with lines, in any order, and shows what differs.
func sameLines(t *testing.T, want []string, got engines.Rows, what string) {
	t.Helper()
	as := engines.Rows{Columns: []string{"line"}}
	lines := engines.Rows{Columns: []string{"line"}}
	for _, line := range want {
		as.Values = append(as.Values, []string{line})
	}
	for _, line := range got.Lines() {
		lines.Values = append(lines.Values, []string{line})
	}
	assert.True(t, engines.Same(t, as, lines), what)
}
