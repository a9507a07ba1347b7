package catalog

import (
	"encoding/json"
	"fmt"

	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
)

// normalise checks a change's shape and settles the uuid of a table to create.
func (ch *TableChange) normalise() error {
	if ch.Create != nil {
		if err := ch.Create.Ident.Validate(); err != nil {
			return err
		}
		create := *ch.Create
		if create.ID == uuid.Nil {
			create.ID = assignedUUID(ch.Updates)
		}
		if create.ID == uuid.Nil {
			create.ID = uuid.New()
		}
		ch.Create, ch.Table = &create, create.ID
	}
	if ch.Table == uuid.Nil {
		return fmt.Errorf("%w: a table change names no table", ErrInvalid)
	}
	for _, r := range ch.Requirements {
		if r == nil {
			return fmt.Errorf("%w: a requirement is nil", ErrInvalid)
		}
	}
	for _, u := range ch.Updates {
		if u == nil {
			return fmt.Errorf("%w: an update is nil", ErrInvalid)
		}
	}
	return ch.Snapshot.validate()
}

// assignedUUID is the uuid that assign-uuid asks for.
func assignedUUID(updates []table.Update) uuid.UUID {
	for _, u := range updates {
		if u.Action() == table.UpdateAssignUUID {
			v, err := wire[struct {
				UUID uuid.UUID `json:"uuid"`
			}](u)
			if err == nil {
				return v.UUID
			}
		}
	}
	return uuid.Nil
}

// wire reads an update's fields through its JSON form: iceberg-go does not export the types.
func wire[T any](u table.Update) (T, error) {
	var v T
	b, err := json.Marshal(u)
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	return v, err
}

func (s *SnapshotChange) validate() error {
	if s == nil {
		return nil
	}
	switch s.Operation {
	case table.OpAppend:
		if len(s.Removed) > 0 {
			return fmt.Errorf("%w: an append removes no files; use overwrite, replace or delete", ErrInvalid)
		}
	case table.OpReplace, table.OpOverwrite, table.OpDelete:
	default:
		return fmt.Errorf("%w: snapshot operation %q; append, replace, overwrite and delete are known", ErrInvalid, clip(string(s.Operation)))
	}
	if m := s.Manifests; m != nil {
		if s.Operation != table.OpReplace || len(s.Added)+len(s.Removed) > 0 || s.Base == nil || len(m.Replaced) == 0 || len(m.By) == 0 {
			return fmt.Errorf("%w: a swap of manifests is a replace that names its Base, and comes alone", ErrInvalid)
		}
		return nil
	}
	if len(s.Added)+len(s.Removed) == 0 && s.Operation != table.OpOverwrite {
		return fmt.Errorf("%w: the snapshot changes no file", ErrInvalid)
	}
	if len(s.Removed) > 0 && s.Base == nil {
		return fmt.Errorf("%w: a snapshot that removes files must name the Base it was computed from", ErrInvalid)
	}
	seen := make(map[string]bool, len(s.Added)+len(s.Removed))
	for _, e := range s.Added {
		if e.File == nil {
			return fmt.Errorf("%w: an added file is nil", ErrInvalid)
		}
		if seen[fileKey(e.File)] {
			return fmt.Errorf("%w: file %q is in the snapshot twice", ErrInvalid, clip(e.File.FilePath()))
		}
		seen[fileKey(e.File)] = true
	}
	for _, path := range s.Removed {
		if seen[path] {
			return fmt.Errorf("%w: file %q is in the snapshot twice", ErrInvalid, clip(path))
		}
		seen[path] = true
	}
	return nil
}

// groupable: an append to main that demands nothing of the head may share a snapshot.
func (s *SnapshotChange) groupable() bool {
	if s == nil || s.Operation != table.OpAppend || s.Pin || s.branch() != table.MainBranch {
		return false
	}
	for _, e := range s.Added {
		if e.DataSequence != nil || !isData(e.File) {
			return false
		}
	}
	return true
}

func (s *SnapshotChange) branch() string {
	if s.Branch == "" {
		return table.MainBranch
	}
	return s.Branch
}
