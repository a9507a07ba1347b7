package engines

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firnlake/firn/integration/harness"
)

// spark is Spark with Iceberg's runtime: one session, local, two threads.
type spark struct{ *driver }

func startSpark(t testing.TB) (engine, error) {
	t.Helper()
	tools := filepath.Join(harness.Root(t), ".tools")
	d, err := startDriver(t, filepath.Join(tools, "spark-venv", "bin", "python"), "spark.py",
		[]string{"JAVA_HOME=" + filepath.Join(tools, "java17"), "SPARK_LOCAL_IP=127.0.0.1"},
		filepath.Join(tools, "spark-jars"), ".")
	if err != nil {
		return nil, err
	}
	return &spark{d}, nil
}

// attach types nothing but the address: store, region and keys come with each
// table.
func (s *spark) attach(ctx context.Context, catalog string, l *Lake, settings map[string]string) error {
	// Without its cache: what another engine commits is seen at once.
	properties := with(map[string]string{"type": "rest", "uri": l.HTTP, "warehouse": l.Warehouse, "cache-enabled": "false"}, settings)
	_, err := s.ask(ctx, "attach", map[string]any{"catalog": catalog, "properties": properties})
	return err
}

func (s *spark) table(catalog string, namespace []string, name string) string {
	return s.namespace(catalog, append(append([]string{}, namespace...), name))
}

func (s *spark) namespace(catalog string, levels []string) string {
	quoted := []string{catalog}
	for _, level := range levels {
		quoted = append(quoted, "`"+strings.ReplaceAll(level, "`", "``")+"`")
	}
	return strings.Join(quoted, ".")
}

func (s *spark) read(ctx context.Context, catalog string, namespace []string, name string) (Rows, error) {
	return s.query(ctx, "SELECT * FROM "+s.table(catalog, namespace, name))
}
