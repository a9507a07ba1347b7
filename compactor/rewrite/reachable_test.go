package rewrite

import (
	"errors"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/objstore"
)

// TestUnreachableSince: of a table that lives a file must be seen twice; of one that
// was dropped the drop counts, and for what was written later the writing.
func TestUnreachableSince(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	q := quarantine{Since: map[string]time.Time{"seen": ago(time.Hour)}}
	for _, c := range []struct {
		key               string
		modified, dropped time.Time
		since             time.Time
		known             bool
	}{
		{"new", ago(9 * time.Hour), time.Time{}, now, false},
		{"seen", ago(9 * time.Hour), time.Time{}, ago(time.Hour), true},
		{"new", ago(9 * time.Hour), ago(2 * time.Hour), ago(2 * time.Hour), true},
		{"new", ago(time.Minute), ago(2 * time.Hour), ago(time.Minute), true},
	} {
		since, known := sweep{dropped: c.dropped}.since(objstore.Info{Key: c.key, Modified: c.modified}, q, now)
		if !since.Equal(c.since) || known != c.known {
			t.Errorf("%+v: %s, %t", c, since, known)
		}
	}
}

// A mark that finds fewer files than the snapshot's own summary counts is
// planted here: removal must stop, and must not for what adds up.
func TestBreakerTurnsRed(t *testing.T) {
	manifests := []iceberg.ManifestFile{
		iceberg.NewManifestFile(2, "a", 1, 0, 1).AddedFiles(3).ExistingFiles(4).DeletedFiles(9).Build(),
		iceberg.NewManifestFile(2, "b", 1, 0, 1).ExistingFiles(1).Build(),
		iceberg.NewManifestFile(2, "c", 1, 0, 1).Content(iceberg.ManifestContentDeletes).AddedFiles(2).Build(),
	}
	for _, test := range []struct {
		name    string
		summary map[string]string
		stops   bool
	}{
		{"adds up", map[string]string{"total-data-files": "8", "total-delete-files": "2"}, false},
		{"nothing is said", map[string]string{}, false},
		{"more found than counted", map[string]string{"total-data-files": "7"}, false},
		{"a data file is missing", map[string]string{"total-data-files": "9", "total-delete-files": "2"}, true},
		{"a delete file is missing", map[string]string{"total-data-files": "8", "total-delete-files": "3", catalog.SummaryCommitID: "x"}, true},
		{"of a group, a delete file is missing", map[string]string{"total-delete-files": "3", catalog.SummaryCommits: "2"}, true},
		{"an engine counts delete files that are gone", map[string]string{"total-data-files": "8", "total-delete-files": "3"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := table.Snapshot{SnapshotID: 7, Summary: &table.Summary{Properties: test.summary}}
			if err := listed(s, manifests); errors.Is(err, ErrBreaker) != test.stops {
				t.Errorf("got %v, want stopped: %t", err, test.stops)
			}
		})
	}
	if n, known := live(manifests[0]); n != 7 || !known {
		t.Errorf("live files of a manifest: %d, %t", n, known)
	}
}
