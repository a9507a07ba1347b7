package engines

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
)

// EqualityDeletes deletes the rows of a table whose column has one of the
// values, by equality delete files: one in each partition that has data, in one
// commit. No engine here writes them in its own language, so Iceberg's Java
// library does, in Spark's JVM: the session must be of Spark. Values are given
// as Iceberg writes them in partition paths (1, 2026-11-21, text as it is); nil
// deletes nulls. It answers how many delete files there are now more.
func EqualityDeletes(t testing.TB, s *Session, path []string, column string, values ...any) int {
	t.Helper()
	e, ok := s.engine.(*spark)
	if !ok {
		t.Fatalf("%s writes no equality deletes; take a session of Spark", s.Engine)
	}
	texts := make([]*string, len(values))
	for i, value := range values {
		if value != nil {
			text := fmt.Sprint(value)
			texts[i] = &text
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), Deadline)
	defer cancel()
	answer, err := e.ask(ctx, "equality_deletes", map[string]any{"table": s.Table(path...), "column": column, "values": texts})
	if err != nil {
		t.Fatal(s.fault("equality deletes of "+column, err))
	}
	var files int
	if err := json.Unmarshal(answer, &files); err != nil {
		t.Fatalf("equality deletes of %s: %v", column, err)
	}
	return files
}
