package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
)

// commitBodyJSON is a commit to one table. The decoders of requirements and updates
// refuse what they do not know, which the protocol demands.
type commitBodyJSON struct {
	Identifier   *identifier        `json:"identifier"`
	Requirements table.Requirements `json:"requirements"`
	Updates      table.Updates      `json:"updates"`
	// uuid is what an assign-uuid update among Updates sets.
	uuid uuid.UUID
}

func (c *commitBodyJSON) UnmarshalJSON(data []byte) error {
	type plain commitBodyJSON
	if err := json.Unmarshal(data, (*plain)(c)); err != nil {
		return err
	}
	var ids struct {
		Updates []struct {
			Action string    `json:"action"`
			UUID   uuid.UUID `json:"uuid"`
		} `json:"updates"`
	}
	if err := json.Unmarshal(data, &ids); err != nil {
		return err
	}
	for _, u := range ids.Updates {
		if u.Action == table.UpdateAssignUUID {
			c.uuid = u.UUID
		}
	}
	return nil
}

func (c *commitBodyJSON) creates() bool {
	for _, req := range c.Requirements {
		if req.GetType() == "assert-create" {
			return true
		}
	}
	return false
}

// change makes the change of a transaction. A commit that asserts the creation
// carries the whole table in its updates, from a create that was staged before.
func (s *Server) change(r *request, id catalog.Ident, c commitBodyJSON) (catalog.TableChange, error) {
	change := catalog.TableChange{Requirements: c.Requirements, Updates: c.Updates}
	if c.creates() {
		// A repeated request finds its own table; the commit knows its key.
		if exists, err := s.cat.TableExists(r.Context(), id); err == nil && exists && r.key == nil {
			return change, &catalog.RequirementError{Ident: id, Reason: "the table already exists"}
		}
		change.Updates = schemaFirst(c.Updates)
		change.Create = &catalog.NewTable{Ident: id, ID: c.uuid}
		return change, nil
	}
	t, err := s.cat.LoadTable(r.Context(), id)
	if err != nil {
		return change, err
	}
	change.Table = t.ID
	return change, nil
}

// schemaFirst moves the choice of the current schema ahead of the partition spec
// and the sort order, which are bound to it. DuckDB sends it last when it
// creates a table.
func schemaFirst(updates table.Updates) table.Updates {
	action := func(name ...string) func(table.Update) bool {
		return func(u table.Update) bool { return slices.Contains(name, u.Action()) }
	}
	bound := slices.IndexFunc(updates, action(table.UpdateAddSpec, table.UpdateAddSortOrder))
	choice := slices.IndexFunc(updates, action(table.UpdateSetCurrentSchema))
	if bound < 0 || choice < bound || !slices.ContainsFunc(updates[:bound], action(table.UpdateAddSchema)) {
		return updates
	}
	moved := slices.Delete(slices.Clone(updates), choice, choice+1)
	return slices.Insert(moved, bound, updates[choice])
}

func (s *Server) commitTable(w http.ResponseWriter, r *request) error {
	id, err := r.ident()
	if err != nil {
		return err
	}
	var body commitBodyJSON
	if err := decode(r.body, &body); err != nil {
		return err
	}
	if err := checkNamed("table", id, body.Identifier); err != nil {
		return err
	}
	done, err := s.commit(r, []catalog.Ident{id}, []commitBodyJSON{body})
	if err != nil {
		return err
	}
	if len(done.Tables) != 1 {
		return errors.New("a commit to one table answered for another number of tables")
	}
	return s.writeCommit(w, r, done.Tables[0])
}

// writeCommit answers a CommitTableResponse, with the catalog's own bytes while
// they are of the same version.
func (s *Server) writeCommit(w http.ResponseWriter, r *request, res catalog.TableResult) error {
	var metadata []byte
	if t, err := s.cat.LoadTableID(r.Context(), res.Table); err == nil && t.MetadataLocation == res.MetadataLocation {
		metadata = t.JSON
	} else if res.Metadata == nil {
		return fmt.Errorf("the commit to %s is done, and its metadata cannot be read: %w", res.Ident, err)
	} else if metadata, err = json.Marshal(res.Metadata); err != nil {
		return err
	}
	return s.load.write(w, r, res.MetadataLocation, metadata, allSnapshots)
}

func (s *Server) commitTransaction(w http.ResponseWriter, r *request) error {
	var body struct {
		Changes []commitBodyJSON `json:"table-changes"`
	}
	if err := decode(r.body, &body); err != nil {
		return err
	}
	if len(body.Changes) == 0 {
		return badRequest("table-changes is empty; a transaction changes at least one table")
	}
	seen := make(map[string]bool, len(body.Changes))
	ids := make([]catalog.Ident, 0, len(body.Changes))
	for i, c := range body.Changes {
		if c.Identifier == nil {
			return badRequest("change %d names no table; each change needs an identifier", i)
		}
		id, err := c.Identifier.ident()
		if err != nil {
			return err
		}
		if seen[id.String()] {
			return badRequest("table %s is changed twice; put its updates into one change", id)
		}
		seen[id.String()] = true
		ids = append(ids, id)
	}
	if _, err := s.commit(r, ids, body.Changes); err != nil {
		return err
	}
	return noContent(w)
}

// commit answers a repeated request before it looks for the tables: they may have
// other names by now, or none.
func (s *Server) commit(r *request, ids []catalog.Ident, bodies []commitBodyJSON) (catalog.Committed, error) {
	if r.key != nil {
		if done, found, err := s.cat.Repeated(r.Context(), *r.key); err != nil || found {
			return done, err
		}
	}
	changes := make([]catalog.TableChange, len(ids))
	for i, id := range ids {
		var err error
		if changes[i], err = s.change(r, id, bodies[i]); err != nil {
			return catalog.Committed{}, err
		}
	}
	return s.cat.Commit(r.Context(), catalog.Transaction{
		ID:          uuid.NewString(),
		Actor:       "rest",
		Tables:      changes,
		Idempotency: r.key,
	})
}
