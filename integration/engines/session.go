package engines

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// Deadline is how long one statement may take; a benchmark may raise it.
var Deadline = 3 * time.Minute

// Session is a lake in a running engine. Its methods fail the test; those that
// begin with Try answer the error.
type Session struct {
	Engine  Name
	Catalog string
	Lake    *Lake
	engine  engine
}

// Version of the engine.
func (s *Session) Version() string { return s.engine.version() }

// Table is how a statement of this engine names a table: Table("a", "b", "t")
// is t in the namespace a.b. PyIceberg and polars get a tuple for load_table.
func (s *Session) Table(path ...string) string {
	return s.engine.table(s.Catalog, path[:len(path)-1], path[len(path)-1])
}

// Namespace is how a statement of this engine names a namespace.
func (s *Session) Namespace(levels ...string) string { return s.engine.namespace(s.Catalog, levels) }

// Exec runs statements, one after another.
func (s *Session) Exec(t testing.TB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if err := s.TryExec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// TryExec runs one statement.
func (s *Session) TryExec(ctx context.Context, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, Deadline)
	defer cancel()
	if err := s.engine.exec(ctx, statement); err != nil {
		return s.fault(statement, err)
	}
	return nil
}

// Query answers the rows of one statement.
func (s *Session) Query(t testing.TB, statement string) Rows {
	t.Helper()
	rows, err := s.TryQuery(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TryQuery is Query with an error.
func (s *Session) TryQuery(ctx context.Context, statement string) (Rows, error) {
	ctx, cancel := context.WithTimeout(ctx, Deadline)
	defer cancel()
	rows, err := s.engine.query(ctx, statement)
	if err != nil {
		return Rows{}, s.fault(statement, err)
	}
	return rows, nil
}

// Read answers all rows of a table's head; columns as the schema has them.
func (s *Session) Read(t testing.TB, path ...string) Rows {
	t.Helper()
	rows, err := s.TryRead(t.Context(), path...)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TryRead is Read with an error.
func (s *Session) TryRead(ctx context.Context, path ...string) (Rows, error) {
	ctx, cancel := context.WithTimeout(ctx, Deadline)
	defer cancel()
	rows, err := s.engine.read(ctx, s.Catalog, path[:len(path)-1], path[len(path)-1])
	if err != nil {
		return Rows{}, s.fault("read "+s.Table(path...), err)
	}
	return rows, nil
}

// Python runs Python beside the engine, where it has Python: `spark` is the
// session of Spark, `con` the connection of DuckDB. The last expression is the
// answer.
func (s *Session) Python(t testing.TB, code string) Rows {
	t.Helper()
	p, ok := s.engine.(interface {
		python(ctx context.Context, code string) (Rows, error)
	})
	if !ok {
		t.Fatalf("%s has no Python", s.Engine)
	}
	ctx, cancel := context.WithTimeout(t.Context(), Deadline)
	defer cancel()
	rows, err := p.python(ctx, code)
	if err != nil {
		t.Fatal(s.fault(code, err))
	}
	return rows
}

func (s *Session) fault(statement string, err error) error {
	return fmt.Errorf("%s %s: %w\nin: %s", s.Engine, s.Version(), err, statement)
}

// Script runs a whole Python program, as a person would, in a new process of
// the interpreter that has the engine, and answers what it prints.
func (s *Session) Script(t testing.TB, program string) string {
	t.Helper()
	d, ok := s.engine.(interface {
		script(ctx context.Context, program string) (string, error)
	})
	if !ok {
		t.Fatalf("%s has no Python", s.Engine)
	}
	ctx, cancel := context.WithTimeout(t.Context(), Deadline)
	defer cancel()
	printed, err := d.script(ctx, program)
	if err != nil {
		t.Fatal(s.fault(program, err))
	}
	return printed
}
