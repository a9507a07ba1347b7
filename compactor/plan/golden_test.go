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

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/apache/iceberg-go/table/compaction"

	"github.com/firnlake/firn/compactor/plan"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// Each file in testdata is a table shape, a line of dashes, and the plan.
//
//	policy KEY=VALUE...           table properties without their prefixes, and
//	                              spec=N, the table's present one
//	scope full | quiet=DURATION | hot=PARTITION
//	files N SIZE[..SIZE] [partition=P] [spec=N] [deletes=N] [deleted=SHARE] [equality=N]
//	spread N M SIZE[..SIZE] [...]   M such files in each of N partitions
//
// The seed of the sizes is the line itself. Of the deletes of a file, so many are
// equality deletes; the others are of this file alone, and share what is deleted.
// Beside our plan stands what iceberg-go's own planner answers, at the same target.
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
			files, equality, policy, scope := parse(t, shape)
			c := plan.Groups(files, policy, scope)
			got := short(c) + settles(t, files, policy, scope) + stock(t, files, equality, policy)
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

// short is a plan without most of its groups where there are very many.
func short(c plan.Compaction) string {
	const most = 24
	if len(c.Groups) <= most {
		return c.String()
	}
	rest := c.Groups[most:]
	files := 0
	for _, g := range rest {
		files += len(g.Files)
	}
	why := c.WhyNot
	c.Groups, c.WhyNot = c.Groups[:most], ""
	return fmt.Sprintf("%sand %d groups more of %d files\nwhy not more: %s\n", c, len(rest), files, why)
}

// stock is what iceberg-go's planner makes of the same files.
func stock(t *testing.T, files []plan.File, equality map[string]int, p plan.Policy) string {
	t.Helper()
	unpartitioned := iceberg.NewPartitionSpec()
	one := func(content iceberg.ManifestEntryContent, path string, f plan.File, rows, bytes int64) *iceberg.DataFileBuilder {
		spec, values := unpartitioned, map[int]any(nil)
		if v, ok := f.Partition["p"]; ok {
			spec = iceberg.NewPartitionSpecID(f.SpecID, iceberg.PartitionField{SourceIDs: []int{1}, FieldID: 1000, Name: "p", Transform: iceberg.IdentityTransform{}})
			values = map[int]any{1000: *v}
		}
		b, err := iceberg.NewDataFileBuilder(spec, content, path, iceberg.ParquetFile, values, nil, nil, max(rows, 1), bytes)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var tasks []table.FileScanTask
	for _, f := range files {
		task := table.FileScanTask{File: one(iceberg.EntryContentData, f.Path, f, f.Rows, f.Bytes).Build()}
		own := int64(f.Deletes - equality[f.Path])
		for i := range own {
			rows := f.Deleted / own
			if i == 0 {
				rows += f.Deleted % own
			}
			path := fmt.Sprint(f.Path, "-d", i)
			task.DeleteFiles = append(task.DeleteFiles, one(iceberg.EntryContentPosDeletes, path, f, rows, 1000).ReferencedDataFile(f.Path).Build())
		}
		for i := range equality[f.Path] {
			path := fmt.Sprint(f.Path, "-e", i)
			task.EqualityDeleteFiles = append(task.EqualityDeleteFiles, one(iceberg.EntryContentEqDeletes, path, f, 1, 1000).EqualityFieldIDs([]int{1}).Build())
		}
		tasks = append(tasks, task)
	}
	cfg := compaction.DefaultConfig()
	cfg.TargetFileSizeBytes, cfg.MinFileSizeBytes, cfg.MaxFileSizeBytes = p.Target, p.Target/4*3, p.Target/5*9
	answer, err := cfg.PlanCompaction(tasks)
	if err != nil {
		t.Fatal(err)
	}
	in := 0
	for _, g := range answer.Groups {
		in += len(g.Tasks)
	}
	return fmt.Sprintf("stock: %d groups of %d files; %d files after it\n", len(answer.Groups), in, len(files)-in+answer.EstOutputFiles)
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
		var live int64
		for _, f := range g.Files {
			gone[f.Path] = true
			live += f.Live()
		}
		specID := g.SpecID
		if g.Tier == plan.Reshape {
			specID = p.SpecID
		}
		for j := range g.Outputs {
			if live > 0 {
				out = append(out, plan.File{Path: fmt.Sprintf("out-%d-%d-%d", round, i, j), SpecID: specID, Partition: g.Partition, Bytes: live / int64(g.Outputs), Rows: g.Rows / int64(g.Outputs), Sequence: int64(1e6 + round)})
			}
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

func parse(t *testing.T, shape string) (files []plan.File, equality map[string]int, p plan.Policy, s plan.Scope) {
	t.Helper()
	equality = map[string]int{}
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
		case "files", "spread":
			number := func(s string) int {
				n, err := strconv.Atoi(s)
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			partitions := []string{opts["partition"]}
			if words[0] == "spread" {
				partitions = nil
				for i := range number(words[1]) {
					partitions = append(partitions, fmt.Sprintf("%05d", i))
				}
				words = words[1:]
			}
			n := number(words[1])
			low, high, ranged := strings.Cut(words[2], "..")
			if !ranged {
				high = low
			}
			rng := rand.New(rand.NewPCG(uint64(n), uint64(size(t, low))))
			deletes, _ := strconv.Atoi(opts["deletes"])
			byKey, _ := strconv.Atoi(opts["equality"])
			deleted, _ := strconv.ParseFloat(opts["deleted"], 64)
			spec, _ := strconv.Atoi(opts["spec"])
			for i := range n * len(partitions) {
				var values map[string]*string
				if v := partitions[i%len(partitions)]; v != "" {
					values = map[string]*string{"p": &v}
				}
				b := size(t, low) + rng.Int64N(size(t, high)-size(t, low)+1)
				equality[fmt.Sprintf("f%05d", len(files))] = byKey
				files = append(files, plan.File{Path: fmt.Sprintf("f%05d", len(files)), SpecID: spec, Partition: values, Bytes: b, Rows: b / 100, Deletes: deletes + byKey, Deleted: int64(deleted * float64(b/100)), Sequence: int64(len(files) + 1)})
			}
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	return files, equality, p, s
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
