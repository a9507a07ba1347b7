package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

func (a *app) scheduleCommand() *cobra.Command {
	schedule := &cobra.Command{Use: "schedule", Short: "Make, show, pause and run durable schedules"}
	schedule.AddCommand(
		a.scheduleList(),
		a.oneSchedule("show", "Show a schedule, when it fires next and what became of its last firings", "", func(ctx context.Context, name string) (*firnv1.Schedule, error) {
			answer, err := a.jobs().GetSchedule(ctx, connect.NewRequest(&firnv1.GetScheduleRequest{Name: name}))
			if err != nil {
				return nil, err
			}
			return answer.Msg.GetSchedule(), nil
		}),
		a.schedulePut(),
		a.oneSchedule("pause", "Stop a schedule from firing; what waits is skipped", "paused", func(ctx context.Context, name string) (*firnv1.Schedule, error) {
			answer, err := a.jobs().PauseSchedule(ctx, connect.NewRequest(&firnv1.PauseScheduleRequest{Name: name}))
			if err != nil {
				return nil, err
			}
			return answer.Msg.GetSchedule(), nil
		}),
		a.oneSchedule("resume", "Let a schedule fire again; what was due meanwhile is skipped", "resumed", func(ctx context.Context, name string) (*firnv1.Schedule, error) {
			answer, err := a.jobs().ResumeSchedule(ctx, connect.NewRequest(&firnv1.ResumeScheduleRequest{Name: name}))
			if err != nil {
				return nil, err
			}
			return answer.Msg.GetSchedule(), nil
		}),
		a.scheduleRun(),
		&cobra.Command{
			Use: "rm NAME", Short: "Remove a schedule; jobs that it made stay", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				if _, err := a.jobs().DeleteSchedule(cmd.Context(), connect.NewRequest(&firnv1.DeleteScheduleRequest{Name: args[0]})); err != nil {
					return a.remote("remove schedule "+args[0], err)
				}
				cmd.PrintErrln("removed " + args[0])
				return nil
			},
		},
	)
	return schedule
}

func (a *app) scheduleList() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "List schedules", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := a.jobs().ListSchedules(cmd.Context(), connect.NewRequest(&firnv1.ListSchedulesRequest{}))
			if err != nil {
				return a.remote("list schedules", err)
			}
			g := grid{header: []string{"name", "cron", "zone", "kind", "on", "last", "next", "windows", "overlap", "missed", "latest"}}
			var items []proto.Message
			for _, s := range answer.Msg.GetSchedules() {
				latest := "-"
				if f := s.GetFirings(); len(f) > 0 {
					latest = firingText(f[0])
				}
				if s.GetBroken() != "" && !a.quiet {
					cmd.PrintErrln(brokenText(s))
				}
				if s.GetBroken() != "" && s.GetCron() == "" { // its record cannot be read
					g.rows = append(g.rows, []string{s.GetName(), "-", "-", "-", "-", "-", nextText(s), "-", "-", "-", "-"})
					items = append(items, s)
					continue
				}
				g.rows = append(g.rows, []string{
					s.GetName(), s.GetCron(), cmp.Or(s.GetTimeZone(), "UTC"), kindName(s.GetKind()), scheduleOn(s), ago(s.GetLastFired()), nextText(s),
					windowsText(s), policyName(s.GetOverlap()), policyName(s.GetMissed()), latest,
				})
				items = append(items, s)
			}
			return a.print(answer.Msg, g, items...)
		},
	}
}

// brokenText says why a schedule cannot fire, and what to do.
func brokenText(s *firnv1.Schedule) string {
	return fmt.Sprintf("schedule %s is broken and does not fire: %s; %s", s.GetName(), s.GetBroken(), mendText(s))
}

func mendText(s *firnv1.Schedule) string {
	return fmt.Sprintf("put it again: firn schedule put %s ..., or remove it: firn schedule rm %s", s.GetName(), s.GetName())
}

