package medallion

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/firnlake/firn/internal/duck"
)

// Engine is what this package needs of a SQL engine. *duck.Pool is one.
type Engine interface {
	Parse(ctx context.Context, sql string) ([]byte, error)
	Describe(ctx context.Context, job duck.Job) ([]duck.Column, error)
	Exec(ctx context.Context, job duck.Job) ([]map[string]any, error)
	Query(ctx context.Context, job duck.Job) (*duck.Result, error)
}

// function is what the engine says about a function's name.
type function struct {
	scalar, aggregate, macro, table bool
	volatile                        bool
}

// functions is the engine's catalog of functions, read once.
type functions struct {
	mu     sync.Mutex
	byName map[string]function
}

func (f *functions) load(ctx context.Context, e Engine) (map[string]function, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byName != nil {
		return f.byName, nil
	}
	rows, err := e.Exec(ctx, duck.Job{SQL: `
		SELECT lower(function_name) AS name,
			CAST(bool_or(function_type = 'scalar') AS BOOLEAN) AS scalar,
			CAST(bool_or(function_type = 'aggregate') AS BOOLEAN) AS aggregate,
			CAST(bool_or(function_type = 'macro') AS BOOLEAN) AS macro,
			CAST(bool_or(function_type IN ('table', 'table_macro', 'pragma')) AS BOOLEAN) AS tab,
			CAST(bool_or(coalesce(stability, 'CONSISTENT') <> 'CONSISTENT') AS BOOLEAN) AS volatile
		FROM duckdb_functions() GROUP BY 1`})
	if err != nil {
		return nil, fmt.Errorf("read the engine's functions: %w", err)
	}
	byName := make(map[string]function, len(rows))
	is := func(v any) bool { b, _ := v.(bool); return b }
	for _, r := range rows {
		name, _ := r["name"].(string)
		byName[name] = function{is(r["scalar"]), is(r["aggregate"]), is(r["macro"]), is(r["tab"]), is(r["volatile"])}
	}
	f.byName = byName
	return byName, nil
}

// orderDependent aggregates answer differently for the same rows in another order.
var orderDependent = map[string]bool{
	"first": true, "last": true, "any_value": true, "arbitrary": true, "list": true, "array_agg": true,
	"string_agg": true, "group_concat": true, "listagg": true, "mode": true,
	"arg_min": true, "arg_max": true, "argmin": true, "argmax": true, "min_by": true, "max_by": true,
	"arg_min_null": true, "arg_max_null": true, "reservoir_quantile": true,
}

// environment functions answer about the session, not about the row.
func environmental(name string) bool {
	for _, prefix := range []string{"pg_", "current_", "session_", "has_", "getenv", "getvariable", "version", "user", "in_search_path"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// render writes expressions of a syntax tree back as SQL.
func render(ctx context.Context, e Engine, expressions []node) ([]string, error) {
	if len(expressions) == 0 {
		return nil, nil
	}
	var b strings.Builder
	b.WriteString("SELECT ")
	for i, x := range expressions {
		text, err := marshal(selectOf(x))
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "json_deserialize_sql(%s) AS e%d", quote(text), i)
	}
	rows, err := e.Exec(ctx, duck.Job{SQL: b.String()})
	if err != nil {
		return nil, fmt.Errorf("render expressions: %w", err)
	}
	if len(rows) != 1 {
		return nil, fmt.Errorf("render expressions: %d rows", len(rows))
	}
	out := make([]string, len(expressions))
	for i := range expressions {
		text, _ := rows[0][fmt.Sprintf("e%d", i)].(string)
		sql, ok := strings.CutPrefix(text, "SELECT ")
		if !ok {
			return nil, fmt.Errorf("render expressions: got %q", text)
		}
		out[i] = sql
	}
	return out, nil
}

// quote is an SQL string literal.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// ident is an SQL identifier.
func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
