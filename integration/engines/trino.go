package engines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/firnlake/firn/integration/harness"
)

// trinoVersion is what setup.sh installs; the server is told its own version.
const trinoVersion = "483"

// trino is a Trino server of one node on loopback, from plain jars.
type trino struct {
	trinoClient
	cmd    *exec.Cmd
	folder string
	ended  chan struct{}
}

const trinoConfig = `coordinator=true
node-scheduler.include-coordinator=true
http-server.http.port=%s
discovery.uri=%s
query.max-memory=400MB
query.max-memory-per-node=400MB
memory.heap-headroom-per-node=256MB
task.concurrency=2
task.max-worker-threads=4
%s`

// dynamic is the server of the journeys, whose catalogs are made by statements.
const dynamic = "catalog.management=dynamic\ncatalog.store=memory\n"

var trinoJVM = []string{
	"-Xmx1G", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError",
	"-Djdk.attach.allowAttachSelf=true", "--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED",
	"--add-modules=jdk.incubator.vector", "-Duser.timezone=UTC", "-Dfile.encoding=UTF-8",
}

// Roomy, set before Trino starts, is for benchmarks: memory for gigabytes, and
// the compiler that servers use. Journeys want a fast start.
var Roomy bool

func startTrino(t testing.TB) (engine, error) {
	t.Helper()
	s, err := launchTrino(t, dynamic)
	if err != nil { // no engine that is nil inside
		return nil, err
	}
	return s, nil
}

// launchTrino starts a server; catalogs are the lines of its configuration that
// say where catalogs come from.
func launchTrino(t testing.TB, catalogs string) (*trino, error) {
	t.Helper()
	tools := filepath.Join(harness.Root(t), ".tools")
	home := filepath.Join(tools, "trino")
	address := harness.FreeAddress(t)
	_, port, _ := cutLast(address, ":")
	folder, err := scratch("trino")
	if err != nil {
		return nil, err
	}
	s := &trino{trinoClient: trinoClient{base: "http://" + address}, folder: folder, ended: make(chan struct{})}
	config := filepath.Join(folder, "config.properties")
	settings, args := fmt.Sprintf(trinoConfig, port, s.base, catalogs), slices.Clone(trinoJVM)
	if Roomy {
		settings = strings.ReplaceAll(settings, "=400MB", "=2GB")
		args = append(args, "-Xmx4G", "-XX:TieredStopAtLevel=4")
	}
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	args = append(args, "-Dnode.environment=test", "-Dnode.id=firn", "-Dnode.data-dir="+filepath.Join(folder, "data"),
		"-Dnode.internal-address=127.0.0.1", "-Dnode.bind-ip=127.0.0.1", "-Dconfig="+config,
		"-Dplugin.dir="+filepath.Join(home, "plugin"), "-cp", filepath.Join(home, "classes")+":"+filepath.Join(home, "lib", "*"),
		"FirnTrino", trinoVersion)
	s.cmd = exec.Command(filepath.Join(tools, "java25", "bin", "java"), args...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = folder, log, log
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder, "TZ=UTC", "LC_ALL=C.UTF-8", "AWS_EC2_METADATA_DISABLED=true"}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		os.RemoveAll(folder)
		return nil, fmt.Errorf("%w: run `make tools-engines`", err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	if err := s.ready(); err != nil {
		err = fmt.Errorf("%w\n%s", err, s.tail())
		s.stop()
		return nil, err
	}
	return s, nil
}

// ready waits until the server says that it has started.
func (s *trino) ready() error {
	deadline := time.After(3 * time.Minute)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.ended:
			return errors.New("trino ended before it was ready")
		case <-deadline:
			return errors.New("trino is not ready after three minutes")
		case <-tick.C:
		}
		answer, err := http.Get(s.base + "/v1/info")
		if err != nil {
			continue
		}
		var info struct {
			Starting    bool                     `json:"starting"`
			NodeVersion struct{ Version string } `json:"nodeVersion"`
		}
		err = json.NewDecoder(answer.Body).Decode(&info)
		answer.Body.Close()
		if err == nil && !info.Starting && info.NodeVersion.Version == trinoVersion {
			return nil
		}
	}
}

func (s *trino) tail() string {
	text, err := os.ReadFile(filepath.Join(s.folder, "log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}

func (s *trino) version() string { return trinoVersion }

func (s *trino) alive() bool { return !ended(s.ended) }

// attach types the store's address, because Trino takes neither it, nor the
// path style, nor the region from the catalog; the keys come with each table.
// Trino then refuses the procedure register_table: journeys that need it attach
// with [TypedKeys].
func (s *trino) attach(ctx context.Context, catalog string, l *Lake, settings map[string]string) error {
	properties := with(map[string]string{
		"iceberg.catalog.type":                            "rest",
		"iceberg.rest-catalog.uri":                        l.HTTP,
		"iceberg.rest-catalog.warehouse":                  l.Warehouse,
		"iceberg.rest-catalog.nested-namespace-enabled":   "true",
		"iceberg.rest-catalog.vended-credentials-enabled": "true",
		"iceberg.allowed-extra-properties":                "*", // else Firn's properties of a table cannot be set
		"iceberg.expire-snapshots.min-retention":          "0s",
		"iceberg.remove-orphan-files.min-retention":       "0s",
		"fs.s3.enabled":                                   "true",
		"s3.endpoint":                                     l.S3Endpoint,
		"s3.region":                                       l.Region,
		"s3.path-style-access":                            "true",
	}, settings)
	var list []string
	for key, value := range properties {
		list = append(list, quoted(key)+" = "+literal(value))
	}
	return s.exec(ctx, "CREATE CATALOG "+catalog+" USING iceberg WITH ("+strings.Join(list, ", ")+")")
}

// TypedKeys are the settings of Trino for a catalog with keys typed by hand and
// every procedure enabled.
func TypedKeys(l *Lake) map[string]string {
	return map[string]string{
		"iceberg.rest-catalog.vended-credentials-enabled": "",
		"iceberg.add-files-procedure.enabled":             "true",
		"iceberg.register-table-procedure.enabled":        "true",
		"s3.aws-access-key":                               l.AccessKey,
		"s3.aws-secret-key":                               l.SecretKey,
	}
}

func (s *trino) exec(ctx context.Context, statement string) error {
	_, err := s.query(ctx, statement)
	return err
}

func (s *trino) table(catalog string, namespace []string, name string) string {
	return s.namespace(catalog, namespace) + "." + quoted(name)
}

// namespace has one level, with dots inside.
func (s *trino) namespace(catalog string, levels []string) string {
	return catalog + "." + quoted(strings.Join(levels, "."))
}

func (s *trino) read(ctx context.Context, catalog string, namespace []string, name string) (Rows, error) {
	return s.query(ctx, "SELECT * FROM "+s.table(catalog, namespace, name))
}

func (s *trino) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.ended
	}
	os.RemoveAll(s.folder)
}
