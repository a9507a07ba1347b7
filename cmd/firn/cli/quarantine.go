package cli

import (
	"fmt"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

func (a *app) quarantineCommands() []*cobra.Command {
	quarantine := &cobra.Command{Use: "quarantine", Short: "Count and show quarantined rows"}
	ls := &cobra.Command{
		Use: "ls [MODEL]", Short: "Count quarantined rows by model and rule", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := a.quarantined(cmd, &firnv1.ListQuarantineRequest{Model: strings.Join(args, ""), Limit: 1})
			if err != nil {
				return err
			}
			g := grid{header: []string{"model", "rule", "rows"}, right: []int{2}}
			var items []proto.Message
			for _, c := range answer.GetCounts() {
				g.rows = append(g.rows, []string{c.GetModel(), c.GetRule(), Count(c.GetRows())})
				items = append(items, c)
			}
			return a.print(answer, g, items...)
		},
	}
	var rule string
	var limit, offset uint32
	show := &cobra.Command{
		Use: "show MODEL", Short: "Show quarantined rows with reasons and payload", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := a.quarantined(cmd, &firnv1.ListQuarantineRequest{Model: args[0], Rule: rule, Limit: limit, Offset: offset})
			if err != nil {
				return err
			}
			if len(answer.GetRows()) == 0 && !a.quiet {
				fmt.Fprintln(a.err, "no quarantined rows of "+args[0]+"; firn quarantine ls counts all there are")
			}
			g := grid{header: []string{"row", "reasons", "contributor", "payload"}}
			var items []proto.Message
			for _, r := range answer.GetRows() {
				g.rows = append(g.rows, []string{r.GetRowId(), strings.Join(r.GetReasons(), ","), r.GetLane(), r.GetPayload()})
				items = append(items, r)
			}
			return a.print(answer, g, items...)
		},
	}
	show.Flags().StringVar(&rule, "rule", "", "only rows that violate this rule")
	show.Flags().Uint32Var(&limit, "limit", 20, "rows at the most")
	show.Flags().Uint32Var(&offset, "offset", 0, "rows to pass over")
	quarantine.AddCommand(ls, show)
	return []*cobra.Command{quarantine}
}

func (a *app) quarantined(cmd *cobra.Command, request *firnv1.ListQuarantineRequest) (*firnv1.ListQuarantineResponse, error) {
	answer, err := a.models().ListQuarantine(cmd.Context(), connect.NewRequest(request))
	if err != nil {
		return nil, a.remote("list quarantine", err)
	}
	return answer.Msg, nil
}
