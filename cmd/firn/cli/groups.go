package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// StrictGroups makes a command that only holds other commands, as `firn table`,
// refuse a word it does not know; cobra would print the help and answer 0,
// which a script takes for success.
func StrictGroups(root *cobra.Command) {
	for _, group := range root.Commands() {
		if !group.HasSubCommands() || group.Runnable() {
			continue
		}
		group.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			what := "unknown command " + args[0] + " for " + cmd.CommandPath()
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				return usage(what, cmd.CommandPath()+" "+near[0])
			}
			var names []string
			for _, c := range cmd.Commands() {
				names = append(names, c.Name())
			}
			return usage(what, cmd.CommandPath()+" "+strings.Join(names, "|"))
		}
		group.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		StrictGroups(group)
	}
}
