package badinput

import (
	"strings"
	"testing"

	"github.com/firnlake/firn/integration/harness"
)

// TestAbsentRole calls services whose role the process does not have: the
// error names the role, on the wire and on the command line, and everything
// that the process does have works.
func TestAbsentRole(t *testing.T) {
	roles := "gateway,catalog"
	if harness.Store() != "embedded" {
		roles = "catalog" // the gateway serves this disk, and only without another store
	}
	s := &server{harness.Start(t, t.TempDir(), "--role", roles)}
	s.must(t, "CatalogService/CreateNamespace", `{"namespace":{"levels":["bronze"]}}`)
	for method, role := range map[string]string{
		"IngestService/Append": "writer", "MaintenanceService/ListJobs": "compactor", "ModelService/Plan": "compactor", "QueryService/Query": "query",
	} {
		got := s.call(t, method, `{}`)
		if got.Code != "unimplemented" || !strings.Contains(got.Message, "does not have the role "+role) || !strings.Contains(got.Message, "add "+role) {
			t.Errorf("%s: %s", method, got)
		}
	}
	fails(t, run(t, nil, "--server", s.HTTP, "job", "ls"), 6, "role compactor", "add compactor")
	fails(t, run(t, nil, "--server", s.HTTP, "sql", "-c", "SELECT 1"), 6, "role query", "add query")
	if got := run(t, nil, "--server", s.HTTP, "ns", "ls"); got.code != 0 || !strings.Contains(got.stdout, "bronze") {
		t.Errorf("firn ns ls: %+v", got)
	}
}
