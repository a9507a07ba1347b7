package engines

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/firnlake/firn/integration/harness"
)

// spark is Spark with Iceberg's runtime: one session, local, two threads.
type spark struct {
	*driver
	jars string
}

func startSpark(t testing.TB) (engine, error) {
	t.Helper()
	tools := filepath.Join(harness.Root(t), ".tools")
	jars := filepath.Join(tools, "spark-jars")
	d, err := startDriver(t, filepath.Join(tools, "spark-venv", "bin", "python"), "spark.py",
		[]string{"JAVA_HOME=" + filepath.Join(tools, "java17"), "SPARK_LOCAL_IP=127.0.0.1"},
		jars, ".")
	if err != nil {
		return nil, err
	}
	return &spark{driver: d, jars: jars}, nil
}

// script has a repository of the jars that are installed here, where Spark looks
// first for the packages that a program names: the network is not asked.
func (s *spark) script(ctx context.Context, program string) (string, error) {
	if err := s.packages(); err != nil {
		return "", err
	}
	return s.driver.script(ctx, program)
}

// packages lays the jars out as Maven does, under the home of the driver.
func (s *spark) packages() error {
	jars, err := filepath.Glob(filepath.Join(s.jars, "*.jar"))
	if err != nil {
		return err
	}
	for _, jar := range jars {
		name := strings.TrimSuffix(filepath.Base(jar), ".jar")
		at := strings.LastIndex(name, "-")
		artifact, version := name[:at], name[at+1:]
		if !strings.HasPrefix(artifact, "iceberg-") {
			continue
		}
		folder := filepath.Join(s.folder, ".m2", "repository", "org", "apache", "iceberg", artifact, version)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		pom := fmt.Sprintf("<project><modelVersion>4.0.0</modelVersion><groupId>org.apache.iceberg</groupId><artifactId>%s</artifactId><version>%s</version></project>", artifact, version)
		if err := os.WriteFile(filepath.Join(folder, name+".pom"), []byte(pom), 0o644); err != nil {
			return err
		}
		if err := os.Symlink(jar, filepath.Join(folder, name+".jar")); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
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
