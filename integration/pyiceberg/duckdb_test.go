package pyiceberg

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog/connect"
)

// writes is a session of an engine that is not ours: create as select, insert,
// update, delete, partitions, and one transaction over two tables, in table
// format 2 and 3.
const writes = `
CREATE TABLE firn.shop.two AS SELECT i AS id, 'row ' || i AS name FROM range(1000) t(i);
INSERT INTO firn.shop.two VALUES (5000, 'more');
DELETE FROM firn.shop.two WHERE id < 10;
UPDATE firn.shop.two SET name = 'changed' WHERE id = 500;

CREATE TABLE firn.shop.three (id BIGINT, name VARCHAR) WITH ('format-version' = '3');
INSERT INTO firn.shop.three SELECT i, 'row ' || i FROM range(100) t(i);
DELETE FROM firn.shop.three WHERE id % 2 = 0;

CREATE TABLE firn.shop.parts (id BIGINT, country VARCHAR) PARTITIONED BY (country);
INSERT INTO firn.shop.parts SELECT i, CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN 'null' ELSE 'Norway' END FROM range(30) t(i);

BEGIN;
INSERT INTO firn.shop.two VALUES (6000, 'both');
INSERT INTO firn.shop.three VALUES (6000, 'both');
COMMIT;

BEGIN;
INSERT INTO firn.shop.two VALUES (7000, 'neither');
INSERT INTO firn.shop.three VALUES (7000, 'neither');
ROLLBACK;

SELECT (SELECT (count(*), sum(id)) FROM firn.shop.two), (SELECT (count(*), sum(id)) FROM firn.shop.three),
       (SELECT (count(*), count(country)) FROM firn.shop.parts), (SELECT name FROM firn.shop.two WHERE id = 500);`

// read is what PyIceberg sees of it.
const read = `
import sys
from pyiceberg.catalog import load_catalog
catalog = load_catalog("firn", type="rest", uri=sys.argv[1])
for name in ("two", "three", "parts"):
    table = catalog.load_table(("shop", name))
    ids = table.scan().to_arrow()["id"].to_pylist()
    print(name, table.format_version, len(ids), sum(ids))
`

// TestDuckDBWrites has DuckDB write through the catalog and PyIceberg read.
func TestDuckDBWrites(t *testing.T) {
	target, env := served(t)
	target.Namespace, target.Table = nil, ""
	snippet, err := connect.For("duckdb", target)
	require.NoError(t, err)
	out := duckDB(t, env, snippet.Text+writes)
	assert.Contains(t, out, "((992, 510455), (51, 8500), (30, 20), 'changed')")
	out = run(t, env, read, target.Endpoint)
	assert.Equal(t, "two 2 992 510455\nthree 3 51 8500\nparts 2 30 435\n", out)
}
