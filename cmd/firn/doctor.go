package main

import (
	"github.com/spf13/cobra"

	"github.com/firnlake/firn/cmd/firn/cli"
	"github.com/firnlake/firn/cmd/firn/doctor"
	"github.com/firnlake/firn/internal/config"
)

func doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "doctor", Short: "Probe what commits rely on: object store, disk, DuckDB workers, ports, clock", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defaults := devDefaults()
			loaded, err := config.Load(config.Options{Flags: cmd.Flags(), Defaults: &defaults})
			if err != nil {
				return explain(err)
			}
			if !doctor.Run(cmd.Context(), loaded.Config, cmd.OutOrStdout()) {
				return &cli.Fault{What: "a probe failed", Why: "see the lines marked FAILED above", Help: "firn config print --origin", Exit: cli.ExitCheckFailed}
			}
			return nil
		},
	}
	config.BindFlags(cmd.Flags())
	return cmd
}
