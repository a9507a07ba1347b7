package catalog

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// recordVersion is the format of all records below; DESIGN.md has them field by field.
const recordVersion = 1

// namespaceRecord is the value of a namespace key.
type namespaceRecord struct {
	V          int               `json:"v"`
	Levels     []string          `json:"levels"`
	Properties map[string]string `json:"properties,omitempty"`
	Created    time.Time         `json:"created"`
}

// tableRecord is the value of a table key: the pointer that a commit swaps.
type tableRecord struct {
	V         int       `json:"v"`
	ID        uuid.UUID `json:"id"`
	Namespace []string  `json:"ns"`
	Name      string    `json:"name"`
	// Metadata is the location of the current metadata file.
	Metadata string    `json:"metadata"`
	Created  time.Time `json:"created"`
}

func (r tableRecord) ident() Ident { return Ident{Namespace: r.Namespace, Name: r.Name} }

// viewRecord is the value of a view key.
type viewRecord = tableRecord

// dropRecord stays when a table is dropped, for the garbage collector.
type dropRecord struct {
	tableRecord
	Purge    bool      `json:"purge"`
	Dropped  time.Time `json:"dropped"`
	Location string    `json:"location"`
}

// stageRecord protects the files of a table that is being created.
type stageRecord struct {
	V        int       `json:"v"`
	ID       uuid.UUID `json:"id"`
	Ident    Ident     `json:"ident"`
	Location string    `json:"location"`
	Expires  time.Time `json:"expires"`
}

// commitRecord is the answer to a commit id; the key's version is its revision.
type commitRecord struct {
	V      int            `json:"v"`
	At     time.Time      `json:"at"`
	Actor  string         `json:"actor,omitempty"`
	Action string         `json:"action,omitempty"`
	Tables []resultRecord `json:"tables,omitempty"`
	// Missing are the properties to remove from a namespace that were not there.
	Missing []string `json:"missing,omitempty"`
}

type resultRecord struct {
	Table    uuid.UUID `json:"table"`
	Ident    Ident     `json:"ident"`
	Snapshot int64     `json:"snapshot,omitempty"`
	Sequence int64     `json:"sequence,omitempty"`
	Metadata string    `json:"metadata,omitempty"`
}

// idemRecord binds an idempotency key to a request and its commit id.
type idemRecord struct {
	V      int       `json:"v"`
	Hash   []byte    `json:"hash"`
	Commit string    `json:"commit"`
	At     time.Time `json:"at"`
}

// expiryRecord lists keys that may go after At.
type expiryRecord struct {
	V    int       `json:"v"`
	At   time.Time `json:"at"`
	Keys []string  `json:"keys"`
}

// AuditEntry says who changed what.
type AuditEntry struct {
	V        int       `json:"v"`
	Position string    `json:"-"`
	At       time.Time `json:"at"`
	Actor    string    `json:"actor"`
	Action   string    `json:"action"`
	Objects  []string  `json:"objects"`
	CommitID string    `json:"commit_id"`
}

// mustJSON encodes a record. Records hold nothing that JSON cannot carry.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("catalog: encode %T: %v", v, err))
	}
	return b
}

func decodeRecord[T any](kv KV) (T, error) {
	var v struct {
		V int `json:"v"`
	}
	var out T
	if err := json.Unmarshal(kv.Value, &v); err != nil {
		return out, fmt.Errorf("record %q is not readable: %w", kv.Key, err)
	}
	if v.V != recordVersion {
		return out, fmt.Errorf("record %q has format %d, this program reads %d; use a newer one", kv.Key, v.V, recordVersion)
	}
	if err := json.Unmarshal(kv.Value, &out); err != nil {
		return out, fmt.Errorf("record %q is not readable: %w", kv.Key, err)
	}
	return out, nil
}
