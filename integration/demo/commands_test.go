package demo

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/harness"
)

// answer of one command.
type answer struct {
	out, err string
	code     int
}

// firn runs the command line against the lake, from the root of the repository.
func firn(t *testing.T, base string, args ...string) answer {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), harness.Binary(t), args...)
	cmd.Dir = harness.Root(t)
	cmd.Env = append(os.Environ(), "FIRN_SERVER="+base, "NO_COLOR=1")
	var out, faults strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &faults
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		require.NoError(t, err)
	}
	return answer{out.String(), faults.String(), cmd.ProcessState.ExitCode()}
}

// line is a regular expression for a line of columns; a blank stands for any
// number of them.
func line(columns string) *regexp.Regexp {
	return regexp.MustCompile(`(?m)^` + strings.ReplaceAll(columns, " ", ` +`) + `$`)
}

// commands runs the commands of UX.md and looks at the key facts of what they
// print, and at their exit codes.
func commands(t *testing.T, base string) {
	bad := filepath.Join(t.TempDir(), "bad.yml")
	require.NoError(t, os.WriteFile(bad, []byte("writr:\n  byte_budget: 1GiB\n"), 0o600))
	project := filepath.Join("docs", "examples", "retail")
	for _, c := range []struct {
		args string
		code int
		want []string // lines of stdout, or of stderr when the code is not 0
	}{
		{"ns ls", 0, []string{`NAMESPACE PROPERTIES`, `bronze`, `silver`, `gold`}},
		{"table ls", 0, []string{
			`TABLE HEALTH ROWS FILES DELETES BYTES AVG FILE SNAPSHOTS UPDATED`,
			`bronze\.invoice_lines_raw \d+ 541,909 .*`, `silver\.invoice_lines 100 534,128 .*`, `silver\.invoice_lines__quarantine 100 2,518 .*`,
			`gold\.daily_sales_by_country 100 1,716 .*`, `gold\.customer_value 100 4,371 .*`,
		}},
		{"table ls gold", 0, []string{`gold\.customer_value 100 4,371 .*`}},
		{"table show silver.invoice_lines", 0, []string{
			`format version 2`, `rows 534,128`, `partitioned by invoice_ts_month = month\(invoice_ts\)`,
			`column 6 unit_price decimal\(12, 3\)`, `column 10 amount decimal\(18, 3\)`,
		}},
		{"table health bronze.invoice_lines_raw", 0, []string{`score \d+ of 100`, `skew -\d+ contributor=United Kingdom is hot: .*`}},
		{"table hot bronze.invoice_lines_raw", 0, []string{
			`contributor=United Kingdom hot by size \d+\.\d % of the bytes, \d+ times the median partition`,
			`contributor=United Kingdom group-commit on .*`,
		}},
		{"rebalance bronze.invoice_lines_raw --dry-run", 0, nil},
		{"rebalance bronze.invoice_lines_raw --step sideways", 2, []string{`.*step "sideways": cluster, bucket, coarsen and object-paths can be asked for.*`}},
		{"table files silver.invoice_lines", 0, []string{`data invoice_ts_month=2011-11 83,077 .*\.parquet`}},
		{"table partitions bronze.invoice_lines_raw", 0, []string{`contributor=United Kingdom \d+\.\d% \d+ \d+ 495,478 .*`, `contributor=France .* 8,557 .*`}},
		{"table snapshots silver.invoice_lines", 0, []string{`SNAPSHOT SEQ COMMITTED OPERATION \+ROWS -ROWS FILES REFS`, `\d+ .*\bmain`}},
		{"table connect gold.customer_value", 0, []string{`table = catalog\.load_table\(\("gold", "customer_value",\)\)`}},
		{"table connect gold.customer_value --engine duckdb", 0, []string{`ATTACH .*`}},
		{"plan " + project, 0, []string{
			`silver\.invoice_lines upsert bronze\.invoice_lines_raw unchanged 0 .*`,
			`gold\.customer_value aggregate silver\.invoice_lines unchanged 0 .*`,
		}},
		{"test " + project, 0, []string{`ok silver\.invoice_lines an_exact_repetition_is_published_once`}},
		{"apply " + project, 0, []string{`silver\.invoice_lines upsert .* unchanged 0 .*`}},
		{"apply --dry-run " + project, 0, []string{`silver\.invoice_lines upsert .* unchanged 0 .*`}},
		{"run", 0, []string{`\S+ silver\.invoice_lines up to date - .*`, `\S+ gold\.customer_value up to date - .*`}},
		{"runs silver.invoice_lines --limit 1000", 0, []string{`\S+ silver\.invoice_lines succeeded .* 534,128 .*`}},
		{"compact bronze.invoice_lines_raw --wait", 0, []string{`state succeeded`, `table bronze\.invoice_lines_raw`}},
		{"compact bronze.invoice_lines_raw --dry-run", 0, nil},
		{"policy set bronze firn.compact.growth=5 firn.compact.budget-bytes-per-day=1TiB", 0, nil},
		{"policy show bronze.invoice_lines_raw", 0, []string{
			`firn\.compact\.growth 5 namespace bronze.*`, `firn\.compact\.budget-bytes-per-day 1TiB namespace bronze \S+ .* used`, `firn\.orphans\.grace \S+ (default|configuration).*`,
		}},
		{"compact bronze.invoice_lines_raw --dry-run --as-scheduled", 0, nil},
		{"policy unset bronze firn.compact.growth firn.compact.budget-bytes-per-day", 0, nil},
		{"policy show warehouse", 0, []string{`firn\.compact\.growth 4 default.*`}},
		{"expire silver.invoice_lines", 0, []string{`kind expire`, `state succeeded`}},
		{"orphans silver.invoice_lines", 0, []string{`kind orphans`, `state succeeded`}},
		{"job ls --limit 500", 0, []string{`\S+ compact succeeded bronze\.invoice_lines_raw (fuse|rewrite) \d+ -> \d+ .*`}},
		{"job ls --state failed", 0, nil},
		{"quarantine ls", 0, []string{`silver\.invoice_lines price_positive 2,517`, `silver\.invoice_lines not_an_adjustment 3`}},
		{"quarantine show silver.invoice_lines --rule not_an_adjustment", 0, []string{`299983 price_positive,not_an_adjustment United Kingdom \{.*"InvoiceNo":"A563186".*\}`}},
		{"schedule put nightly --cron 0~2~*~*~* --kind compact --table bronze.invoice_lines_raw", 0, nil},
		{"schedule ls", 0, []string{`nightly 0 2 \* \* \* UTC compact bronze\.invoice_lines_raw - \d{4}-\d\d-\d\dT02:00:00Z always skip once -`}},
		{"schedule put nightly --cron 0~2~*~*~* --table bronze.invoice_lines_raw --time-zone Europe/Berlin --window fri~22:00-06:00 --overlap queue --missed all", 0, nil},
		{"schedule show nightly", 0, []string{`makes compact of bronze\.invoice_lines_raw`, `windows fri 22:00-06:00, else wait`, `next Fri .* 22:00:00 CES?T`}},
		{"schedule pause nightly", 0, nil},
		{"schedule ls", 0, []string{`nightly 0 2 \* \* \* Europe/Berlin compact bronze\.invoice_lines_raw - paused fri 22:00-06:00, else wait queue all -`}},
		{"schedule run nightly", 0, nil},
		{"schedule run nightly --wait", 0, []string{`\S+ compact succeeded bronze\.invoice_lines_raw .* schedule .*`}},
		{"schedule show nightly", 0, []string{`asked for fired, 1 job \S+: asked for`, `paused firn schedule resume nightly`}},
		{"job ls --schedule nightly", 0, []string{`\S+ compact succeeded bronze\.invoice_lines_raw .* schedule .*`}},
		{"schedule resume nightly", 0, nil},
		{"schedule put nightly --cron 0~4~*~*~* --dry-run", 0, []string{`cron 0 4 \* \* \*`, `overlap skip`}},
		{"schedule put nightly --cron 0~4~*~*~* --table bronze.no_such --dry-run", 0, []string{`note it makes no job as long as there is no table of that name`}},
		{"schedule rm nightly", 0, nil},
		{"channel ls", 0, []string{`bronze\.invoice_lines_raw contributor-United-Kingdom \d+ 495,478 .*`, `bronze\.invoice_lines_raw contributor-France \d+ 8,557 .*`}},
		{"version", 0, []string{`firn \S+.* go1\.\d+.* \S+/\S+`}},
		{"doctor --data " + t.TempDir() + " --listen 127.0.0.1:0 --s3-listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0", 0, []string{
			`ok disk .* free at .*, fsync of .*`, `ok duckdb v1\.5\.5 in a worker process, .*`, `ok if-none-match honoured; .*`, `ok multipart .*`,
		}},
		{"config check", 0, nil},

		{"config check --config " + bad, 2, []string{`error: unknown configuration key "writr"`, ` try: did you mean "writer"\?`}},
		{"compact bronze.missing --wait", 3, []string{`error: compact bronze\.missing`, ` why: table not found: bronze\.missing`, ` try: firn table ls`}},
		{"policy set warehouse firn.compact.growth=lots", 2, []string{` why: firn\.compact\.growth = "lots": want a number from 1 to 1e\+09`}},
		{"policy set bronze.invoice_lines_raw firn.hot.columns=nope", 2, []string{`error: set the policy of bronze\.invoice_lines_raw`, ` why: the table has no column "nope"; it has contributor, .*`}},
		{"policy show nothing", 3, []string{`error: show the policy of nothing`}},
		{"table show silver.nothing", 3, []string{` why: table not found: silver\.nothing.*`}},
		{"table show nothing", 2, []string{`error: a table is named NAMESPACE\.TABLE, not nothing`}},
		{"table lss", 2, []string{`error: unknown command lss for firn table`}},
		{"schedule rm nightly", 3, []string{` try: firn schedule ls`}},
		{"schedule put x --cron 61~*~*~*~*", 2, []string{` why: cron .*61.*`, ` try: --cron .*`}},
		{"schedule put x --cron 0~2~30~2~*", 2, []string{` why: cron "0 2 30 2 \*" never fires; .*`, ` try: --cron "0 2 28 \* \*" .*`}},
		{"schedule put x --cron @daily --time-zone Mars", 2, []string{` why: time zone "Mars" is unknown; .*`, ` try: --time-zone Europe/Berlin .*`}},
		{"schedule put x --cron @daily --window 22-06", 2, []string{` why: window "22-06" cannot be read; .*`, ` try: --window .*`}},
		{"schedule put x --cron @daily --overlap stop", 2, []string{`error: unknown policy stop`, ` try: --overlap skip\|queue\|replace`}},
		{"schedule run nightly", 3, []string{` try: firn schedule ls`}},
		{"schedule run nightly --wait", 3, []string{`error: run schedule nightly`, ` try: firn schedule ls`}},
		{"job show nope", 3, []string{` why: no such job: nope`, ` try: firn job ls`}},
		{"run no.such_model", 3, []string{` why: .*known are .*silver\.invoice_lines.*`}},
		{"sql -c SELECT~count(*)~FROM~silver.invoice_line", 3, []string{` why: .*did you mean silver\.invoice_lines\?`}},
		{"sql -c DROP~TABLE~silver.invoice_lines", 2, []string{`error: query`}},
		{"sql --at silver.invoice_lines=123 -c SELECT~count(*)~FROM~silver.invoice_lines", 3, []string{` why: .*no such snapshot: 123.*`}},
		{"table ls -o xml", 2, []string{`error: unknown output format xml`}},
		{"plan " + t.TempDir(), 2, []string{` why: there is no firn\.yml in it`}},
		{"nonsense", 2, []string{`error: unknown command "nonsense" for "firn"`}},
		{"--server 127.0.0.1:1 table ls", 6, []string{` why: no Firn answers at http://127\.0\.0\.1:1`}},
	} {
		args := strings.Fields(c.args)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "~", " ")
		}
		a := firn(t, base, args...)
		if !assert.Equal(t, c.code, a.code, "firn %s\n%s%s", c.args, a.out, a.err) {
			continue
		}
		text := a.out
		if c.code != 0 {
			text = a.err
			assert.Empty(t, a.out, "firn %s: stdout is for data", c.args)
		}
		for _, want := range c.want {
			assert.Regexp(t, line(want), text, "firn %s", c.args)
		}
	}
	formats(t, base)
	oneJob(t, base)
	changedModel(t, base)
}