func scheduleOn(s *firnv1.Schedule) string {
	switch t := s.GetTable(); {
	case s.GetModel() != "":
		return s.GetModel()
	case t != nil && t.GetName() == "":
		return strings.Join(t.GetNamespace(), ".") + ".*"
	default:
		return cmp.Or(TableName(t), "all tables")
	}
}

func nextText(s *firnv1.Schedule) string {
	switch {
	case s.GetBroken() != "":
		return "broken"
	case s.GetPaused():
		return "paused"
	case s.GetNextFire() == nil:
		return "-"
	}
	return s.GetNextFire().AsTime().Format(time.RFC3339)
}

func windowsText(s *firnv1.Schedule) string {
	if len(s.GetWindows()) == 0 {
		return "always"
	}
	return strings.Join(s.GetWindows(), "; ") + ", else " + policyName(s.GetOutside())
}

// policyName is the last word of an enum value: skip of OVERLAP_POLICY_SKIP.
func policyName(e fmt.Stringer) string {
	text := strings.ToLower(e.String())
	return text[strings.LastIndexByte(text, '_')+1:]
}

// firingText says in a few words what became of a due time.
func firingText(f *firnv1.Firing) string {
	outcome := policyName(f.GetOutcome())
	switch {
	case f.GetCount() > 1:
		outcome += fmt.Sprintf(" %s due times", Count(f.GetCount()))
	case f.GetJobsMade() > 0:
		outcome += ", " + Counted(int64(f.GetJobsMade()), "job")
	}
	return outcome
}

func (a *app) oneSchedule(use, short, done string, call func(context.Context, string) (*firnv1.Schedule, error)) *cobra.Command {
	return &cobra.Command{
		Use: use + " NAME", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := call(cmd.Context(), args[0])
			if err != nil {
				return a.remote(use+" schedule "+args[0], err)
			}
			if done != "" && a.format == "table" && a.jq == "" {
				if s.GetPaused() {
					cmd.PrintErrln(done + " " + args[0] + "; to let it fire again: firn schedule resume " + args[0])
				} else {
					cmd.PrintErrln(done + " " + args[0] + "; next firing " + nextInZone(s))
				}
				return nil
			}
			return a.printSchedule(s, "")
		},
	}
}

// inZone answers how a time reads on a clock in the schedule's zone.
func inZone(s *firnv1.Schedule, t *timestamppb.Timestamp) string {
	zone, err := time.LoadLocation(s.GetTimeZone())
	if err != nil {
		zone = time.UTC // the server knows a zone that this machine does not
	}
	return t.AsTime().In(zone).Format("Mon 2006-01-02 15:04:05 MST")
}

func nextInZone(s *firnv1.Schedule) string {
	if s.GetNextFire() == nil || s.GetPaused() || s.GetBroken() != "" {
		return nextText(s)
	}
	return inZone(s, s.GetNextFire())
}

// printSchedule prints one; note is what the service had to say about it.
func (a *app) printSchedule(s *firnv1.Schedule, note string) error {
	local := func(t *timestamppb.Timestamp) string { return inZone(s, t) }
	g := grid{header: []string{"field", "value"}}
	add := func(field, value string) {
		if value != "" {
			g.rows = append(g.rows, []string{field, value})
		}
	}
	add("schedule", s.GetName())
	if s.GetBroken() != "" {
		add("broken", s.GetBroken())
		add("to do", mendText(s))
		if s.GetCron() == "" { // its record cannot be read
			return a.print(s, g)
		}
	}
	add("cron", s.GetCron())
	add("time zone", cmp.Or(s.GetTimeZone(), "UTC"))
	add("makes", kindName(s.GetKind())+" of "+scheduleOn(s))
	add("note", note)
	add("windows", windowsText(s))
	add("overlap", policyName(s.GetOverlap()))
	add("missed", policyName(s.GetMissed()))
	if s.GetPaused() {
		add("paused", "firn schedule resume "+s.GetName())
	}
	for i, t := range s.GetUpcoming() {
		if i == 0 {
			add("next", local(t))
			continue
		}
		add("then", local(t))
	}
	for _, w := range s.GetWaiting() {
		due := "asked for"
		if w.GetDue() != nil {
			due = "due " + local(w.GetDue())
		}
		add("waits", due+", for "+map[string]string{
			"window": "its window", "overlap": "the jobs of an earlier firing", "replace": "the jobs of an earlier firing to stop", "missed": "its turn",
		}[w.GetWaitsFor()])
	}
	for _, f := range s.GetFirings() {
		due := "asked for"
		if f.GetDue() != nil {
			due = local(f.GetDue())
		}
		if f.GetCount() > 1 {
			due += " to " + local(f.GetUntil())
		}
		text := firingText(f)
		if len(f.GetJobs()) > 0 {
			text += " " + f.GetJobs()[0]
			if f.GetJobsMade() > 1 {
				text += " ..."
			}
		}
		if f.GetLeftOut() > 0 {
			text += fmt.Sprintf(", %s left out as a job is active", Counted(int64(f.GetLeftOut()), "table"))
		}
		if f.GetReason() != "" {
			text += ": " + f.GetReason()
		}
		add(due, text)
	}
	return a.print(s, g)
}

