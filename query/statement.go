package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// statement is a user's statement, ready to run.
type statement struct {
	sql     string // what the worker is given: AT clauses replaced by views
	explain string // "", "EXPLAIN" or "EXPLAIN ANALYZE", taken off the front
	setup   []string
	read    []string
	tables  []*tableUse
}

// tableUse is a table at one snapshot and all mentions of it.
type tableUse struct {
	ident    catalog.Ident
	at       pin
	refs     []*reference
	table    *catalog.Table
	scan     *lake.Scan
	relation *lake.Relation
}

// pin says which snapshot of a table; the zero value is the head.
type pin struct {
	snapshot int64
	ref      string
	millis   int64
}

func (st *statement) release() {
	for _, t := range st.tables {
		if t.relation != nil {
			t.relation.Release()
		}
	}
}

// Longest statement, in bytes.
const maxSQL = 1 << 20

var explainPrefix = regexp.MustCompile(`(?is)^\s*EXPLAIN(\s+ANALYZE)?\s+`)

// prepare parses a statement, loads and plans its tables and makes their views.
// The caller must release what it answers.
func (s *Service) prepare(ctx context.Context, sql string, pins []*firnv1.SnapshotPin, namespace catalog.Namespace) (_ *statement, err error) {
	if len(namespace) > 0 {
		if err := namespace.Validate(); err != nil {
			return nil, err
		}
	}
	if len(sql) > maxSQL {
		return nil, invalid("the statement has %d bytes, over the limit of %d", len(sql), maxSQL)
	}
	if strings.ContainsRune(sql, 0) {
		// DuckDB would read up to it.
		return nil, invalid("the statement holds a NUL character; remove it")
	}
	st := &statement{sql: sql}
	if m := explainPrefix.FindStringSubmatchIndex(sql); m != nil {
		st.explain = "EXPLAIN"
		if m[2] >= 0 {
			st.explain = "EXPLAIN ANALYZE"
		}
		// Blanks keep positions in error messages true.
		st.sql = strings.Repeat(" ", m[1]) + sql[m[1]:]
	}
	defer func() {
		if err != nil {
			st.release()
		}
	}()
	tree, err := s.cfg.Pool.Parse(ctx, st.sql)
	if err != nil {
		return nil, err
	}
	refs, err := parseTree(tree)
	if err != nil {
		return nil, err
	}
	for _, r := range refs {
		r.in = namespace
	}
	if err := s.collect(ctx, st, refs, pins); err != nil {
		return nil, err
	}
	if err := s.load(ctx, st); err != nil {
		return nil, err
	}
	return st, st.views()
}

// collect sorts mentions by table and snapshot.
func (s *Service) collect(ctx context.Context, st *statement, refs []*reference, pins []*firnv1.SnapshotPin) error {
	asked := map[string]pin{}
	for _, p := range pins {
		at, err := pinOf(p)
		if err != nil {
			return err
		}
		asked[identOf(p.GetTable()).String()] = at
	}
	byKey := map[string]*tableUse{}
	for _, r := range refs {
		id, err := s.identify(ctx, r)
		if err != nil {
			return err
		}
		at := asked[id.String()]
		if r.at != nil {
			if at, err = atClause(r); err != nil {
				return err
			}
		}
		key := fmt.Sprintf("%s %v %t", id, at, r.at != nil)
		use := byKey[key]
		if use == nil {
			use = &tableUse{ident: id, at: at}
			byKey[key] = use
			st.tables = append(st.tables, use)
		}
		use.refs = append(use.refs, r)
	}
	return nil
}

// identify chooses between the tables that a reference may mean.
func (s *Service) identify(ctx context.Context, r *reference) (catalog.Ident, error) {
	ids, err := r.idents()
	if err != nil {
		return catalog.Ident{}, err
	}
	for _, id := range ids[:len(ids)-1] {
		if _, err := s.cfg.Catalog.LoadTable(ctx, id); !errors.Is(err, catalog.ErrNotFound) {
			return id, nil // another error comes back when the table is loaded
		}
	}
	if len(ids) > 1 {
		if _, err := s.cfg.Catalog.LoadTable(ctx, ids[len(ids)-1]); errors.Is(err, catalog.ErrNotFound) {
			return ids[0], nil
		}
	}
	return ids[len(ids)-1], nil
}