// formats asks one question in every output format.
func formats(t *testing.T, base string) {
	statement := "SELECT country AS Land, count(*) AS lines, sum(amount) AS gbp, any_value(customer_id) FILTER (WHERE false) AS nobody FROM silver.invoice_lines WHERE country IN ('Germany', 'France') GROUP BY ALL ORDER BY lines DESC"
	for format, want := range map[string]string{
		"table":  "Land      lines          gbp   nobody\nGermany    9478   221509.470     NULL\nFrance     8540   197317.110     NULL\n",
		"csv":    "Land,lines,gbp,nobody\nGermany,9478,221509.470,\nFrance,8540,197317.110,\n",
		"ndjson": `{"Land":"Germany","lines":9478,"gbp":"221509.470","nobody":null}` + "\n" + `{"Land":"France","lines":8540,"gbp":"197317.110","nobody":null}` + "\n",
		"json":   "[\n" + ` {"Land":"Germany","lines":9478,"gbp":"221509.470","nobody":null},` + "\n" + ` {"Land":"France","lines":8540,"gbp":"197317.110","nobody":null}` + "\n]\n",
		"yaml":   "- Land: Germany\n  lines: 9478\n  gbp: \"221509.470\"\n  nobody: null\n- Land: France\n  lines: 8540\n  gbp: \"197317.110\"\n  nobody: null\n",
	} {
		a := firn(t, base, "sql", "-o", format, "-c", statement)
		assert.Zero(t, a.code, a.err)
		assert.Equal(t, want, a.out, format)
		assert.Regexp(t, `^2 rows in \d+ ms\n$`, a.err)
	}
	for jq, want := range map[string]string{".[0].Land": "Germany\n", "map(.lines) | add": "18018\n"} {
		assert.Equal(t, want, firn(t, base, "sql", "--jq", jq, "-c", statement).out)
	}
	assert.Equal(t, "541909\n", firn(t, base, "table", "show", "bronze.invoice_lines_raw", "--jq", ".summary.rows").out)
	for _, format := range []string{"json", "yaml", "ndjson", "csv"} {
		a := firn(t, base, "table", "ls", "-o", format)
		assert.Zero(t, a.code, a.err)
		assert.Contains(t, a.out, "invoice_lines_raw", format)
	}
	a := firn(t, base, "sql", "--explain", "-c", "SELECT count(*) FROM bronze.invoice_lines_raw WHERE contributor = 'France'")
	assert.Regexp(t, line(`bronze\.invoice_lines_raw \d+ 1 37 0 .* 8,557`), a.out)
}

