// Package integration holds what is tested from outside: the import rules, and
// the built binary against real engines, stores and a real browser.
package integration

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/firnlake/firn/"

// mayImport says which rooms a room's packages may import (DESIGN.md, rooms).
// Every room may import itself and generated code under proto.
var mayImport = map[string][]string{
	"internal":    {},
	"proto":       {},
	"web":         {},
	"catalog":     {"internal"},
	"writer":      {"catalog", "internal"},
	"compactor":   {"catalog", "internal"},
	"query":       {"catalog", "internal"},
	"cmd":         {"catalog", "writer", "compactor", "query", "internal", "web"},
	"integration": {"catalog", "writer", "compactor", "query", "internal", "web", "cmd"},
}

func room(pkg string) (string, bool) {
	rest, ok := strings.CutPrefix(pkg, module)
	if !ok {
		return "", false
	}
	name, _, _ := strings.Cut(rest, "/")
	return name, true
}

// violations lists the imports in lines of `package import import ...` that
// the rules do not allow.
func violations(listing string) []string {
	var bad []string
	for line := range strings.Lines(listing) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		from, ok := room(fields[0])
		if !ok {
			continue
		}
		allowed, known := mayImport[from]
		if !known {
			bad = append(bad, fields[0]+": "+from+" is no room of DESIGN.md")
			continue
		}
		for _, imported := range fields[1:] {
			to, ok := room(imported)
			if ok && to != from && to != "proto" && !slices.Contains(allowed, to) {
				bad = append(bad, fields[0]+" imports "+imported)
			}
		}
	}
	return bad
}

func TestImportsRunOneWay(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-tags", "duckdb_arrow", "-f",
		`{{.ImportPath}} {{join .Imports " "}} {{join .TestImports " "}} {{join .XTestImports " "}}`, "./...")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if n := strings.Count(string(out), "\n"); n < 20 {
		t.Fatalf("go list names %d packages; the rules were not checked", n)
	}
	for _, v := range violations(string(out)) {
		t.Error(v)
	}
}

func TestImportRulesTurnRed(t *testing.T) {
	for _, planted := range []string{
		module + "internal/lake " + module + "catalog",
		module + "writer " + module + "compactor/plan",
		module + "query " + module + "writer",
		module + "catalog/rest " + module + "query",
		module + "helpers fmt",
	} {
		if len(violations(planted)) == 0 {
			t.Errorf("not reported: %s", planted)
		}
	}
	if v := violations(module + "writer fmt " + module + "catalog " + module + "proto/firn/v1"); len(v) > 0 {
		t.Errorf("allowed imports were reported: %v", v)
	}
}
