// Command peer is a contender of `make bench-compaction` as a process of its
// own, so that its CPU time and memory are its own. It prints what one run cost
// as JSON.
//
//	peer iceberg-go -catalog URL -folder DIR -table NAMESPACE.TABLE -target BYTES
//	peer bytes -out FILE     the paths of the input on standard input
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/apache/iceberg-go/catalog/rest"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	icompact "github.com/apache/iceberg-go/table/compaction"

	"github.com/firnlake/firn/integration/bench/compaction"
	"github.com/firnlake/firn/integration/bench/host"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("name a contender: iceberg-go or bytes")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	catalog := flags.String("catalog", "", "address of the catalog")
	folder := flags.String("folder", "", "folder of the object store")
	name := flags.String("table", "", "namespace.table")
	target := flags.Int64("target", 0, "target size of files, in bytes")
	out := flags.String("out", "", "file to write")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	var work func() error
	var o compaction.Outcome
	switch args[0] {
	case "iceberg-go":
		work = func() (err error) {
			o.Detail, err = rewrite(ctx, *catalog, compaction.Folder(*folder), strings.Split(*name, "."), *target)
			return err
		}
	case "bytes":
		var paths []string
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			paths = append(paths, in.Text())
		}
		work = func() (err error) {
			o.Files = 1
			o.Bytes, err = join(paths, *out)
			return err
		}
	default:
		return fmt.Errorf("there is no contender %q", args[0])
	}
	debug.FreeOSMemory()
	begin, before := time.Now(), spent()
	if err := work(); err != nil {
		return err
	}
	o.Wall, o.CPU, o.Peak = time.Since(begin).Seconds(), (spent() - before).Seconds(), host.Peak(os.Getpid())
	return json.NewEncoder(os.Stdout).Encode(o)
}

// spent is the CPU time of this process so far.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// join copies the files into one by read and write.
func join(files []string, out string) (n int64, err error) {
	w, err := os.Create(out)
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 1<<20)
	for _, path := range files {
		r, err := os.Open(path)
		if err != nil {
			w.Close()
			return 0, err
		}
		// Not by the kernel alone: a copy that moves no byte is no limit.
		some, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf)
		r.Close()
		n += some
		if err != nil {
			w.Close()
			return n, err
		}
	}
	return n, w.Close()
}

// rewrite does what `iceberg compact` of iceberg-go does.
func rewrite(ctx context.Context, address string, folder compaction.Folder, name table.Identifier, target int64) (string, error) {
	iceio.Register("s3", func(context.Context, *url.URL, map[string]string) (iceio.IO, error) { return folder, nil })
	catalog, err := rest.NewCatalog(ctx, "firn", address)
	if err != nil {
		return "", err
	}
	tbl, err := catalog.LoadTable(ctx, name)
	if err != nil {
		return "", err
	}
	cfg := icompact.DefaultConfig()
	cfg.TargetFileSizeBytes, cfg.MinFileSizeBytes, cfg.MaxFileSizeBytes = target, target/4*3, target/5*9
	plan, err := icompact.Analyze(ctx, tbl, cfg)
	if err != nil {
		return "", err
	}
	groups := make([]table.CompactionTaskGroup, len(plan.Groups))
	rewritten := map[string]struct{}{}
	for i, g := range plan.Groups {
		groups[i] = table.CompactionTaskGroup{PartitionKey: g.PartitionKey, Tasks: g.Tasks, TotalSizeBytes: g.TotalSizeBytes}
		for _, t := range g.Tasks {
			rewritten[t.File.FilePath()] = struct{}{}
		}
	}
	if len(groups) == 0 {
		return "", fmt.Errorf("iceberg-go plans nothing for %d files", plan.TotalInputFiles)
	}
	fs, err := tbl.FS(ctx)
	if err != nil {
		return "", err
	}
	var o table.RewriteDataFilesOptions
	if o.ExtraDeleteFilesToRemove, err = icompact.CollectDeadEqualityDeletesWithSpecs(ctx, fs, tbl.Metadata(), tbl.CurrentSnapshot(), rewritten); err != nil {
		return "", err
	}
	tx := tbl.NewTransaction()
	done, err := tx.RewriteDataFiles(ctx, groups, o)
	if err != nil {
		return "", err
	}
	if _, err := tx.Commit(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, %d files into %d", version(), done.RemovedDataFiles, done.AddedDataFiles), nil
}

// version of iceberg-go.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/apache/iceberg-go" {
				return m.Version
			}
		}
	}
	return "unknown version"
}
