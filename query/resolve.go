package query

import (
	"context"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/firnlake/firn/catalog"
)

// schemaAt is the schema that a pin is read with, as Iceberg's own readers do it:
// the table's for its head and for branches, which are written with it; for a
// snapshot, a tag or a time the one that the snapshot was made with.
func schemaAt(meta table.Metadata, at pin, id int64) *iceberg.Schema {
	if at == (pin{}) {
		return meta.CurrentSchema()
	}
	for name, ref := range meta.Refs() {
		if name == at.ref && ref.SnapshotRefType == table.BranchRef {
			return meta.CurrentSchema()
		}
	}
	if snap := meta.SnapshotByID(id); snap != nil && snap.SchemaID != nil {
		for _, s := range meta.Schemas() {
			if s.ID == *snap.SchemaID {
				return s
			}
		}
	}
	return meta.CurrentSchema()
}

// Namespaces that are searched for near matches.
const nearNamespaces = 50

// notFound is the error for a table that does not exist, with what the caller
// may have meant.
func (s *Service) notFound(ctx context.Context, use *tableUse) error {
	near := s.near(ctx, use.ident)
	msg := "there is no table " + use.ident.String()
	if len(use.refs[0].parts) == 1 {
		msg = "there is no table " + use.ident.Name + " in the namespace " + use.ident.Namespace.String() + ", where names without one are looked up"
	}
	switch len(near) {
	case 0:
		msg += "; `firn table ls` lists them"
	case 1:
		msg += "; did you mean " + near[0] + "?"
	default:
		msg += "; did you mean " + strings.Join(near[:len(near)-1], ", ") + " or " + near[len(near)-1] + "?"
	}
	return &requestError{connect.CodeNotFound, msg}
}

// near are names that resemble one, nearest first. Errors only cost the hint.
func (s *Service) near(ctx context.Context, id catalog.Ident) []string {
	namespaces, err := s.cfg.Catalog.ListNamespaces(ctx, nil)
	if err != nil {
		return nil
	}
	if len(id.Namespace) > 1 {
		namespaces = append(namespaces, id.Namespace)
	}
	type match struct {
		name     string
		distance int
	}
	var found []match
	for _, ns := range namespaces[:min(len(namespaces), nearNamespaces)] {
		tables, err := s.cfg.Catalog.ListTables(ctx, ns)
		if err != nil {
			continue
		}
		for _, t := range tables {
			d := distance(strings.ToLower(t.Name), strings.ToLower(id.Name))
			if !ns.Equal(id.Namespace) {
				d += min(2, distance(strings.ToLower(ns.String()), strings.ToLower(id.Namespace.String())))
			}
			if d <= max(2, len(id.Name)/3) {
				found = append(found, match{t.String(), d})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b match) int { return a.distance - b.distance })
	var names []string
	for _, m := range found[:min(len(found), 3)] {
		names = append(names, m.name)
	}
	return names
}

// distance counts the letters to change, add or leave out between two words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