func (a *app) schedulePut() *cobra.Command {
	var cron, zone, kind, table, namespace, model, outside, overlap, missed string
	var windows []string
	var dryRun bool
	put := &cobra.Command{
		Use: "put NAME", Short: "Create or change a schedule", Args: cobra.ExactArgs(1),
		Long: `Create or change a schedule. The same again changes nothing; a change begins anew, and what was due
before is not fired. Times are those of a clock in the time zone: one that the clocks leave out fires at
the next moment there is, one that they show twice fires once.`,
		Example: `  firn schedule put nightly --cron "0 2 * * *" --time-zone Europe/Berlin --kind compact --table bronze.events
  firn schedule put tidy --cron "*/30 * * * *" --window "mon-fri 22:00-06:00" --window "sat,sun 00:00-24:00" --overlap queue --missed all`,
		RunE: func(cmd *cobra.Command, args []string) error {
			value, ok := firnv1.JobKind_value["JOB_KIND_"+strings.ToUpper(kind)]
			if !ok || value == 0 {
				return usage("unknown kind "+kind, "--kind compact|rebalance|expire|manifests|orphans|promote")
			}
			s := &firnv1.Schedule{Name: args[0], Cron: cron, TimeZone: zone, Kind: firnv1.JobKind(value), Model: model, Windows: windows}
			for _, p := range []struct {
				flag, prefix, value string
				names               map[string]int32
				set                 func(int32)
			}{
				{"outside", "OUTSIDE_POLICY_", outside, firnv1.OutsidePolicy_value, func(v int32) { s.Outside = firnv1.OutsidePolicy(v) }},
				{"overlap", "OVERLAP_POLICY_", overlap, firnv1.OverlapPolicy_value, func(v int32) { s.Overlap = firnv1.OverlapPolicy(v) }},
				{"missed", "MISSED_POLICY_", missed, firnv1.MissedPolicy_value, func(v int32) { s.Missed = firnv1.MissedPolicy(v) }},
			} {
				v, ok := p.names[p.prefix+strings.ToUpper(p.value)]
				if !ok || v == 0 {
					return usage("unknown policy "+p.value, "--"+p.flag+" "+policyChoices(p.prefix, p.names))
				}
				p.set(v)
			}
			switch {
			case table != "" && namespace != "":
				return usage("--table and --namespace cannot stand together", "--table NAMESPACE.TABLE, or --namespace NAMESPACE for all of its tables")
			case table != "":
				ref, err := parseTable(table)
				if err != nil {
					return err
				}
				s.Table = ref
			case namespace != "":
				s.Table = &firnv1.TableRef{Namespace: strings.Split(namespace, ".")}
			}
			answer, err := a.jobs().PutSchedule(cmd.Context(), connect.NewRequest(&firnv1.PutScheduleRequest{Schedule: s, DryRun: dryRun}))
			if err != nil {
				return a.remote("put schedule "+args[0], err)
			}
			if s := answer.Msg.GetSchedule(); a.format == "table" && a.jq == "" && !dryRun {
				cmd.PrintErrln("next firing " + nextInZone(s))
				if note := answer.Msg.GetNote(); note != "" {
					cmd.PrintErrln("note: " + note)
				}
				return nil
			}
			return a.printSchedule(answer.Msg.GetSchedule(), answer.Msg.GetNote())
		},
	}
	put.Flags().StringVar(&cron, "cron", "", "five fields, or six with seconds; @hourly, @daily, @every 90m")
	put.Flags().StringVar(&zone, "time-zone", "", "IANA name (default UTC)")
	put.Flags().StringVar(&kind, "kind", "compact", "compact|rebalance|expire|manifests|orphans|promote")
	put.Flags().StringVar(&table, "table", "", "one table (default: all)")
	put.Flags().StringVar(&namespace, "namespace", "", "all tables of a namespace")
	put.Flags().StringVar(&model, "model", "", "model, for --kind promote")
	put.Flags().StringArrayVar(&windows, "window", nil, `when it may fire, as "22:00-06:00" or "mon-fri 22:00-06:00"; again for more (default: always)`)
	put.Flags().StringVar(&outside, "outside", "wait", "what is due outside the windows: wait (for the next opening)|skip")
	put.Flags().StringVar(&overlap, "overlap", "skip", "what is due while jobs of an earlier firing are active: skip|queue (one waits)|replace (cancel them)")
	put.Flags().StringVar(&missed, "missed", "once", "what was due while nothing ran: once (one firing for all)|skip|all (the latest 100)")
	put.Flags().BoolVar(&dryRun, "dry-run", false, "only check it, and print when it would fire")
	_ = put.MarkFlagRequired("cron")
	return put
}

