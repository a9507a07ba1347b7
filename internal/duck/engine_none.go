//go:build !duckdb_arrow

package duck

// engine stands in for DuckDB in a binary built without it.
type engine struct{}

func openEngine() (*engine, error) { return nil, ErrNotBuiltIn }

func (*engine) close()            {}
func (*engine) progress() float64 { return 0 }

func (*engine) run(*request, *frameWriter) (rows, batches int64, err error) {
	return 0, 0, &wireError{Class: classNoEngine, Message: ErrNotBuiltIn.Error(), Position: -1}
}

const builtIn = false