// oneJob follows a job from its submission to its proof.
func oneJob(t *testing.T, base string) {
	queued := firn(t, base, "compact", "silver.invoice_lines", "--detach", "--jq", ".id")
	require.Zero(t, queued.code, queued.err)
	id := strings.TrimSpace(queued.out)
	assert.Contains(t, queued.err, "firn job watch "+id)
	assert.Zero(t, firn(t, base, "job", "watch", id).code)
	shown := firn(t, base, "job", "show", id)
	assert.Regexp(t, line("job "+id), shown.out)
	assert.Regexp(t, line("state succeeded"), shown.out)
	// One that did something names its proof.
	done := firn(t, base, "job", "ls", "--limit", "1000", "--jq", `[.jobs[] | select(.kind == "JOB_KIND_COMPACT" and .filesIn != "0")][0].id`)
	shown = firn(t, base, "job", "show", strings.TrimSpace(done.out))
	assert.Regexp(t, line(`files \d+ -> \d+`), shown.out)
	assert.Regexp(t, line(`rows [\d,]+ -> [\d,]+`), shown.out)
}

// changedModel takes a copy of the project, makes mistakes in it, and looks at
// what plan, test and apply say of them. Nothing of it is stored.
func changedModel(t *testing.T, base string) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(harness.Root(t), "docs", "examples", "retail"))))
	model := filepath.Join(dir, "silver", "invoice_lines.sql")
	original, err := os.ReadFile(model)
	require.NoError(t, err)
	change := func(old, replacement string) {
		require.Contains(t, string(original), old)
		require.NoError(t, os.WriteFile(model, []byte(strings.Replace(string(original), old, replacement, 1)), 0o600))
	}
	change(`amount: "90.000"`, `amount: "91.000"`)
	a := firn(t, base, "test", dir)
	assert.Equal(t, 7, a.code, a.err)
	assert.Regexp(t, `(?m)^FAILED +silver\.invoice_lines +an_exact_repetition_is_published_once +missing: .*$`, a.out)
	assert.Contains(t, a.err, "error: 1 example of 5 failed")

	change("InvoiceNo                                            AS invoice_no", "InvoiceNr AS invoice_no")
	a = firn(t, base, "plan", dir)
	assert.Equal(t, 7, a.code, a.err)
	assert.Regexp(t, `why: .*silver/invoice_lines\.sql:\d+:\d+: .*InvoiceNr`, a.err)

	change("Country                                              AS country", "upper(Country) AS country")
	a = firn(t, base, "plan", dir)
	assert.Regexp(t, line(`silver\.invoice_lines upsert bronze\.invoice_lines_raw rebuild .*`), a.out)
	a = firn(t, base, "apply", dir)
	assert.Equal(t, 5, a.code, "a rebuild has to be asked for: %s", a.err)
	assert.Contains(t, a.err, "--rebuild")
}

