// Package cli is Firn's command line: each command is a call of the same public
// services that the page uses. Data goes to stdout, progress and messages to
// stderr; an error says what, why and what helps, and sets the exit code.
package cli

import (
	"cmp"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// app is what the commands of one invocation share.
type app struct {
	out, err io.Writer
	server   string
	format   string
	jq       string
	quiet    bool
	http     *http.Client
}

// Commands answers all commands that talk to a running Firn, and adds their
// shared flags to root.
func Commands(root *cobra.Command) []*cobra.Command {
	a := &app{http: &http.Client{Transport: &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 64,
	}}}
	flags := root.PersistentFlags()
	flags.StringVar(&a.server, "server", "", "address of Firn (default: $FIRN_SERVER, then what `firn dev` wrote to ./.firn/run.json, then http://127.0.0.1:8181)")
	flags.StringVarP(&a.format, "output", "o", "table", "how to print data: "+strings.Join(formats, ", "))
	flags.StringVar(&a.jq, "jq", "", "filter the JSON answer with a jq expression")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "no progress on stderr")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		a.out, a.err = cmd.OutOrStdout(), cmd.ErrOrStderr()
		if !slices.Contains(formats, a.format) {
			return usage("unknown output format "+a.format, "-o "+strings.Join(formats, "|"))
		}
		a.server = normalize(cmp.Or(a.server, os.Getenv("FIRN_SERVER"), running(".firn"), "127.0.0.1:8181"))
		return nil
	}
	return slices.Concat(
		a.namespaceCommands(), a.tableCommands(), a.ingestCommands(), a.modelCommands(),
		a.maintenanceCommands(), a.jobCommands(), a.quarantineCommands(), a.sqlCommands(), []*cobra.Command{a.versionCommand()},
	)
}

// running reads the address that a `firn dev` in this folder serves.
func running(dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, "run.json"))
	if err != nil {
		return ""
	}
	var run struct {
		HTTP string `json:"http"`
	}
	if json.Unmarshal(data, &run) != nil {
		return ""
	}
	return run.HTTP
}

func normalize(server string) string {
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	return strings.TrimRight(server, "/")
}

// terminal says whether progress can be drawn on stderr.
func (a *app) terminal() bool {
	f, ok := a.err.(*os.File)
	return ok && !a.quiet && term.IsTerminal(int(f.Fd()))
}

func (a *app) catalog() firnv1connect.CatalogServiceClient {
	return firnv1connect.NewCatalogServiceClient(a.http, a.server)
}

func (a *app) jobs() firnv1connect.MaintenanceServiceClient {
	return firnv1connect.NewMaintenanceServiceClient(a.http, a.server)
}

func (a *app) models() firnv1connect.ModelServiceClient {
	return firnv1connect.NewModelServiceClient(a.http, a.server)
}

func (a *app) query() firnv1connect.QueryServiceClient {
	return firnv1connect.NewQueryServiceClient(a.http, a.server)
}

func (a *app) ingest() firnv1connect.IngestServiceClient {
	return firnv1connect.NewIngestServiceClient(a.http, a.server, connect.WithSendGzip())
}

// parseTable reads `ns.table`, or `a.b.table`.
func parseTable(s string) (*firnv1.TableRef, error) {
	parts := strings.Split(s, ".")
	if len(parts) < 2 || slices.Contains(parts, "") {
		return nil, usage("a table is named NAMESPACE.TABLE, not "+s, "firn table ls")
	}
	return &firnv1.TableRef{Namespace: parts[:len(parts)-1], Name: parts[len(parts)-1]}, nil
}

// TableName writes a table as `ns.table`.
func TableName(t *firnv1.TableRef) string {
	if t == nil {
		return ""
	}
	return strings.Join(append(slices.Clone(t.GetNamespace()), t.GetName()), ".")
}
