package tpch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
	"github.com/firnlake/firn/integration/harness"
)

const namespace = "tpch"

// tables in the order in which they are loaded. rows make a thousand files of
// the large ones; 0 leaves it to `firn ingest`.
var tables = []struct {
	name, columns string
	rows          int
}{
	{"lineitem", "l_orderkey long, l_partkey long, l_suppkey long, l_linenumber int, l_quantity decimal(15,2), l_extendedprice decimal(15,2), l_discount decimal(15,2), l_tax decimal(15,2), l_returnflag string, l_linestatus string, l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct string, l_shipmode string, l_comment string", 6002},
	{"orders", "o_orderkey long, o_custkey long, o_orderstatus string, o_totalprice decimal(15,2), o_orderdate date, o_orderpriority string, o_clerk string, o_shippriority int, o_comment string", 1500},
	{"customer", "c_custkey long, c_name string, c_address string, c_nationkey long, c_phone string, c_acctbal decimal(15,2), c_mktsegment string, c_comment string", 0},
	{"part", "p_partkey long, p_name string, p_mfgr string, p_brand string, p_type string, p_size int, p_container string, p_retailprice decimal(15,2), p_comment string", 0},
	{"partsupp", "ps_partkey long, ps_suppkey long, ps_availqty int, ps_supplycost decimal(15,2), ps_comment string", 0},
	{"supplier", "s_suppkey long, s_name string, s_address string, s_nationkey long, s_phone string, s_acctbal decimal(15,2), s_comment string", 0},
	{"nation", "n_nationkey long, n_name string, n_regionkey long, n_comment string", 0},
	{"region", "r_regionkey long, r_name string, r_comment string", 0},
}

// load makes the tables, whose files nobody compacts, and fills them through
// the writer.
func load(b *testing.B, lake *engines.Lake) {
	b.Helper()
	data := filepath.Join(harness.Root(b), ".tools", "tpch", "sf1")
	_, err := lake.CLI(b.Context(), b, "namespace", "create", namespace)
	require.NoError(b, err)
	for _, t := range tables {
		args := []string{"table", "create", namespace + "." + t.name, "--property", "firn.compact.enabled=false"}
		for column := range strings.SplitSeq(t.columns, ", ") {
			args = append(args, "--column", column)
		}
		_, err := lake.CLI(b.Context(), b, args...)
		require.NoError(b, err)
		args = []string{"ingest", filepath.Join(data, t.name+".parquet"), "--table", namespace + "." + t.name}
		if t.rows > 0 {
			args = append(args, "--batch-rows", fmt.Sprint(t.rows))
		}
		_, err = lake.CLI(b.Context(), b, args...)
		require.NoError(b, err, "run `make tools-tpch` for the data")
	}
}

// compact lets Firn's compactor at the tables, as an owner would.
func compact(b *testing.B, lake *engines.Lake) {
	b.Helper()
	for _, t := range tables {
		change := map[string]any{"requirements": []any{}, "updates": []any{map[string]any{"action": "set-properties", "updates": map[string]string{"firn.compact.enabled": "true"}}}}
		body, err := json.Marshal(change)
		require.NoError(b, err)
		answer, err := http.Post(lake.HTTP+"/v1/namespaces/"+namespace+"/tables/"+t.name, "application/json", bytes.NewReader(body))
		require.NoError(b, err)
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		require.Equal(b, http.StatusOK, answer.StatusCode, string(text))
		_, err = lake.CLI(b.Context(), b, "compact", namespace+"."+t.name)
		require.NoError(b, err)
	}
}

// files are the paths of the live data files of each table on this machine.
func files(b *testing.B, lake *engines.Lake) map[string][]string {
	b.Helper()
	out := map[string][]string{}
	for _, t := range tables {
		text, err := lake.CLI(b.Context(), b, "table", "files", namespace+"."+t.name, "--limit", "100000", "-o", "json")
		require.NoError(b, err)
		var listed struct {
			Files []struct {
				Path string `json:"path"`
			} `json:"files"`
		}
		require.NoError(b, json.Unmarshal([]byte(text), &listed))
		for _, f := range listed.Files {
			out[t.name] = append(out[t.name], filepath.Join(lake.Data, "s3", strings.TrimPrefix(f.Path, "s3://")))
		}
		require.NotEmpty(b, out[t.name], t.name)
	}
	return out
}

// gateway answers how many GETs the object store has answered, and the bytes it
// has sent.
func gateway(ctx context.Context, lake *engines.Lake) (gets, sent float64, err error) {
	text, err := os.ReadFile(filepath.Join(lake.Data, "run.json"))
	if err != nil {
		return 0, 0, err
	}
	var run struct {
		Metrics string `json:"metrics"`
	}
	if err := json.Unmarshal(text, &run); err != nil {
		return 0, 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, run.Metrics+"/metrics", nil)
	if err != nil {
		return 0, 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, 0, err
	}
	defer answer.Body.Close()
	text, err = io.ReadAll(answer.Body)
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		var v float64
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := fmt.Sscan(value, &v); err != nil {
			continue
		}
		switch name {
		case `firn_gateway_requests_total{code="2xx",method="GET"}`:
			gets += v
		case "firn_gateway_sent_bytes_total":
			sent += v
		}
	}
	return gets, sent, nil
}
