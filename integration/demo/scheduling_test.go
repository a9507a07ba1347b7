package demo

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/harness"
)

// blocks finds the fenced blocks of a language.
func blocks(text, language string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// scheduling runs what docs/scheduling.md tells a reader to run.
func scheduling(t *testing.T, base string) {
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "docs", "scheduling.md"))
	require.NoError(t, err)
	environment := []string{"FIRN_SERVER=" + base, "HOME=" + t.TempDir(), "PATH=" + filepath.Dir(harness.Binary(t)) + ":" + os.Getenv("PATH")}
	shell := func(line string) (stdout, stderr string, code int) {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
		cmd.Env, cmd.Dir = environment, t.TempDir()
		var out, faults strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &faults
		err := cmd.Run()
		if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
			require.NoError(t, err)
		}
		return out.String(), faults.String(), cmd.ProcessState.ExitCode()
	}
	commands := 0
	for _, block := range blocks(string(text), "sh") {
		for line := range strings.Lines(block) {
			command, comment, _ := strings.Cut(line, "#")
			if strings.TrimSpace(command) == "" {
				continue
			}
			commands++
			out, faults, code := shell(command)
			want := 0
			switch comment = strings.TrimSpace(comment); comment {
			case "exit 2":
				want = 2
			case "exit 3":
				want = 3
			case "JOB_STATE_SUCCEEDED", "FIRING_OUTCOME_FIRED", "100", "0":
				assert.Equal(t, comment, strings.TrimSpace(out), command)
			}
			assert.Equal(t, want, code, "%s\n%s%s", command, out, faults)
			if strings.Contains(command, "--quiet") {
				assert.Empty(t, faults, command)
			}
		}
	}
	assert.Equal(t, 28, commands)

	cronJob := blocks(string(text), "yaml")
	require.Len(t, cronJob, 1)
	args := regexp.MustCompile(`args: \[(.*)\]`).FindAllStringSubmatch(string(text), -1)
	require.Len(t, args, 2)
	for _, m := range args {
		out, faults, code := shell("firn " + strings.ReplaceAll(m[1], ",", ""))
		assert.Zero(t, code, "%s\n%s%s", m[1], out, faults)
	}
	assert.Contains(t, cronJob[0], "values: [2, 3, 4, 7]")

	airflow(t, blocks(string(text), "python"), environment)
}

// airflow runs the function of the DAG with stand-ins for Airflow's own names:
// each exit code becomes the exception that its class needs.
func airflow(t *testing.T, python, environment []string) {
	require.Len(t, python, 1)
	program := `
import os, sys, types
class AirflowException(Exception): pass
class AirflowFailException(AirflowException): pass
def dag(**kwargs): return lambda f: lambda: None
for name in ("airflow", "airflow.exceptions", "airflow.sdk", "pendulum"): sys.modules[name] = types.ModuleType(name)
sys.modules["airflow.exceptions"].__dict__.update(AirflowException=AirflowException, AirflowFailException=AirflowFailException)
sys.modules["airflow.sdk"].__dict__.update(dag=dag, task=lambda f: f)
sys.modules["pendulum"].datetime = lambda *args, **kwargs: None
` + python[0] + `
ENVIRONMENT = dict(os.environ)
def outcome(*args):
    try:
        firn(*args)
    except AirflowException as e:
        return type(e).__name__
    return "done"
got = [outcome("run", "--wait"), outcome("compact", "silver.invoice_lines", "--wait"), outcome("compact", "bronze.no_such_table", "--wait"), outcome("compact", "nonsense")]
ENVIRONMENT["FIRN_SERVER"] = "127.0.0.1:1"
got.append(outcome("run", "--wait"))
print(*got, file=sys.stderr)
`
	cmd := exec.CommandContext(t.Context(), harness.Python(t), "-c", program)
	cmd.Env = environment
	var faults strings.Builder
	cmd.Stderr = &faults
	require.NoError(t, cmd.Run(), faults.String())
	assert.Equal(t, "done done AirflowFailException AirflowFailException AirflowException\n", faults.String())
}
