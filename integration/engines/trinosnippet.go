package engines

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/firnlake/firn/integration/harness"
)

// trinoCommand is the command line of Trino, as setup.sh installs it.
const trinoCommand = "trino-cli-476-executable.jar"

// trinoShim stands for the command `trino` of an installation. Before the first
// statement it has the server started again, as the snippet asks people to.
const trinoShim = `#!/bin/sh
touch restart
while [ ! -e server ]; do sleep 0.1; done
exec java -jar '%s' --server "$(cat server)" "$@"
`

// TrinoScript runs a shell text as a person would, in the folder of an
// installation of Trino with an empty etc/catalog, and answers what it prints.
// The server starts with the catalogs that the text has put there.
func TrinoScript(t testing.TB, text string) string {
	t.Helper()
	for _, name := range jvm {
		end(name)
	}
	tools := filepath.Join(harness.Root(t), ".tools")
	jar := filepath.Join(tools, "trino-cli", trinoCommand)
	if _, err := os.Stat(jar); err != nil {
		t.Fatalf("%v: run `make tools-engines`", err)
	}
	home := t.TempDir()
	catalogs, bin := filepath.Join(home, "etc", "catalog"), filepath.Join(home, "bin")
	for _, folder := range []string{catalogs, bin} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(bin, "trino"), fmt.Appendf(nil, trinoShim, jar), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), Deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", text)
	cmd.Dir = home
	cmd.Env = []string{"PATH=" + bin + ":" + filepath.Join(tools, "java25", "bin") + ":" + os.Getenv("PATH"), "HOME=" + home, "TZ=UTC", "LC_ALL=C.UTF-8"}
	done := make(chan struct{})
	var printed []byte
	var failed error
	go func() {
		defer close(done)
		printed, failed = cmd.CombinedOutput()
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for asked := false; !asked; {
		select {
		case <-done:
			t.Fatalf("the text ends without trino: %v\n%s", failed, printed)
		case <-tick.C:
			_, err := os.Stat(filepath.Join(home, "restart"))
			asked = err == nil
		}
	}
	server, err := launchTrino(t, "catalog.management=static\ncatalog.config-dir="+catalogs+"\n")
	if err != nil {
		t.Fatalf("trino does not start with the catalog of the text: %v", err)
	}
	defer server.stop()
	// Renamed, so that it is never read half written.
	address := filepath.Join(home, "server")
	if err := os.WriteFile(address+".new", []byte(server.base), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(address+".new", address); err != nil {
		t.Fatal(err)
	}
	<-done
	if failed != nil {
		t.Fatalf("%v\n%s\nin: %s", failed, printed, text)
	}
	return string(printed)
}
