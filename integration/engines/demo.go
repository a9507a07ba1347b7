package engines

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/firnlake/firn/integration/harness"
)

// demo is the folder of the demo's lake, made once for a process.
var demo string

// DemoTables are the tables of the demo.
func DemoTables() [][]string {
	return [][]string{
		{"bronze", "invoice_lines_raw"},
		{"silver", "invoice_lines"},
		{"silver", "invoice_lines__quarantine"},
		{"gold", "daily_sales_by_country"},
		{"gold", "customer_value"},
	}
}

// DemoLake is the lake that `firn demo` leaves behind: 541,909 rows from bronze
// to gold, fused and rewritten. Each call opens a copy of its own.
func DemoLake(t testing.TB, flags ...string) *Lake {
	t.Helper()
	if demo == "" {
		folder, err := scratch("demo")
		if err != nil {
			t.Fatal(err)
		}
		args := []string{"demo", "--exit", "--quiet", "--data", folder, "--listen", "127.0.0.1:0"}
		if Store() == "minio" {
			args = append(args, "--s3", "minio")
		} else {
			for _, flag := range []string{"--s3-listen", "--metrics-listen"} {
				args = append(args, "--server-flag", flag+"=127.0.0.1:0")
			}
		}
		cmd := exec.CommandContext(t.Context(), harness.Binary(t), args...)
		cmd.Dir, cmd.Env = harness.Root(t), harness.Environ()
		if out, err := cmd.CombinedOutput(); err != nil {
			os.RemoveAll(folder)
			t.Fatalf("firn demo: %v\n%s", err, out)
		}
		demo = folder
	}
	data := filepath.Join(t.TempDir(), "lake")
	if err := os.CopyFS(data, os.DirFS(demo)); err != nil {
		t.Fatalf("copy the demo's lake: %v", err)
	}
	return OpenLake(t, data, flags...)
}