func identOf(t *firnv1.TableRef) catalog.Ident {
	return catalog.Ident{Namespace: t.GetNamespace(), Name: t.GetName()}
}

func pinOf(p *firnv1.SnapshotPin) (pin, error) {
	switch at := p.GetAt().(type) {
	case *firnv1.SnapshotPin_SnapshotId:
		return pin{snapshot: at.SnapshotId}, nil
	case *firnv1.SnapshotPin_Ref:
		return pin{ref: at.Ref}, nil
	case *firnv1.SnapshotPin_TimestampMs:
		return pin{millis: at.TimestampMs}, nil
	}
	return pin{}, invalid("the pin of %s names no snapshot, ref or time", identOf(p.GetTable()))
}

// atClause reads AT (VERSION => id or ref) and AT (TIMESTAMP => time).
func atClause(r *reference) (pin, error) {
	expr := r.at.node("expr")
	if expr.text("type") == "OPERATOR_CAST" {
		expr = expr.node("child")
	}
	value := expr.node("value")
	switch strings.ToUpper(r.at.text("unit")) {
	case "VERSION":
		switch v := value["value"].(type) {
		case json.Number:
			if id, err := v.Int64(); err == nil {
				return pin{snapshot: id}, nil
			}
		case string:
			return pin{ref: v}, nil
		}
		return pin{}, invalid("AT (VERSION => ...) takes a snapshot id, or the name of a branch or tag in quotes")
	case "TIMESTAMP":
		if v, ok := value["value"].(string); ok {
			for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04:05Z07", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02"} {
				if t, err := time.Parse(layout, v); err == nil {
					return pin{millis: t.UnixMilli()}, nil
				}
			}
		}
		return pin{}, invalid("AT (TIMESTAMP => ...) takes a constant such as TIMESTAMP '2026-01-31 12:00:00' (UTC)")
	}
	return pin{}, invalid("AT takes VERSION or TIMESTAMP")
}