// timeTravel reads silver at each of its snapshots through `firn sql --at`: the
// rows are those that the snapshot counts, and a compaction changes nothing.
func timeTravel(t *testing.T, base string) {
	var listed struct {
		Snapshots []struct {
			SnapshotID  string `json:"snapshotId"`
			ParentID    string `json:"parentId"`
			Operation   string `json:"operation"`
			CommittedAt string `json:"committedAt"`
			Summary     map[string]string
		}
	}
	a := firn(t, base, "table", "snapshots", "silver.invoice_lines", "-o", "json", "--limit", "1000")
	require.Zero(t, a.code, a.err)
	require.NoError(t, json.Unmarshal([]byte(a.out), &listed))
	require.GreaterOrEqual(t, len(listed.Snapshots), 3)
	at := func(pin string) string {
		a := firn(t, base, "sql", "-q", "-o", "csv", "--at", "silver.invoice_lines="+pin, "-c", "SELECT count(*) AS n, sum(amount) AS gbp, count(DISTINCT invoice_no) AS invoices FROM silver.invoice_lines")
		require.Zero(t, a.code, a.err)
		_, row, _ := strings.Cut(strings.TrimSpace(a.out), "\n")
		return row
	}
	head := at("main")
	assert.True(t, strings.HasPrefix(head, strconv.Itoa(published)+",9737069.014,"), head)
	read, replaced, last := map[string]string{}, 0, rows
	for _, s := range listed.Snapshots {
		row := at(s.SnapshotID)
		read[s.SnapshotID] = row
		n, _, _ := strings.Cut(row, ",")
		assert.Equal(t, s.Summary["total-records"], n, "rows of snapshot %s", s.SnapshotID)
		count, err := strconv.Atoi(n)
		require.NoError(t, err)
		assert.LessOrEqual(t, count, last, "silver only grew")
		last = count
		assert.Equal(t, row, at(s.CommittedAt), "by time")
	}
	for _, s := range listed.Snapshots {
		if parent, kept := read[s.ParentID]; kept && s.Operation == "replace" {
			replaced++
			assert.Equal(t, parent, read[s.SnapshotID], "a compaction keeps every row")
		}
	}
	assert.Positive(t, replaced)
}
