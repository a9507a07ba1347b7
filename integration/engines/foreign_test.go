package engines_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// foreign is a table that an engine made, seen by that engine, by Firn, and by
// a computation over its files.
type foreign struct {
	lake        *engines.Lake
	maker, firn *engines.Session
	path        []string
	// byFiles: the computation over the files knows all that is in it.
	byFiles bool
	// at is how the engine reads a snapshot, a branch or a tag; nil when it
	// cannot.
	at func(version string) (engines.Rows, error)
}

// upkeep are the properties that leave the time of maintenance to the test.
const upkeep = "'firn.compact.enabled'='false', 'firn.compact.row-hash'='true', 'firn.orphans.grace'='1ms'"

func (f *foreign) name() string { return strings.Join(f.path, ".") }

// head compares what everybody reads of the table now.
func (f *foreign) head(t *testing.T) engines.Rows {
	t.Helper()
	rows := f.maker.Read(t, f.path...)
	assert.True(t, engines.Same(t, rows, f.firn.Read(t, f.path...)), "Firn, "+f.name())
	if f.byFiles {
		assert.True(t, engines.Same(t, f.lake.Independent(t, f.path...), rows), "by its files, "+f.name())
	}
	return rows
}

type snapshot struct {
	ID      int64             `json:"snapshot-id"`
	Schema  *int              `json:"schema-id"`
	Summary map[string]string `json:"summary"`
}

// metadata of a table, as far as the journeys ask.
type metadata struct {
	Format    int        `json:"format-version"`
	Current   int64      `json:"current-snapshot-id"`
	Schema    int        `json:"current-schema-id"`
	Snapshots []snapshot `json:"snapshots"`
	Refs      map[string]struct {
		ID   int64  `json:"snapshot-id"`
		Type string `json:"type"`
	} `json:"refs"`
}

func (f *foreign) metadata(t *testing.T) metadata {
	t.Helper()
	var m metadata
	require.NoError(t, json.Unmarshal(f.lake.Metadata(t, f.path...), &m))
	return m
}

// history compares every retained snapshot, branch and tag, and answers the
// number of snapshots.
func (f *foreign) history(t *testing.T) int {
	t.Helper()
	refs := f.metadata(t).Refs
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		f.version(t, "'"+name+"'")
	}
	return f.snapshots(t)
}

// snapshots compares every retained snapshot.
func (f *foreign) snapshots(t *testing.T) int {
	t.Helper()
	m := f.metadata(t)
	for _, s := range m.Snapshots {
		want := f.version(t, fmt.Sprint(s.ID))
		if f.byFiles && s.Schema != nil && *s.Schema == m.Schema {
			assert.True(t, engines.Same(t, f.lake.IndependentAt(t, s.ID, f.path...), want), "%s by its files at %d", f.name(), s.ID)
		}
	}
	return len(m.Snapshots)
}

// version compares what the engine and Firn read at one place in history.
func (f *foreign) version(t *testing.T, version string) engines.Rows {
	t.Helper()
	want, err := f.at(version)
	require.NoError(t, err)
	got := f.firn.Query(t, "SELECT * FROM "+f.firn.Table(f.path...)+" AT (VERSION => "+version+")")
	assert.True(t, engines.Same(t, want, got), f.name()+" at "+version)
	return want
}

// set gives the table a property, as a client over REST.
func (f *foreign) set(t *testing.T) func(key, value string) {
	return func(key, value string) {
		commitUpdates(t, f.lake, f.path, map[string]any{"action": "set-properties", "updates": map[string]string{key: value}})
	}
}

// job is what a maintenance job says of itself.
type job struct {
	State      string            `json:"state"`
	Tier       string            `json:"tier"`
	FilesIn    string            `json:"filesIn"`
	FilesOut   string            `json:"filesOut"`
	SnapshotID string            `json:"snapshotId"`
	Error      string            `json:"error"`
	Proof      map[string]string `json:"proof"`
}

// maintain runs a command of maintenance to its end.
func (f *foreign) maintain(t *testing.T, command string) job {
	t.Helper()
	out, err := f.lake.CLI(t.Context(), t, command, f.name(), "--wait", "-o", "json")
	require.NoError(t, err, out)
	var j job
	require.NoError(t, json.Unmarshal([]byte(out), &j), out)
	return j
}

// compacted compacts the table and compares the rows with those before, and
// that no file with deletes is left.
func (f *foreign) compacted(t *testing.T) job {
	t.Helper()
	before, was := f.head(t), f.metadata(t)
	j := f.maintain(t, "compact")
	require.NotEmpty(t, j.Tier, "nothing was done: %v", j.Proof)
	now := f.metadata(t)
	require.NotEqual(t, was.Current, now.Current)
	head := now.Snapshots[slices.IndexFunc(now.Snapshots, func(s snapshot) bool { return s.ID == now.Current })]
	assert.Equal(t, "replace", head.Summary["operation"])
	assert.Equal(t, "0", head.Summary["total-delete-files"], "deletes are folded")
	assert.Equal(t, fmt.Sprint(len(before.Values)), head.Summary["total-records"])
	assert.True(t, engines.Same(t, before, f.head(t)), "after the compaction, "+f.name())
	return j
}

// leftAlone asks for a compaction that cannot be, and wants the reason and the
// table as it was.
func (f *foreign) leftAlone(t *testing.T, words string) {
	t.Helper()
	was := f.metadata(t)
	j := f.maintain(t, "compact")
	assert.Empty(t, j.Tier)
	assert.Contains(t, j.Proof["why_not_more"], words)
	assert.Equal(t, was.Current, f.metadata(t).Current, "the table was left alone")
}

// expired keeps the newest snapshot and those with a name, removes what nothing
// reaches, and compares what is retained. set gives the table a property.
func (f *foreign) expired(t *testing.T, set func(key, value string)) {
	t.Helper()
	before := f.metadata(t)
	rows := f.head(t)
	set("firn.expire.max-snapshots", "1")
	f.maintain(t, "expire")
	after := f.metadata(t)
	assert.Less(t, len(after.Snapshots), len(before.Snapshots))
	assert.LessOrEqual(t, len(after.Snapshots), len(after.Refs))
	assert.Equal(t, before.Refs, after.Refs)
	// The first run marks, the next one deletes.
	f.maintain(t, "orphans")
	j := f.maintain(t, "orphans")
	assert.NotEqual(t, "0", j.FilesIn, "%v", j.Proof)
	assert.True(t, engines.Same(t, rows, f.head(t)), "after the removal, "+f.name())
	assert.Equal(t, len(after.Snapshots), f.snapshots(t))
}

// where compares what the engine and Firn read for conditions: what is pruned
// by bounds and partitions that older schemas and specs left has no part in it.
func (f *foreign) where(t *testing.T, conditions ...string) {
	t.Helper()
	for _, c := range conditions {
		want := f.maker.Query(t, "SELECT * FROM "+f.maker.Table(f.path...)+" WHERE "+c)
		got := f.firn.Query(t, "SELECT * FROM "+f.firn.Table(f.path...)+" WHERE "+c)
		assert.True(t, engines.Same(t, want, got), f.name()+" where "+c)
	}
}

// commitUpdates is the commit of a client over REST.
func commitUpdates(t *testing.T, lake *engines.Lake, path []string, updates ...any) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"requirements": []any{}, "updates": updates})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("%s/v1/namespaces/%s/tables/%s", lake.HTTP, path[0], path[1]), bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode, string(text))
}