// load loads each table once, so that all its mentions see one head, and plans
// and fetches what is read.
func (s *Service) load(ctx context.Context, st *statement) error {
	loaded := map[string]*catalog.Table{}
	for _, use := range st.tables {
		t := loaded[use.ident.String()]
		if t == nil {
			var err error
			if t, err = s.cfg.Catalog.LoadTable(ctx, use.ident); err != nil {
				if errors.Is(err, catalog.ErrNotFound) {
					return s.notFound(ctx, use)
				}
				return fmt.Errorf("load table %s: %w", use.ident, err)
			}
			loaded[use.ident.String()] = t
		}
		use.table = t
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, use := range st.tables {
		g.Go(func() error {
			id, err := use.at.resolve(use.ident, use.table.Metadata)
			if err != nil {
				return err
			}
			schema := schemaAt(use.table.Metadata, use.at, id)
			use.scan, err = s.cfg.Lake.PlanAs(ctx, use.table.Metadata, id, schema, tableFilter(schema, use.refs))
			if err != nil {
				return fmt.Errorf("table %s: %w", use.ident, err)
			}
			use.relation, err = s.cfg.Lake.Relation(ctx, use.scan, lake.RelationOptions{Unread: true})
			if err != nil {
				return fmt.Errorf("table %s: %w", use.ident, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// resolve answers the snapshot id that a pin means; 0 is the head.
func (p pin) resolve(id catalog.Ident, meta table.Metadata) (int64, error) {
	switch {
	case p.snapshot != 0:
		if meta.SnapshotByID(p.snapshot) == nil {
			return 0, fmt.Errorf("table %s: %w: %d; `firn table snapshots %s` lists those it has", id, lake.ErrNoSnapshot, p.snapshot, id)
		}
		return p.snapshot, nil
	case p.ref != "":
		var names []string
		for name, ref := range meta.Refs() {
			if name == p.ref {
				return ref.SnapshotID, nil
			}
			names = append(names, name)
		}
		slices.Sort(names)
		return 0, fmt.Errorf("table %s: %w: there is no branch or tag %q; it has: %s", id, lake.ErrNoSnapshot, p.ref, strings.Join(names, ", "))
	case p.millis != 0:
		var found int64
		for entry := range meta.SnapshotLogs() {
			if entry.TimestampMs <= p.millis {
				found = entry.SnapshotID
			}
		}
		if found == 0 || meta.SnapshotByID(found) == nil {
			return 0, fmt.Errorf("table %s: %w: it keeps none that was current at %s", id, lake.ErrNoSnapshot, time.UnixMilli(p.millis).UTC().Format(time.RFC3339))
		}
		return found, nil
	}
	return 0, nil
}

// views writes the statements that make a view of each table, and puts the
// views of AT clauses into the text in their place.
func (st *statement) views() error {
	schemas := map[string]bool{}
	create := func(catalogName, schema, name, sql string) {
		target := duck.QuoteName(schema)
		if catalogName != "" {
			if key := strings.ToLower(catalogName); !schemas[key] && key != "memory" {
				schemas[key] = true
				st.setup = append(st.setup, "ATTACH ':memory:' AS "+duck.QuoteName(catalogName))
			}
			target = duck.QuoteName(catalogName) + "." + target
		}
		if !schemas[strings.ToLower(target)] {
			schemas[strings.ToLower(target)] = true
			st.setup = append(st.setup, "CREATE SCHEMA IF NOT EXISTS "+target)
		}
		st.setup = append(st.setup, "CREATE VIEW "+target+"."+duck.QuoteName(name)+" AS FROM "+sql)
	}
	type edit struct {
		from, to int
		text     string
	}
	var edits []edit
	made := map[string]bool{}
	for i, use := range st.tables {
		st.read = append(st.read, use.relation.Paths...)
		st.setup = append(st.setup, use.relation.Setup...)
		if use.refs[0].at != nil {
			schema, name := "firn_at", fmt.Sprintf("t%d", i)
			create("", schema, name, use.relation.SQL)
			for _, r := range use.refs {
				end, err := atEnd(st.sql, r)
				if err != nil {
					return err
				}
				edits = append(edits, edit{r.place, end, schema + "." + name + " AS " + duck.QuoteName(r.alias)})
			}
			continue
		}
		for _, r := range use.refs {
			// The same table may be written in several ways.
			key := strings.ToLower(strings.Join(r.parts, "\x00"))
			if made[key] {
				continue
			}
			made[key] = true
			switch n := len(r.parts); n {
			case 1:
				create("", "main", r.parts[0], use.relation.SQL)
			case 2:
				create("", r.parts[0], r.parts[1], use.relation.SQL)
			default:
				create(r.parts[0], r.parts[1], r.parts[2], use.relation.SQL)
			}
		}
	}
	slices.SortFunc(edits, func(a, b edit) int { return b.from - a.from })
	for _, e := range edits {
		st.sql = st.sql[:e.from] + e.text + st.sql[e.to:]
	}
	slices.Sort(st.read)
	st.read = slices.Compact(st.read)
	return nil
}

// atEnd finds the end of a table's AT clause: the parenthesis that closes it.
func atEnd(sql string, r *reference) (int, error) {
	if r.place < 0 || r.place >= len(sql) {
		return 0, invalid("AT is not understood at this place; pin the table in the request instead")
	}
	depth := 0
	for i := r.place; i < len(sql); i++ {
		switch sql[i] {
		case '\'', '"':
			end := strings.IndexByte(sql[i+1:], sql[i])
			if end < 0 {
				return 0, invalid("a quote is not closed")
			}
			i += end + 1
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1, nil
			}
		}
	}
	return 0, invalid("the parenthesis of AT is not closed")
}
