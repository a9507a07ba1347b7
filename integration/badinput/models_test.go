package badinput

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	projectYML = "project: shop\nlayers: { bronze: bronze, silver: silver, gold: gold }\nengine: { default: duckdb }\n"
	sourceYML  = "kind: source\nname: bronze.sales\nappend_only: enforced\nrow_id: n\ncolumns:\n  n: long not null\n  shop: string\n  amount: double\n"
	silverSQL  = `/*---
kind: model
name: silver.sales
materialize: { mode: append }
read: { bronze.sales: { as: appends } }
---*/
SELECT n, shop, CAST(amount AS DECIMAL(12, 2)) AS amount
FROM bronze.sales
`
	goldSQL = `/*---
kind: model
name: gold.shops
materialize: { mode: aggregate, grain: [shop] }
read: { silver.sales: { as: changes } }
---*/
SELECT shop, CAST(sum(amount) AS DECIMAL(18, 2)) AS total
FROM silver.sales
GROUP BY ALL
`
)

// project writes a project whose files are changed by edits: path, old, new.
func project(t *testing.T, edits ...[3]string) string {
	t.Helper()
	files := map[string]string{"firn.yml": projectYML, "bronze/sales.yml": sourceYML, "silver/sales.sql": silverSQL, "gold/shops.sql": goldSQL}
	for _, e := range edits {
		if e[1] != "" && !strings.Contains(files[e[0]], e[1]) {
			t.Fatalf("%s does not hold %q", e[0], e[1])
		}
		if e[1] == "" {
			files[e[0]] = e[2]
		} else {
			files[e[0]] = strings.Replace(files[e[0]], e[1], e[2], 1)
		}
	}
	dir, err := os.MkdirTemp("", "project") //nolint:usetesting // t.TempDir has the case's name in it, which the errors must say
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for path, text := range files {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestModelsWithMistakes: `firn plan` and `firn apply` name file, line, column,
// fault and remedy, and store nothing.
func TestModelsWithMistakes(t *testing.T) {
	s := start(t)
	cases := map[string]struct {
		edit  [3]string
		at    string // file:line:column of one fault
		words []string
	}{
		"unknown key":          {[3]string{"silver/sales.sql", "materialize:", "materialise:"}, "silver/sales.sql:4:1", []string{"materialise", "materialize"}},
		"unknown key below":    {[3]string{"gold/shops.sql", "grain: [shop]", "grian: [shop]"}, "gold/shops.sql:4:", []string{"grian", "grain"}},
		"key twice":            {[3]string{"silver/sales.sql", "kind: model", "kind: model\nkind: model"}, "silver/sales.sql:3:", []string{"kind"}},
		"unknown mode":         {[3]string{"silver/sales.sql", "mode: append", "mode: replace"}, "silver/sales.sql:4:", []string{"replace", "append"}},
		"wrong column in SQL":  {[3]string{"silver/sales.sql", "SELECT n, shop", "SELECT n, shopp"}, "silver/sales.sql:7:11", []string{"shopp", "shop"}},
		"wrong grain":          {[3]string{"gold/shops.sql", "grain: [shop]", "grain: [shops]"}, "gold/shops.sql:4:", []string{"shops"}},
		"wrong table":          {[3]string{"silver/sales.sql", "FROM bronze.sales", "FROM bronze.sale"}, "silver/sales.sql:5:23", []string{"does not read bronze.sales", "it reads bronze.sale"}},
		"syntax":               {[3]string{"silver/sales.sql", "FROM bronze.sales", "FORM bronze.sales"}, "silver/sales.sql:8:", []string{"syntax error"}},
		"not incremental":      {[3]string{"silver/sales.sql", "SELECT n", "SELECT row_number() OVER (ORDER BY shop) AS r, n"}, "silver/sales.sql:7:", []string{"window"}},
		"random":               {[3]string{"silver/sales.sql", "SELECT n", "SELECT random() AS r, n"}, "silver/sales.sql:7:", []string{"random"}},
		"order and limit":      {[3]string{"silver/sales.sql", "FROM bronze.sales", "FROM bronze.sales LIMIT 5"}, "silver/sales.sql:", []string{"LIMIT"}},
		"reads a file":         {[3]string{"silver/sales.sql", "FROM bronze.sales", "FROM read_csv('/etc/passwd')"}, "silver/sales.sql:8:6", []string{"the source must be one table", "write FROM layer.table"}},
		"two statements":       {[3]string{"silver/sales.sql", "FROM bronze.sales", "FROM bronze.sales; DROP TABLE bronze.t"}, "silver/sales.sql:", nil},
		"COPY":                 {[3]string{"silver/sales.sql", "SELECT n, shop, CAST(amount AS DECIMAL(12, 2)) AS amount\nFROM bronze.sales", "COPY bronze.sales TO '/x'"}, "silver/sales.sql:7:", []string{"SELECT"}},
		"cycle":                {[3]string{"silver/sales.sql", "", strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(silverSQL, "bronze.sales: { as: appends }", "gold.shops: { as: changes }"), "FROM bronze.sales", "FROM gold.shops"), "n, shop, CAST(amount", "shop, CAST(total")}, "", []string{"cycle", "silver.sales", "gold.shops"}},
		"name with a path":     {[3]string{"silver/sales.sql", "name: silver.sales", "name: ../../etc.sales"}, "silver/sales.sql:3:", []string{"name"}},
		"no head":              {[3]string{"silver/sales.sql", "", "SELECT 1"}, "silver/sales.sql:1:1", []string{"head"}},
		"head without an end":  {[3]string{"silver/sales.sql", "---*/", ""}, "silver/sales.sql:1:1", []string{"head", "---*/"}},
		"broken YAML":          {[3]string{"bronze/sales.yml", "columns:", "columns: ["}, "bronze/sales.yml:", nil},
		"unknown type":         {[3]string{"bronze/sales.yml", "amount: double", "amount: money"}, "bronze/sales.yml:8:", []string{"money"}},
		"YAML bomb":            {[3]string{"bronze/sales.yml", "", bombYAML()}, "bronze/sales.yml:", nil},
		"control characters":   {[3]string{"silver/sales.sql", "SELECT n", "SELECT \x00\x1b[31mn"}, "silver/sales.sql:7:8", []string{"control character", "remove it"}},
		"rule with two faults": {[3]string{"silver/sales.sql", "read:", "rules: [{ name: r, expr: \"amont > 0\", on_fail: explode }]\nread:"}, "silver/sales.sql:5:", []string{"explode"}},
	}
	place := regexp.MustCompile(`[a-z]+/[a-z]+\.(sql|yml):[0-9]+:[0-9]+: .+`)
	s.holdsStill(t, 128<<20, func() {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				dir := project(t, c.edit)
				for _, verb := range []string{"plan", "apply"} {
					got := s.cli(t, verb, dir)
					fails(t, got, 7, append(c.words, c.at)...)
					if !place.MatchString(got.stderr) {
						t.Errorf("%s: no file:line:column: fault in\n%s", verb, got.stderr)
					}
					if strings.ContainsAny(got.stderr, "\x00\x1b") {
						t.Errorf("%s: control characters in %q", verb, got.stderr)
					}
				}
				for _, table := range []string{"bronze.sales", "silver.sales", "gold.shops"} {
					ns, name, _ := strings.Cut(table, ".")
					if a := s.call(t, "CatalogService/GetTable", fmt.Sprintf(`{"table":{"namespace":[%q],"name":%q}}`, ns, name)); a.status != http.StatusNotFound {
						t.Errorf("table %s was made: %s", table, a)
					}
				}
				if a := s.must(t, "ModelService/GetGraph", "{}"); strings.Contains(a.body, "sales") {
					t.Errorf("the project was stored: %s", a)
				}
			})
		}
	})
	t.Run("no project", func(t *testing.T) {
		fails(t, s.cli(t, "plan", t.TempDir()), 2, "firn.yml")
		fails(t, s.cli(t, "plan", "/nowhere"), 2, "/nowhere")
	})
	t.Run("a good one afterwards", func(t *testing.T) {
		if got := s.cli(t, "apply", project(t)); got.code != 0 {
			t.Fatalf("exit %d: %s", got.code, got.stderr)
		}
		fails(t, s.cli(t, "plan", project(t, [3]string{"silver/sales.sql", "SELECT n, shop", "SELECT n, shopp"})), 7, "shopp")
		if got := s.cli(t, "plan", project(t)); got.code != 0 || !strings.Contains(got.stdout, "unchanged") {
			t.Errorf("exit %d: %s%s", got.code, got.stdout, got.stderr)
		}
	})
}

// bombYAML is small text that would unfold to a billion strings.
func bombYAML() string {
	var b strings.Builder
	b.WriteString("kind: source\nname: bronze.sales\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := range 9 {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 10), ","))
	}
	return b.String()
}
