package cli

import (
	"fmt"
	"strconv"
	"strings"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// policyCommand is what holds for maintenance, and who says so.
func (a *app) policyCommand() *cobra.Command {
	policy := &cobra.Command{Use: "policy", Short: "Show and set what maintenance goes by: of a table, a namespace or the warehouse"}
	var namespace bool
	policy.PersistentFlags().BoolVarP(&namespace, "namespace", "n", false, "the name is a namespace's (default: a table's if it has one)")
	const args = " TABLE|NAMESPACE|warehouse"
	show := &cobra.Command{
		Use: "show" + args, Short: "Show what holds, and who says so", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			answer, _, err := a.policyOf(cmd, names[0], namespace)
			if err != nil {
				return err
			}
			used := map[string]*firnv1.PolicyLimit{}
			for _, l := range answer.GetLimits() {
				used[l.GetKey()+l.GetOrigin()] = l
			}
			g := grid{header: []string{"property", "value", "origin", "note"}}
			var items []proto.Message
			for _, s := range answer.GetSettings() {
				g.rows = append(g.rows, []string{s.GetKey(), s.GetValue(), s.GetOrigin(), policyNote(s, used[s.GetKey()+s.GetOrigin()])})
				items = append(items, s)
			}
			return a.print(answer, g, items...)
		},
	}
	set := &cobra.Command{
		Use: "set" + args + " KEY=VALUE...", Short: "Set properties of one level", Args: cobra.MinimumNArgs(2),
		Example: `firn policy set warehouse firn.compact.windows="22:00-06:00 in Europe/Berlin"
firn policy set sales firn.compact.budget-bytes-per-hour=10GiB`,
		RunE: func(cmd *cobra.Command, args []string) error {
			values := map[string]string{}
			for _, pair := range args[1:] {
				k, v, ok := strings.Cut(pair, "=")
				if !ok || k == "" {
					return usage("a property is KEY=VALUE, not "+strconv.Quote(pair), "firn policy show "+args[0])
				}
				values[k] = v
			}
			return a.setPolicy(cmd, args[0], namespace, &firnv1.SetPolicyRequest{Set: values})
		},
	}
	unset := &cobra.Command{
		Use: "unset" + args + " KEY...", Short: "Remove properties of one level: the next one holds", Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.setPolicy(cmd, args[0], namespace, &firnv1.SetPolicyRequest{Unset: args[1:]})
		},
	}
	policy.AddCommand(show, set, unset)
	return policy
}

// policyNote says what is wrong with a setting, or how much of a limit is used.
func policyNote(s *firnv1.PolicySetting, l *firnv1.PolicyLimit) string {
	switch {
	case s.GetProblem() != "":
		return "cannot be read: " + s.GetProblem()
	case l == nil:
		return ""
	}
	used := Count(l.GetUsed())
	if strings.Contains(l.GetKey(), "bytes") {
		used = Bytes(l.GetUsed())
	}
	note := used + " used"
	if l.GetFrees() != nil {
		note += ", frees at " + l.GetFrees().AsTime().Format("15:04:05 UTC")
	}
	return note
}

// policyOf asks for the policy of what a name says: a table, else a namespace.
func (a *app) policyOf(cmd *cobra.Command, name string, namespace bool) (*firnv1.GetPolicyResponse, *firnv1.TableRef, error) {
	ref := &firnv1.TableRef{}
	levels := strings.Split(name, ".")
	switch {
	case namespace || len(levels) == 1 && name != "warehouse":
		ref.Namespace = levels
	case name == "warehouse":
	default:
		ref.Namespace, ref.Name = levels[:len(levels)-1], levels[len(levels)-1]
	}
	answer, err := a.jobs().GetPolicy(cmd.Context(), connect.NewRequest(&firnv1.GetPolicyRequest{Of: ref}))
	if connect.CodeOf(err) == connect.CodeNotFound && ref.GetName() != "" {
		below := &firnv1.TableRef{Namespace: levels}
		if answer, err := a.jobs().GetPolicy(cmd.Context(), connect.NewRequest(&firnv1.GetPolicyRequest{Of: below})); err == nil {
			return answer.Msg, below, nil
		}
	}
	if err != nil {
		return nil, nil, a.remote("show the policy of "+name, err)
	}
	return answer.Msg, ref, nil
}

func (a *app) setPolicy(cmd *cobra.Command, name string, namespace bool, request *firnv1.SetPolicyRequest) error {
	_, ref, err := a.policyOf(cmd, name, namespace)
	if err != nil {
		return err
	}
	request.Of = ref
	answer, err := a.jobs().SetPolicy(cmd.Context(), connect.NewRequest(request))
	if err != nil {
		return a.remote("set the policy of "+name, err)
	}
	for _, s := range answer.Msg.GetSettings() {
		cmd.PrintErrln(fmt.Sprintf("%s = %s (%s)", s.GetKey(), s.GetValue(), s.GetOrigin()))
	}
	return nil
}
