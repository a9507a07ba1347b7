// Command firn is the whole of Firn in one binary: the service in any set of
// roles, and the command line that talks to it.
package main

import (
	"context"
	"io"
	"os"

	"github.com/charmbracelet/fang"
	"github.com/spf13/cobra"

	"github.com/firnlake/firn/cmd/firn/cli"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lifecycle"
	"github.com/firnlake/firn/internal/telemetry"
)

func main() {
	// A worker process of internal/duck is this binary too; it never returns.
	duck.WorkerMain()
	os.Exit(run())
}

func run() int {
	ctx, stop := lifecycle.Signals(context.Background())
	defer stop()
	root := &cobra.Command{
		Use:   "firn",
		Short: "A lakehouse table service: Iceberg catalog, writer, compactor, medallion, query",
		Long: `Firn keeps Apache Iceberg tables: a catalog for every engine, a writer that commits
micro-batches, a compactor that promotes bronze to silver to gold and keeps
tables fast, and SQL.

Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 auth, 5 conflict,
6 unavailable, 7 check failed, 130 interrupted.`,
	}
	root.AddCommand(cli.Commands(root)...)
	root.AddCommand(devCommand(), serveCommand(), demoCommand(), configCommand(), doctorCommand())
	cli.StrictGroups(root)
	var code int
	err := fang.Execute(ctx, root,
		fang.WithVersion(telemetry.BuildInfo().Version),
		fang.WithErrorHandler(func(w io.Writer, _ fang.Styles, err error) { code = cli.Report(w, err) }),
		fang.WithoutManpage(),
	)
	if err != nil && code == 0 {
		code = cli.ExitFailure
	}
	if err != nil && ctx.Err() != nil {
		code = cli.ExitInterrupted
	}
	return code
}
