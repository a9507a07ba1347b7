package plan_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firnlake/firn/compactor/plan"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// Each file in testdata is a table shape, a line of dashes, and the plan.
//
//	policy KEY=VALUE...           table properties without their prefixes, and
//	                              spec=N, the table's present one
//	scope full | quiet=DURATION | hot=PARTITION
//	files N SIZE[..SIZE] [partition=P] [spec=N] [deletes=N] [deleted=SHARE]
//
// The seed of the sizes is the line itself.
func TestGolden(t *testing.T) {
	shapes, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(shapes) == 0 {
		t.Fatal("no shapes", err)
	}
	for _, path := range shapes {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			shape, want, _ := strings.Cut(string(data), "---\n")
			files, policy, scope := parse(t, shape)
			c := plan.Groups(files, policy, scope)
			got := c.String() + settles(t, files, policy, scope)
			if *rewrite {
				if err := os.WriteFile(path, []byte(shape+"---\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// settles compacts and plans in turn until nothing is left, and says how much
// was read for it: a planner that never comes to rest, or reads the same bytes
// again and again, shows here.
func settles(t *testing.T, files []plan.File, p plan.Policy, s plan.Scope) string {
	t.Helper()
	var total, read int64
	for _, f := range files {
		total += f.Bytes
	}
	for round := 0; ; round++ {
		c := plan.Groups(files, p, s)
		if len(c.Groups) == 0 {
			return fmt.Sprintf("at rest after %d rounds: %d files, read %.1f times the table\n", round, len(files), float64(read)/float64(max(total, 1)))
		}
		if round == 20 {
			t.Fatal("never comes to rest")
		}
		files = compacted(files, c, p, round)
		for _, g := range c.Groups {
			read += g.Bytes
		}
	}
}

func compacted(files []plan.File, c plan.Compaction, p plan.Policy, round int) []plan.File {
	gone := map[string]bool{}
	var out []plan.File
	for i, g := range c.Groups {
		for _, f := range g.Files {
			gone[f.Path] = true
		}
		specID := g.SpecID
		if g.Tier == plan.Reshape {
			specID = p.SpecID
		}
		for j := range g.Outputs {
			out = append(out, plan.File{Path: fmt.Sprintf("out-%d-%d-%d", round, i, j), SpecID: specID, Partition: g.Partition, Bytes: g.Bytes / int64(g.Outputs), Rows: g.Rows / int64(g.Outputs), Sequence: int64(1e6 + round)})
		}
	}
	for _, f := range files {
		if !gone[f.Path] {
			out = append(out, f)
		}
	}
	return out
}

var prefixes = map[string]string{
	"target": plan.PropertyTarget, "min-files": plan.PropertyMinFiles, "quiet": plan.PropertyQuiet,
	"reshape": plan.PropertyReshape, "growth": plan.PropertyGrowth, "fuse": plan.PropertyFuse, "sort": plan.PropertySort, "max-job": plan.PropertyMaxJobBytes,
}

func parse(t *testing.T, shape string) (files []plan.File, p plan.Policy, s plan.Scope) {
	t.Helper()
	p = plan.DefaultPolicy()
	for line := range strings.Lines(shape) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		opts := map[string]string{}
		for _, w := range words[1:] {
			if k, v, ok := strings.Cut(w, "="); ok {
				opts[k] = v
			}
		}
		switch words[0] {
		case "policy":
			props := map[string]string{}
			for k, v := range opts {
				if strings.HasSuffix(v, "iB") {
					v = fmt.Sprint(size(t, v))
				}
				if k != "spec" {
					props[prefixes[k]] = v
				}
			}
			var err error
			if p, err = plan.PolicyOf(p, props); err != nil {
				t.Fatal(err)
			}
			p.SpecID, _ = strconv.Atoi(opts["spec"])
		case "scope":
			s.Full = words[1] == "full"
			if q, ok := opts["quiet"]; ok {
				d, err := time.ParseDuration(q)
				if err != nil {
					t.Fatal(err)
				}
				s.QuietFor = func(string) time.Duration { return d }
			}
			if hot, ok := opts["hot"]; ok {
				s.Heat = func(key string) float64 { return float64(strings.Count(key, "\""+hot+"\"")) }
			}
		case "files":
			n, err := strconv.Atoi(words[1])
			if err != nil {
				t.Fatal(err)
			}
			low, high, ranged := strings.Cut(words[2], "..")
			if !ranged {
				high = low
			}
			rng := rand.New(rand.NewPCG(uint64(n), uint64(size(t, low))))
			deletes, _ := strconv.Atoi(opts["deletes"])
			deleted, _ := strconv.ParseFloat(opts["deleted"], 64)
			spec, _ := strconv.Atoi(opts["spec"])
			var values map[string]*string
			if v, ok := opts["partition"]; ok {
				values = map[string]*string{"p": &v}
			}
			for range n {
				b := size(t, low) + rng.Int64N(size(t, high)-size(t, low)+1)
				files = append(files, plan.File{Path: fmt.Sprintf("f%05d", len(files)), SpecID: spec, Partition: values, Bytes: b, Rows: b / 100, Deletes: deletes, Deleted: int64(deleted * float64(b/100)), Sequence: int64(len(files) + 1)})
			}
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	return files, p, s
}

func size(t *testing.T, s string) int64 {
	t.Helper()
	for unit, factor := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if n, ok := strings.CutSuffix(s, unit); ok {
			v, err := strconv.ParseInt(n, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return v * factor
		}
	}
	t.Fatalf("size %q has no unit", s)
	return 0
}
