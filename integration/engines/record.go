package engines

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Result is a cell of the matrix.
type Result struct {
	Engine  Name    `json:"engine"`
	Version string  `json:"version"`
	Feature Feature `json:"feature"`
	// Format is the table format, 0 where it makes no difference.
	Format int `json:"format,omitempty"`
	// Passes, or the reason why not.
	Passes bool   `json:"passes"`
	Reason string `json:"reason,omitempty"`
	// Test proves it.
	Test string `json:"test"`
}

func (r Result) key() string {
	return fmt.Sprintf("%s %s, format %d: %s", r.Engine, r.Version, r.Format, r.Feature)
}

func (r Result) status() string {
	if r.Passes {
		return "passes"
	}
	return r.Reason
}

// findings are the results of this run. Subtests may report at the same time.
var findings struct {
	sync.Mutex
	results []Result
}

func report(t *testing.T, r Result) {
	t.Helper()
	if !known(r.Feature) {
		t.Errorf("the feature %q stands not in Features", r.Feature)
	}
	findings.Lock()
	defer findings.Unlock()
	i := slices.IndexFunc(findings.results, func(o Result) bool { return o.key() == r.key() })
	if i < 0 {
		findings.results = append(findings.results, r)
		return
	}
	// Several journeys may prove a feature; they have to agree.
	if o := findings.results[i]; o.status() != r.status() {
		t.Errorf("%s: %q in %s and %q in %s", r.key(), o.status(), o.Test, r.status(), r.Test)
	}
}

// Check runs a part of a journey that proves a feature for a table format (0:
// where it makes no difference) and reports that it passes. A failure fails the
// test and is not reported: a matrix with a broken cell is not published.
func (s *Session) Check(t *testing.T, feature Feature, format int, f func(t *testing.T)) {
	t.Helper()
	t.Run(title(s.Engine, feature, format), func(t *testing.T) {
		f(t)
		if !t.Failed() {
			report(t, Result{Engine: s.Engine, Version: s.Version(), Feature: feature, Format: format, Passes: true, Test: root(t)})
		}
	})
}

// Cannot reports that an engine does not do something, with the reason to show,
// and proves it: try must answer an error that holds the words. The day it
// works, the test fails, and the matrix gets better.
func (s *Session) Cannot(t *testing.T, feature Feature, format int, reason, words string, try func(ctx context.Context) error) {
	t.Helper()
	t.Run(title(s.Engine, feature, format)+" cannot", func(t *testing.T) {
		err := try(t.Context())
		switch {
		case err == nil:
			t.Errorf("%s %s does it now: %s; make it a Check", s.Engine, s.Version(), feature)
		case !strings.Contains(err.Error(), words):
			t.Errorf("the refusal does not say %q: %v", words, err)
		default:
			report(t, Result{Engine: s.Engine, Version: s.Version(), Feature: feature, Format: format, Reason: reason, Test: root(t)})
		}
	})
}

func title(engine Name, feature Feature, format int) string {
	if format == 0 {
		return fmt.Sprintf("%s/%s", engine, feature)
	}
	return fmt.Sprintf("%s/%s/v%d", engine, feature, format)
}

func root(t *testing.T) string {
	name, _, _ := strings.Cut(t.Name(), "/")
	return name
}

// suites are the times of this run.
var suites []string

// Suite logs how long a test took; Main prints all of them. Call it first.
func Suite(t *testing.T) {
	begin := time.Now()
	t.Cleanup(func() {
		suites = append(suites, fmt.Sprintf("%-40s %7.1f s", t.Name(), time.Since(begin).Seconds()))
	})
}

// Main runs the tests of a package of journeys, ends the engines, prints times
// and compares the findings with what is committed under docs/compatibility.
// With write, it writes them there instead. A run of some tests only is compared,
// or written, for what it found.
func Main(m *testing.M, write bool) int {
	code := m.Run()
	Stop()
	for _, line := range append(startups, suites...) {
		fmt.Fprintln(os.Stderr, "engines:", line)
	}
	if code != 0 || flag.Lookup("test.list").Value.String() != "" {
		return code
	}
	part := flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != ""
	if err := settle(filepath.Join("..", "..", "docs"), Store(), findings.results, part, write); err != nil {
		fmt.Fprintln(os.Stderr, "engines:", err)
		return 1
	}
	return 0
}

// settle compares found results with the committed ones, or writes them and the
// matrix.
func settle(docs, store string, found []Result, part, write bool) error {
	path := filepath.Join(docs, "compatibility", store+".json")
	committed, err := readResults(path)
	if err != nil {
		return err
	}
	all := found
	if part {
		all = merge(committed, found)
	}
	slices.SortFunc(all, compare)
	if !write {
		return errors.Join(differ(committed, all, path), layoutHeld(docs))
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return writeMatrix(docs)
}

func compare(a, b Result) int {
	return cmp.Or(
		cmp.Compare(slices.Index(order, a.Engine), slices.Index(order, b.Engine)), cmp.Compare(a.Version, b.Version),
		cmp.Compare(slices.Index(Features(), a.Feature), slices.Index(Features(), b.Feature)), cmp.Compare(a.Format, b.Format),
	)
}

func readResults(path string) ([]Result, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var results []Result
	if err := json.Unmarshal(text, &results); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return results, nil
}

// merge puts found results in the place of committed ones.
func merge(committed, found []Result) []Result {
	all := slices.Clone(found)
	for _, c := range committed {
		if !slices.ContainsFunc(found, func(f Result) bool { return f.key() == c.key() }) {
			all = append(all, c)
		}
	}
	return all
}

// differ says which cells changed.
func differ(committed, found []Result, path string) error {
	var b strings.Builder
	was := map[string]string{}
	for _, c := range committed {
		was[c.key()] = c.status()
	}
	for _, f := range found {
		old, ok := was[f.key()]
		delete(was, f.key())
		switch {
		case !ok:
			fmt.Fprintf(&b, " new: %s: %s\n", f.key(), f.status())
		case old != f.status():
			fmt.Fprintf(&b, " changed: %s: was %s, is %s\n", f.key(), old, f.status())
		}
	}
	for key := range was {
		fmt.Fprintf(&b, " not found by this run: %s\n", key)
	}
	if b.Len() == 0 {
		return nil
	}
	return fmt.Errorf("the findings differ from %s; look at them, then renew it with `make test-engines RECORD=1`:\n%s", path, b.String())
}
