package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/firnlake/firn/catalog/boltstore"
	"github.com/firnlake/firn/cmd/firn/cli"
	"github.com/firnlake/firn/cmd/firn/serve"
	"github.com/firnlake/firn/internal/config"
	"github.com/firnlake/firn/internal/lifecycle"
)

// devDefaults are the configuration of `firn dev`: unreachable files of a
// laptop's lake go after minutes, not hours.
func devDefaults() config.Config {
	cfg := config.Default()
	cfg.Compactor.Grace = time.Minute
	cfg.Compactor.OrphanEvery = 30 * time.Second
	return cfg
}

func devCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "dev", Short: "Start everything in this process on loopback, without configuration", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defaults := devDefaults()
			loaded, err := config.Load(config.Options{Flags: cmd.Flags(), Defaults: &defaults})
			if err != nil {
				return explain(err)
			}
			ready := func(info lifecycle.RunInfo) {
				fmt.Fprintf(cmd.ErrOrStderr(), "\n  Firn is up.\n\n    page and API   %s\n    Iceberg REST   %s/v1\n    S3             %s\n    data           %s\n\n  Ctrl-C ends it.\n\n", info.HTTP, info.HTTP, info.S3, loaded.Data)
			}
			return explain(serve.Run(cmd.Context(), loaded.Config, serve.Mode{Dev: true, Stderr: cmd.ErrOrStderr(), Ready: ready}))
		},
	}
	config.BindFlags(cmd.Flags())
	return cmd
}

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "Start the roles that a configuration names, on any S3 endpoint", Args: cobra.NoArgs,
		Example: "firn serve --config /etc/firn/firn.yml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := config.Load(config.Options{Flags: cmd.Flags()})
			if err != nil {
				return explain(err)
			}
			return explain(serve.Run(cmd.Context(), loaded.Config, serve.Mode{Stderr: cmd.ErrOrStderr()}))
		},
	}
	config.BindFlags(cmd.Flags())
	return cmd
}

func configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check and print the configuration"}
	load := func(cmd *cobra.Command) (*config.Loaded, error) {
		loaded, err := config.Load(config.Options{Flags: cmd.Flags()})
		return loaded, explain(err)
	}
	check := &cobra.Command{
		Use: "check", Short: "Check the configuration and say what is wrong with it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := load(cmd); err != nil {
				return err
			}
			cmd.PrintErrln("the configuration is valid")
			return nil
		},
	}
	var origin bool
	show := &cobra.Command{
		Use: "print", Short: "Print every key with its value; --origin adds where it comes from", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := load(cmd)
			if err != nil {
				return err
			}
			for _, v := range loaded.Values() {
				if origin {
					fmt.Fprintf(cmd.OutOrStdout(), "%-28s %-32v %v\n", v.Key, v.Value, v.Origin)
				} else {
					fmt.Fprintf(cmd.OutOrStdout(), "%-28s %v\n", v.Key, v.Value)
				}
			}
			return nil
		},
	}
	config.BindFlags(check.Flags())
	config.BindFlags(show.Flags())
	show.Flags().BoolVar(&origin, "origin", false, "say where each value comes from")
	cmd.AddCommand(check, show)
	return cmd
}

// explain turns mistakes of the configuration, and a data folder in use, into
// faults of three lines.
func explain(err error) error {
	if err == nil {
		return nil
	}
	problems := config.Problems(err)
	if len(problems) == 0 {
		if busy, ok := errors.AsType[*lifecycle.InUseError](err); ok {
			return &cli.Fault{What: "the data folder is in use", Why: busy.Error(), Help: "use that one, end it, or name another folder with --data", Exit: cli.ExitConflict, Err: err}
		}
		if errors.Is(err, boltstore.ErrDamaged) {
			return &cli.Fault{What: "the catalog store is damaged", Why: err.Error(), Help: "put a backup in its place; the file was left as it is", Exit: cli.ExitFailure, Err: err}
		}
		return &cli.Fault{What: "firn ended", Why: err.Error(), Help: "firn doctor", Exit: cli.ExitFailure, Err: err}
	}
	for _, p := range problems[1:] {
		printProblem(os.Stderr, p)
	}
	first := problems[0]
	return &cli.Fault{What: first.What, Why: first.Why, Help: first.Do, Exit: cli.ExitUsage, Err: err}
}

func printProblem(w io.Writer, p *config.Problem) {
	fmt.Fprintf(w, "error: %s\n  why: %s\n  try: %s\n", p.What, p.Why, p.Do)
}
