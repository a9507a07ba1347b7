package engines

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// Name is an engine.
type Name string

// The engines. Polars only reads; Firn is our own SQL.
const (
	Spark     Name = "spark"
	Trino     Name = "trino"
	PyIceberg Name = "pyiceberg"
	DuckDB    Name = "duckdb"
	Polars    Name = "polars"
	Firn      Name = "firn"
)

// order is that of the matrix.
var order = []Name{Firn, PyIceberg, Polars, DuckDB, Spark, Trino}

// jvm are the engines of which one runs at a time: 2 GB each.
var jvm = []Name{Spark, Trino}

// All lists the engines. Of those on a JVM the one that runs comes first, so
// that a test which goes through all starts one of them only.
func All() []Name { return inTurn(order) }

// Writers are the engines that make tables and change rows, in the order of All.
func Writers() []Name { return inTurn([]Name{PyIceberg, DuckDB, Spark, Trino}) }

func inTurn(names []Name) []Name {
	if _, ok := running[Trino]; !ok {
		return slices.Clone(names)
	}
	turned := slices.DeleteFunc(slices.Clone(names), func(n Name) bool { return n == Spark || n == Trino })
	return append(turned, Trino, Spark)
}

// engine is one running engine. Statements are in its own language. Statements
// of one engine on Python wait for each other.
type engine interface {
	version() string
	// attach makes a lake known as a catalog of this name, with settings of the
	// engine that add to its own or, when empty, take one away.
	attach(ctx context.Context, catalog string, l *Lake, settings map[string]string) error
	exec(ctx context.Context, statement string) error
	query(ctx context.Context, statement string) (Rows, error)
	// table is how a statement names a table of a catalog, namespace how it
	// names a namespace.
	table(catalog string, namespace []string, name string) string
	namespace(catalog string, levels []string) string
	// read answers all rows of a table's head, columns in the schema's order.
	read(ctx context.Context, catalog string, namespace []string, name string) (Rows, error)
	// alive says whether it still answers.
	alive() bool
	stop()
}

// running are the engines of this process. Tests that use them run one after
// another, so no lock guards them.
var running = map[Name]engine{}

// startups are the seconds that engines took to start, for the report.
var startups []string

// start answers the engine, and starts it when it does not run. An engine that
// cannot start fails the test.
func start(t testing.TB, name Name, together bool) engine {
	t.Helper()
	if e, ok := running[name]; ok && e.alive() {
		return e
	}
	// What ended by itself, or was ended at a deadline, is started again.
	end(name)
	if slices.Contains(jvm, name) && !together {
		for _, other := range jvm {
			end(other)
		}
	}
	begin := time.Now()
	var e engine
	var err error
	switch name {
	case Spark:
		e, err = startSpark(t)
	case Trino:
		e, err = startTrino(t)
	case PyIceberg, Polars:
		e, err = startIceberg(t, name)
	case DuckDB:
		e, err = startDuckDB(t)
	case Firn:
		e = &firnSQL{}
	default:
		err = fmt.Errorf("no engine is called %q", name)
	}
	if err != nil {
		t.Fatalf("%s does not start: %v", name, err)
	}
	startups = append(startups, fmt.Sprintf("%s %s started in %.1f s", name, e.version(), time.Since(begin).Seconds()))
	running[name] = e
	return e
}

// scratch makes a folder for what lives longer than one test.
func scratch(name string) (string, error) { return os.MkdirTemp("", "firn-engines-"+name+"-") }

// end stops an engine; its catalogs are gone.
func end(name Name) {
	if e, ok := running[name]; ok {
		delete(running, name)
		e.stop()
	}
}

// Stop ends all engines of this process and removes what its tests share. Main
// does it at the end.
func Stop() {
	for name := range running {
		end(name)
	}
	if demo != "" {
		os.RemoveAll(demo)
		demo = ""
	}
}
