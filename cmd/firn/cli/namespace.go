package cli

import (
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

func (a *app) namespaceCommands() []*cobra.Command {
	ns := &cobra.Command{Use: "ns", Aliases: []string{"namespace"}, Short: "List, create and drop namespaces"}
	ns.AddCommand(
		&cobra.Command{
			Use: "ls", Short: "List namespaces", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				answer, err := a.catalog().ListNamespaces(cmd.Context(), connect.NewRequest(&firnv1.ListNamespacesRequest{Recursive: true}))
				if err != nil {
					return a.remote("list namespaces", err)
				}
				g := grid{header: []string{"namespace", "properties"}}
				var items []proto.Message
				for _, n := range answer.Msg.GetNamespaces() {
					g.rows = append(g.rows, []string{strings.Join(n.GetLevels(), "."), joinMap(n.GetProperties())})
					items = append(items, n)
				}
				return a.print(answer.Msg, g, items...)
			},
		},
		&cobra.Command{
			Use: "create NAMESPACE", Short: "Create a namespace", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				_, err := a.catalog().CreateNamespace(cmd.Context(), connect.NewRequest(&firnv1.CreateNamespaceRequest{
					Namespace: &firnv1.Namespace{Levels: strings.Split(args[0], ".")},
				}))
				if err != nil {
					return a.remote("create namespace "+args[0], err)
				}
				cmd.PrintErrln("created " + args[0])
				return nil
			},
		},
		&cobra.Command{
			Use: "drop NAMESPACE", Short: "Drop an empty namespace", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				_, err := a.catalog().DropNamespace(cmd.Context(), connect.NewRequest(&firnv1.DropNamespaceRequest{Levels: strings.Split(args[0], ".")}))
				if err != nil {
					return a.remote("drop namespace "+args[0], err)
				}
				cmd.PrintErrln("dropped " + args[0])
				return nil
			},
		},
	)
	return []*cobra.Command{ns}
}
