package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

func (a *app) modelCommands() []*cobra.Command {
	return []*cobra.Command{a.planCommand(), a.testCommand(), a.applyCommand(), a.runCommand(), a.runsCommand()}
}

// ReadProject reads the model files below a folder, in the order of their paths.
func ReadProject(dir string) ([]*firnv1.ModelFile, error) {
	var files []*firnv1.ModelFile
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); path != dir && strings.HasPrefix(name, ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !slices.Contains([]string{".sql", ".yml", ".yaml"}, filepath.Ext(path)) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files = append(files, &firnv1.ModelFile{Path: filepath.ToSlash(relative), Text: string(text)})
		return nil
	})
	if err != nil {
		return nil, &Fault{What: "read project " + dir, Why: err.Error(), Help: "firn plan DIR   (a folder with firn.yml)", Exit: ExitUsage, Err: err}
	}
	if !slices.ContainsFunc(files, func(f *firnv1.ModelFile) bool { return f.GetPath() == "firn.yml" }) {
		return nil, &Fault{What: "read project " + dir, Why: "there is no firn.yml in it", Help: "firn plan docs/examples/retail", Exit: ExitUsage}
	}
	return files, nil
}

func projectDir(args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	return "."
}

func (a *app) plan(cmd *cobra.Command, dir string) (*firnv1.PlanResponse, []*firnv1.ModelFile, error) {
	files, err := ReadProject(dir)
	if err != nil {
		return nil, nil, err
	}
	answer, err := a.models().Plan(cmd.Context(), connect.NewRequest(&firnv1.PlanRequest{Files: files}))
	if err != nil {
		return nil, nil, a.remote("plan "+dir, err)
	}
	return answer.Msg, files, a.diagnosed(dir, answer.Msg.GetDiagnostics())
}

// diagnosed is nil for a project without a mistake.
func (a *app) diagnosed(dir string, faults []*firnv1.Diagnostic) error {
	if len(faults) == 0 {
		return nil
	}
	for _, d := range faults[1:] {
		fmt.Fprintf(a.err, "%s\n  try: %s\n", place(dir, d), d.GetHelp())
	}
	return &Fault{What: "the project has " + Counted(len(faults), "mistake"), Why: place(dir, faults[0]), Help: faults[0].GetHelp(), Exit: ExitCheckFailed}
}

func place(dir string, d *firnv1.Diagnostic) string {
	return fmt.Sprintf("%s:%d:%d: %s", filepath.Join(dir, d.GetPath()), d.GetLine(), d.GetColumn(), d.GetMessage())
}

func planGrid(models []*firnv1.ModelPlan) (grid, []proto.Message) {
	g := grid{header: []string{"model", "mode", "reads", "change", "pending rows", "kept incrementally because"}, right: []int{4}}
	var items []proto.Message
	for _, m := range models {
		g.rows = append(g.rows, []string{m.GetName(), m.GetMode(), strings.Join(m.GetInputs(), ", "), m.GetChange(), Count(m.GetPendingRows()), m.GetProof()})
		items = append(items, m)
	}
	return g, items
}

func (a *app) planCommand() *cobra.Command {
	return &cobra.Command{
		Use: "plan [DIR]", Short: "Check a project: graph, changes, and the proof that each model can be kept incrementally", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, _, err := a.plan(cmd, projectDir(args))
			if err != nil {
				return err
			}
			g, items := planGrid(plan.GetModels())
			return a.print(plan, g, items...)
		},
	}
}

func (a *app) testCommand() *cobra.Command {
	return &cobra.Command{
		Use: "test [DIR]", Short: "Run the examples in the heads of a project's models", Args: cobra.MaximumNArgs(1),
		Long: "Runs the examples in the heads of a project's models; nothing is stored and no table is read.\nThe exit code is 7 when one does not hold.",
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := projectDir(args)
			files, err := ReadProject(dir)
			if err != nil {
				return err
			}
			answer, err := a.models().Test(cmd.Context(), connect.NewRequest(&firnv1.TestRequest{Files: files}))
			if err != nil {
				return a.remote("test "+dir, err)
			}
			if err := a.diagnosed(dir, answer.Msg.GetDiagnostics()); err != nil {
				return err
			}
			g := grid{header: []string{"result", "model", "test", "detail"}}
			var items []proto.Message
			failed := 0
			for _, r := range answer.Msg.GetResults() {
				mark := "ok"
				if !r.GetPassed() {
					mark, failed = "FAILED", failed+1
				}
				g.rows = append(g.rows, []string{mark, r.GetModel(), r.GetTest(), r.GetDetail()})
				items = append(items, r)
			}
			if err := a.print(answer.Msg, g, items...); err != nil || failed == 0 {
				return err
			}
			return &Fault{What: Counted(failed, "example") + " of " + Count(len(items)) + " failed", Help: "firn test " + dir + " -o json   (what was expected and what came)", Exit: ExitCheckFailed}
		},
	}
}

