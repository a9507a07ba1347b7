package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func load(t *testing.T, yaml string, environ []string, args ...string) (*Loaded, error) {
	t.Helper()
	o := Options{Environ: environ, Flags: pflag.NewFlagSet("firn", pflag.ContinueOnError)}
	if environ == nil {
		o.Environ = []string{}
	}
	BindFlags(o.Flags)
	if err := o.Flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	if yaml != "" {
		o.File = filepath.Join(t.TempDir(), "firn.yaml")
		if err := os.WriteFile(o.File, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(o)
}

func TestDefaultsAreValid(t *testing.T) {
	l, err := load(t, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	if l.Writer != want.Writer || l.HTTP != want.HTTP || len(l.Roles) != len(AllRoles()) || l.Query != want.Query {
		t.Fatalf("%+v", l.Config)
	}
	if !filepath.IsAbs(l.Data) {
		t.Fatalf("data %q is not absolute", l.Data)
	}
}

func TestLaterLayersWin(t *testing.T) {
	yaml := `
# a comment
writer: { byte_budget: 100MiB, commit_wait: 100ms }
query:
  timeout: 10s
  workers: 3
roles: [catalog, gateway]
cache:
log: {level: debug}
`
	env := []string{"FIRN_WRITER__BYTE_BUDGET=200MiB", "FIRN_QUERY__WORKERS=5", "HOME=/x", "FIRN_DUCK_WORKER=1", "FIRN_PORT=tcp://10.0.0.1:8181"}
	l, err := load(t, yaml, env, "--query.workers=7", "--listen=:0", "--insecure", "--data", "/d")
	if err != nil {
		t.Fatal(err)
	}
	if l.Writer.CommitWait != 100*time.Millisecond || l.Writer.ByteBudget != 200*MiB || l.Query.Workers != 7 ||
		l.Query.Timeout != 10*time.Second || l.Log.Level != "debug" || l.Data != "/d" || !l.Insecure ||
		l.HTTP.Listen != "127.0.0.1:0" || !l.Has(RoleCatalog) || l.Has(RoleWriter) {
		t.Fatalf("%+v", l.Config)
	}
	for key, want := range map[string]string{
		"writer.commit_wait":  l.File + ":3",
		"query.timeout":       l.File + ":5",
		"writer.byte_budget":  "environment FIRN_WRITER__BYTE_BUDGET",
		"query.workers":       "flag --query.workers",
		"http.listen":         "flag --listen",
		"writer.max_request":  "default",
		"compactor.schedules": "default",
	} {
		if got := l.Origin(key).String(); got != want {
			t.Errorf("origin of %s: %q, want %q", key, got, want)
		}
	}
}

func TestFileFromFlagAndEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(path, []byte("warehouse: w1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := load(t, "", []string{"FIRN_CONFIG=" + path})
	if err != nil || l.Warehouse != "w1" {
		t.Fatalf("%v %v", l, err)
	}
	l, err = load(t, "", []string{"FIRN_CONFIG=/does/not/exist"}, "--config", path)
	if err != nil || l.Warehouse != "w1" {
		t.Fatalf("%v %v", l, err)
	}
	if _, err = load(t, "", nil, "--config", "/does/not/exist"); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Fatal(err)
	}
}

func TestMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		yaml string
		env  []string
		args []string
		want []string // all must be in the error
	}{
		"unknown key":           {yaml: "writer:\n  byte_bugdet: 1GiB\n", want: []string{`unknown configuration key "writer.byte_bugdet"`, `firn.yaml:2`, `did you mean "writer.byte_budget"?`}},
		"unknown section":       {yaml: "wrtier: {byte_budget: 1GiB}\n", want: []string{`did you mean "writer"?`}},
		"key without section":   {yaml: "bucket: x\n", want: []string{`did you mean "s3.bucket"?`}},
		"unknown variable":      {env: []string{"FIRN_WRITER_BYTE_BUDGET=1"}, want: []string{"FIRN_WRITER_BYTE_BUDGET", `did you mean "FIRN_WRITER__BYTE_BUDGET"?`}},
		"value for a section":   {yaml: "writer: 5\n", want: []string{`"writer" is not a section`}},
		"list for a section":    {yaml: "[a, b]\n", want: []string{"is not a section"}},
		"key given twice":       {yaml: "data: a\ndata: b\n", want: []string{"not valid YAML", "already defined"}},
		"broken yaml":           {yaml: "data: [a\n", want: []string{"not valid YAML"}},
		"size":                  {yaml: "writer: {byte_budget: 12 parsecs}\n", want: []string{"writer.byte_budget is not valid", "for example 512MiB", "firn.yaml:1"}},
		"duration without unit": {yaml: "writer: {commit_wait: 5}\n", want: []string{"5 has no unit", "500ms"}},
		"duration":              {env: []string{"FIRN_QUERY__TIMEOUT=soon"}, want: []string{`"soon" is not a duration`, "environment FIRN_QUERY__TIMEOUT"}},
		"number":                {args: []string{"--query.workers", "many"}, want: []string{`"many" is not a whole number`, "flag --query.workers"}},
		"bool":                  {yaml: "insecure: perhaps\n", want: []string{`"perhaps" is neither true nor false`}},
		"text that is a number": {yaml: "s3: {access_key: 0123}\n", want: []string{"put it in quotes"}},
		"role":                  {args: []string{"--role", "catalog,compacter"}, want: []string{`no role "compacter"`, `did you mean "compactor"?`}},
		"no role":               {yaml: "roles: []\n", want: []string{"no role is given"}},
		"no object store":       {args: []string{"--role", "catalog"}, want: []string{"no object store is configured", "s3.endpoint"}},
		"two object stores":     {args: []string{"--role", "catalog,gateway", "--s3.endpoint", "x:1"}, want: []string{"exclude each other"}},
		"beyond loopback":       {args: []string{"--listen", "0.0.0.0:8181"}, want: []string{"can be reached from other machines", "no authentication", "--insecure"}},
		"beyond loopback, name": {args: []string{"--s3-listen", "example.com:80"}, want: []string{"gateway.listen"}},
		"beyond loopback, v6":   {args: []string{"--metrics-listen", "[::]:80"}, want: []string{"metrics.listen"}},
		"address":               {args: []string{"--listen", "8181"}, want: []string{"is not an address"}},
		"port":                  {args: []string{"--listen", "127.0.0.1:99999"}, want: []string{"is not an address"}},
		"same address":          {args: []string{"--listen", "127.0.0.1:7070"}, want: []string{"http.listen and gateway.listen are both 127.0.0.1:7070"}},
		"too long a wait":       {args: []string{"--writer.commit-wait", "2s"}, want: []string{"between 0s and 500ms"}},
		"request beyond budget": {args: []string{"--writer.max-request", "1GiB"}, want: []string{"larger than writer.byte_budget"}},
		"bucket":                {args: []string{"--s3.bucket", "My_Bucket"}, want: []string{"is not a bucket name"}},
		"warehouse":             {args: []string{"--warehouse", "../x"}, want: []string{"is not a name"}},
		"half an account":       {args: []string{"--s3.secret-key", ""}, want: []string{"belong together"}},
		"schedule, unknown key": {yaml: "compactor: {schedules: [{name: a, corn: '0 2 * * *'}]}\n", want: []string{"corn"}},
		"schedule, cron":        {yaml: "compactor: {schedules: [{name: a, cron: often, kind: compact}]}\n", want: []string{`cron "often"`}},
		"schedule, zone":        {yaml: "compactor: {schedules: [{name: a, cron: '@daily', kind: compact, time_zone: Mars}]}\n", want: []string{`time_zone "Mars"`}},
		"schedule, kind":        {yaml: "compactor: {schedules: [{name: a, cron: '@daily', kind: squash}]}\n", want: []string{`kind "squash"`}},
		"schedule, twice":       {yaml: "compactor: {schedules: [{name: a, cron: '@daily', kind: compact}, {name: a, cron: '@daily', kind: expire}]}\n", want: []string{"given twice"}},
		"log level":             {args: []string{"--log.level", "loud"}, want: []string{"log.level"}},
		"several at once":       {yaml: "a_b: 1\nquery: {workers: x}\n", env: []string{"FIRN_NOPE=1"}, want: []string{"a_b", "query.workers", "FIRN_NOPE"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, c.yaml, c.env, c.args...)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q:\n%v", want, err)
				}
			}
			for _, p := range Problems(err) {
				if p.What == "" || p.Why == "" || p.Do == "" {
					t.Errorf("a problem lacks a part: %+v", p)
				}
			}
		})
	}
}

