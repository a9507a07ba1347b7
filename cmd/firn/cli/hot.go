package cli

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// rebalance cools hot partitions.
func (a *app) rebalance() *cobra.Command {
	var dryRun, detach bool
	var step string
	var values []string
	cmd := tableCommand("rebalance", "Cool hot partitions: what is ready, or one step of the ladder", func(cmd *cobra.Command, name string, ref *firnv1.TableRef) error {
		if dryRun {
			return a.dryRun(cmd, name, &firnv1.PlanJobsRequest{Table: ref, Kind: firnv1.JobKind_JOB_KIND_REBALANCE})
		}
		request := &firnv1.SubmitJobRequest{Table: ref, Kind: firnv1.JobKind_JOB_KIND_REBALANCE, Step: step}
		for _, v := range values {
			field := &firnv1.PartitionField{}
			if name, value, ok := strings.Cut(v, "="); ok {
				field.Name, field.Value = name, &value
			} else {
				field.Name = v
			}
			request.Partition = append(request.Partition, field)
		}
		return a.submit(cmd, name, request, detach)
	})
	cmd.Long = cmd.Short + `.

Without --step it does what "firn table hot" shows as ready. With it, that step is
done in the hottest partition, or in the one named with --partition:
  cluster       lay rows out by the columns that scans select by
  bucket        add a bucket field to the partition spec, and move the partition's files
  coarsen       make a field of the partition spec coarser, and move all files
  object-paths  give new objects hashed prefixes`
	cmd.Example = `firn rebalance silver.orders --dry-run
firn rebalance silver.orders --step bucket --partition country=France`
	waitFlags(cmd, &dryRun, &detach)
	cmd.Flags().StringVar(&step, "step", "", "one of the ladder: cluster, bucket, coarsen or object-paths")
	cmd.Flags().StringArrayVar(&values, "partition", nil, "the partition by field=value, once for each field; field alone is NULL")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "step")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "partition")
	return cmd
}

func (a *app) tableHot() *cobra.Command {
	return tableCommand("hot", "Show hot partitions: by what, what is done, and what it brought", func(cmd *cobra.Command, name string, ref *firnv1.TableRef) error {
		answer, err := a.jobs().GetHotPartitions(cmd.Context(), connect.NewRequest(&firnv1.GetHotPartitionsRequest{Table: ref}))
		if err != nil {
			return a.remote("hot partitions of "+name, err)
		}
		hot := answer.Msg
		g := grid{header: []string{"partition", "what", "state", "numbers"}}
		var items []proto.Message
		for _, p := range hot.GetHot() {
			where := cmp.Or(partition(p.GetPartition()), "(unpartitioned)")
			for _, s := range p.GetSignals() {
				g.rows = append(g.rows, []string{where, "hot by " + s.GetCode(), "", s.GetMessage()})
			}
			for _, r := range p.GetLadder() {
				if r.GetStep() == hot.GetCoarsen().GetStep() {
					continue // of the table: below
				}
				g.rows = append(g.rows, []string{where, r.GetStep(), r.GetState(), r.GetReason()})
			}
			items = append(items, p)
		}
		if c := hot.GetCoarsen(); c.GetState() != "idle" {
			g.rows = append(g.rows, []string{"all", c.GetStep(), c.GetState(), c.GetReason()})
		}
		for _, f := range hot.GetFixes() {
			g.rows = append(g.rows, []string{cmp.Or(partition(f.GetPartition()), "all"), "did " + f.GetStep(), ago(f.GetAt()), fixNumbers(f)})
			items = append(items, f)
		}
		cmd.PrintErrf("%s partitions, the largest %.1f times the median one, Gini %.2f\n", Count(hot.GetPartitions()), hot.GetSkew(), hot.GetGini())
		if len(g.rows) == 0 && a.format == "table" && a.jq == "" {
			cmd.PrintErrln("none of them is hot")
			return nil
		}
		return a.print(hot, g, items...)
	})
}

// fixNumbers is a proof record in a line.
func fixNumbers(f *firnv1.HotFix) string {
	b, n := f.GetBefore(), f.GetAfter()
	if n == nil {
		return f.GetText() + "; not measured yet"
	}
	text := f.GetText()
	if b.GetCommits() > 0 && n.GetCommits() > 0 {
		text += fmt.Sprintf("; commits took %s instead of %s (p50)", n.GetCommitP50().AsDuration().Round(time.Millisecond/10), b.GetCommitP50().AsDuration().Round(time.Millisecond/10))
	}
	if b.GetSkew() != n.GetSkew() {
		text += fmt.Sprintf("; skew %.1f instead of %.1f", n.GetSkew(), b.GetSkew())
	}
	return text
}
