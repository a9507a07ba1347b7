package main

import (
	"github.com/spf13/cobra"

	"github.com/firnlake/firn/cmd/firn/cli"
	"github.com/firnlake/firn/cmd/firn/demo"
)

func demoCommand() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use: "demo", Short: "Replay real data as 38 contributors, promote it to gold, compact, and check everything", Args: cobra.NoArgs,
		Long: `Starts firn dev, replays the Online Retail data set (541,909 rows) as 38
contributors through the public RPC, promotes and compacts meanwhile and
afterwards, compares the result with the source file, and prints a summary. The
page stays up until Ctrl-C. The exit code is 0 only if every check held.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out, o.Progress = cmd.OutOrStdout(), cmd.ErrOrStderr()
			held, err := demo.Run(cmd.Context(), o)
			if err != nil {
				return &cli.Fault{What: "the demo stopped", Why: err.Error(), Help: "firn doctor", Exit: cli.ExitFailure, Err: err}
			}
			if !held {
				return &cli.Fault{What: "a check of the demo failed", Why: "see the lines marked FAILED above", Help: "firn demo --data DIR keeps the lake for a look", Exit: cli.ExitCheckFailed}
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Data, "data", "", "keep the lake in this folder (default: a temporary one, removed at the end)")
	flags.BoolVar(&o.Exit, "exit", false, "end after the summary")
	flags.StringVar(&o.Summary, "summary", "", "write the summary to this file as JSON")
	flags.StringVar(&o.Project, "project", "docs/examples/retail", "folder with the models and the source data")
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:8181", "address of page and API (port 0 takes a free one)")
	flags.StringArrayVar(&o.Server, "server-flag", nil, "flag for firn dev, as --server-flag=--s3.endpoint=http://127.0.0.1:9000; may be repeated")
	flags.StringVar(&o.S3, "s3", "embedded", "embedded, or minio: start bin/minio and keep the files there")
	return cmd
}