func TestInsecureIsNeededOnlyBeyondLoopback(t *testing.T) {
	for _, addr := range []string{":0", "localhost:0", "127.0.0.1:0", "[::1]:0", "127.8.9.1:0"} {
		if _, err := load(t, "", nil, "--listen", addr); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if _, err := load(t, "", nil, "--listen", "0.0.0.0:8181", "--insecure"); err != nil {
		t.Error(err)
	}
}

func TestSchedulesParse(t *testing.T) {
	yaml := `
compactor:
  schedules:
    - { name: nightly, cron: "0 2 * * *", time_zone: Asia/Kuala_Lumpur, kind: compact, table: bronze.x }
    - { name: tidy, cron: "@daily", kind: expire, windows: ["sat,sun 00:00-24:00"], outside: skip, overlap: queue, missed: all }
`
	l, err := load(t, yaml, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []Schedule{
		{Name: "nightly", Cron: "0 2 * * *", TimeZone: "Asia/Kuala_Lumpur", Kind: "compact", Table: "bronze.x"},
		{Name: "tidy", Cron: "@daily", TimeZone: "UTC", Kind: "expire", Windows: []string{"sat,sun 00:00-24:00"}, Outside: "skip", Overlap: "queue", Missed: "all"},
	}
	if !reflect.DeepEqual(l.Compactor.Schedules, want) {
		t.Fatalf("%+v", l.Compactor.Schedules)
	}
	l, err = load(t, "", []string{`FIRN_COMPACTOR__SCHEDULES=[{"name":"n","cron":"@hourly","kind":"promote","table":"silver.x"}]`})
	if err != nil || len(l.Compactor.Schedules) != 1 || l.Compactor.Schedules[0].Table != "silver.x" {
		t.Fatalf("%v %v", l, err)
	}
}

func TestPolicyParses(t *testing.T) {
	want := []Property{{"firn.compact.fuse", "false"}, {"firn.compact.max-jobs", "2"}, {"firn.compact.windows", "22:00-06:00"}}
	l, err := load(t, "compactor:\n  policy:\n    firn.compact.windows: 22:00-06:00\n    firn.compact.fuse: false\n    firn.compact.max-jobs: 2\n", nil)
	if err != nil || !slices.Equal(l.Compactor.Policy, want) {
		t.Fatalf("%v %v", l, err)
	}
	l, err = load(t, "", []string{`FIRN_COMPACTOR__POLICY={"firn.compact.fuse": "false", "firn.compact.max-jobs": 2, "firn.compact.windows": "22:00-06:00"}`})
	if err != nil || !slices.Equal(l.Compactor.Policy, want) {
		t.Fatalf("%v %v", l, err)
	}
	for _, bad := range []string{"compactor: {policy: [a]}\n", "compactor: {policy: {a: [b]}}\n"} {
		if _, err := load(t, bad, nil); err == nil || !strings.Contains(err.Error(), "a map of table properties") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestValuesHoldNoSecret(t *testing.T) {
	l, err := load(t, "s3: {secret_key: hunter2-hunter2}\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	if l.S3.SecretKey != "hunter2-hunter2" {
		t.Fatal("the secret was not read")
	}
	values := l.Values()
	if len(values) != len(leaves()) {
		t.Fatalf("%d values for %d keys", len(values), len(leaves()))
	}
	byKey := map[string]Value{}
	for _, v := range values {
		if strings.Contains(v.Value, "hunter2") {
			t.Errorf("%s shows the secret", v.Key)
		}
		byKey[v.Key] = v
	}
	for key, want := range map[string]string{
		"s3.secret_key": "(redacted)", "writer.byte_budget": "256MiB", "query.timeout": "1m0s", "insecure": "false",
		"roles": "gateway, catalog, writer, compactor, query, page", "s3.endpoint": "",
	} {
		if byKey[key].Value != want {
			t.Errorf("%s shows %q, want %q", key, byKey[key].Value, want)
		}
	}
}

func TestByteSizes(t *testing.T) {
	for text, want := range map[string]ByteSize{
		"0": 0, "4096": 4096, "512MiB": 512 * MiB, "512 mib": 512 * MiB, "1.5GiB": 1536 * MiB, "2GB": 2_000_000_000, "1kB": 1000, "7b": 7, "3TiB": 3 * TiB,
	} {
		got, err := ParseByteSize(text)
		if err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
		back, err := ParseByteSize(got.String())
		if err != nil || back != got {
			t.Errorf("%s does not read back: %d, %v", got, back, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1e400", "9e18GiB", "nan", "inf", "0x10", "12 parsecs", "1_000", "8EiB"} {
		if v, err := ParseByteSize(text); err == nil {
			t.Errorf("%q was read as %d", text, v)
		}
	}
}
