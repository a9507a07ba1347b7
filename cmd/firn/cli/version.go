package cli

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/firnlake/firn/internal/telemetry"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print version, commit and platform", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			build := telemetry.BuildInfo()
			if a.format == "table" && a.jq == "" {
				_, err := fmt.Fprintln(a.out, "firn "+build.String())
				return err
			}
			data, err := json.Marshal(build)
			if err != nil {
				return err
			}
			msg := new(structpb.Struct)
			if err := protojson.Unmarshal(data, msg); err != nil {
				return err
			}
			return a.print(msg, grid{
				header: []string{"version", "commit", "modified", "go", "platform"},
				rows:   [][]string{{build.Version, build.Commit, strconv.FormatBool(build.Modified), build.Go, build.Platform}},
			})
		},
	}
}