// policyChoices lists the names of an enum as a flag takes them, in their order.
func policyChoices(prefix string, names map[string]int32) string {
	out := make([]string, len(names)-1)
	for name, v := range names {
		if v > 0 {
			out[v-1] = strings.ToLower(strings.TrimPrefix(name, prefix))
		}
	}
	return strings.Join(out, "|")
}

func (a *app) scheduleRun() *cobra.Command {
	var request string
	var wait bool
	run := &cobra.Command{
		Use: "run NAME", Short: "Fire a schedule now, whatever its clock, windows and a pause say", Args: cobra.ExactArgs(1),
		Long: `Fire a schedule now, whatever its clock, windows and a pause say; its overlap policy holds, and where
that skips the firing the exit code is 5. With --wait the command waits for the firing, when that has to
wait for the jobs of an earlier one, and then for all jobs it made; the exit code is 0 only when each
succeeded.`,
		Example: `  firn schedule run nightly
  firn schedule run nightly --wait`,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, request := args[0], cmp.Or(request, uuid.NewString())
			answer, err := a.jobs().RunSchedule(cmd.Context(), connect.NewRequest(&firnv1.RunScheduleRequest{Name: name, RequestId: request}))
			if err != nil {
				return a.remote("run schedule "+name, err)
			}
			f := answer.Msg.GetFiring()
			if wait {
				return a.awaitFiring(cmd, name, request, f)
			}
			outcome := "waits"
			if f != nil {
				outcome = policyName(f.GetOutcome())
			}
			if err := skipFault(name, f); err != nil {
				return err
			}
			g := grid{header: []string{"outcome", "made", "jobs"}, rows: [][]string{{outcome, Count(f.GetJobsMade()), strings.Join(f.GetJobs(), " ")}}, right: []int{1}}
			if err := a.print(answer.Msg, g); err != nil || a.quiet {
				return err
			}
			if f == nil {
				cmd.PrintErrln("it waits for the jobs of an earlier firing; follow it with: firn schedule show " + name)
			} else {
				cmd.PrintErrln("follow a job with: firn job watch JOB")
			}
			return nil
		},
	}
	run.Flags().StringVar(&request, "request-id", "", "makes a repeated call the same one (default: a fresh id)")
	run.Flags().BoolVar(&wait, "wait", false, "wait for the firing and for the jobs it makes; the exit code is theirs")
	return run
}
