package integration

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var property = regexp.MustCompile(`\bProperty\w+\s*=\s*"([^"]+)"`)

// TestTablePropertiesAreDocumented: what the code reads and what docs/table-properties.md
// lists are the same.
func TestTablePropertiesAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "table-properties.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(string(text), -1) {
		listed[m[1]] = true
	}
	read := map[string]bool{}
	for _, room := range []string{"catalog", "compactor", "internal", "query", "writer"} {
		err := filepath.WalkDir(filepath.Join("..", room), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, m := range property.FindAllStringSubmatch(string(source), -1) {
				read[m[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(read) < 15 {
		t.Fatalf("only %d properties are found in the code: the test looks for the wrong thing", len(read))
	}
	for name := range read {
		if !listed[name] {
			t.Errorf("%s is read and not listed", name)
		}
	}
	for name := range listed {
		if !read[name] {
			t.Errorf("%s is listed and nothing reads it", name)
		}
	}
}