func (a *app) applyCommand() *cobra.Command {
	var dryRun, rebuild bool
	cmd := &cobra.Command{
		Use: "apply [DIR]", Short: "Store a project's models and create their tables", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, files, err := a.plan(cmd, projectDir(args))
			if err != nil {
				return err
			}
			models := plan.GetModels()
			if !dryRun {
				answer, err := a.models().Apply(cmd.Context(), connect.NewRequest(&firnv1.ApplyRequest{Files: files, Rebuild: rebuild}))
				if err != nil {
					return a.remote("apply "+projectDir(args), err)
				}
				models = answer.Msg.GetModels()
			}
			g, items := planGrid(models)
			return a.print(&firnv1.ApplyResponse{Models: models}, g, items...)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print what would change")
	cmd.Flags().BoolVar(&rebuild, "rebuild", false, "where a change is a rebuild, drop the tables and compute them anew from their sources")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "rebuild")
	return cmd
}

func (a *app) runCommand() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use: "run [MODEL...]", Aliases: []string{"promote"}, Short: "Promote models, and what is upstream of them, once",
		Long: "Promote models, and what is upstream of them, once, in the order of the graph; all models when none is named.\nThe exit code is 0 only when each run succeeded or had nothing to do.",
		RunE: func(cmd *cobra.Command, args []string) error {
			stream, err := a.models().Run(cmd.Context(), connect.NewRequest(&firnv1.RunRequest{Models: args}))
			if err != nil {
				return a.remote("run "+strings.Join(args, " "), err)
			}
			defer stream.Close()
			last := map[string]*firnv1.Run{}
			var order []string
			for stream.Receive() {
				run := stream.Msg().GetRun()
				if last[run.GetId()] == nil {
					order = append(order, run.GetId())
				}
				last[run.GetId()] = run
				if run.GetState() != firnv1.RunState_RUN_STATE_RUNNING && !a.quiet {
					fmt.Fprintf(a.err, "%s: %s\n", run.GetModel(), runState(run))
				}
			}
			if err := stream.Err(); err != nil {
				return a.remote("run "+strings.Join(args, " "), err)
			}
			answer := &firnv1.ListRunsResponse{}
			for _, id := range order {
				answer.Runs = append(answer.Runs, last[id])
			}
			if err := a.printRuns(answer); err != nil {
				return err
			}
			for _, run := range answer.GetRuns() {
				if run.GetState() == firnv1.RunState_RUN_STATE_FAILED {
					return &Fault{What: "run " + run.GetModel(), Why: run.GetError(), Help: "firn runs " + run.GetModel(), Exit: ExitFailure}
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", true, "wait for the end; a run always waits")
	return cmd
}

func runState(run *firnv1.Run) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(run.GetState().String(), "RUN_STATE_")), "_", " ")
}

func (a *app) printRuns(answer *firnv1.ListRunsResponse) error {
	g := grid{header: []string{"run", "model", "state", "read", "published", "superseded", "stale", "quarantined", "dropped", "filtered", "live", "took"}, right: []int{3, 4, 5, 6, 7, 8, 9, 10, 11}}
	var items []proto.Message
	for _, run := range answer.GetRuns() {
		took := "-"
		if run.GetEndedAt() != nil {
			took = run.GetEndedAt().AsTime().Sub(run.GetStartedAt().AsTime()).Round(time.Millisecond).String()
		}
		if run.GetState() == firnv1.RunState_RUN_STATE_UP_TO_DATE {
			// Nothing was read, so nothing was counted.
			g.rows = append(g.rows, append([]string{run.GetId(), run.GetModel(), runState(run)}, slices.Repeat([]string{"-"}, 8)...))
			g.rows[len(g.rows)-1] = append(g.rows[len(g.rows)-1], took)
			items = append(items, run)
			continue
		}
		g.rows = append(g.rows, []string{
			run.GetId(), run.GetModel(), runState(run), Count(run.GetRead()), Count(run.GetRowsWritten()), Count(run.GetSuperseded()), Count(run.GetStale()),
			Count(run.GetQuarantined()), Count(run.GetDropped()), Count(run.GetFiltered()), Count(run.GetLiveAfter()), took,
		})
		items = append(items, run)
	}
	return a.print(answer, g, items...)
}

func (a *app) runsCommand() *cobra.Command {
	var limit uint32
	cmd := &cobra.Command{
		Use: "runs [MODEL]", Short: "List promotions, newest first, with the conservation law's terms", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			request := &firnv1.ListRunsRequest{Limit: limit}
			if len(args) == 1 {
				request.Model = args[0]
			}
			answer, err := a.models().ListRuns(cmd.Context(), connect.NewRequest(request))
			if err != nil {
				return a.remote("list runs", err)
			}
			return a.printRuns(answer.Msg)
		},
	}
	cmd.Flags().Uint32Var(&limit, "limit", 30, "runs at the most")
	return cmd
}
