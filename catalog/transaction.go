package catalog

import (
	"context"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
)

// Committer is how everything in Firn changes a table.
type Committer interface {
	// Commit applies a transaction whole or not at all, at most once per ID,
	// and returns when it is durable. A caller whose ctx ends gets
	// ErrUnknownOutcome while the commit goes on. See DESIGN.md.
	Commit(ctx context.Context, tx Transaction) (Committed, error)
}

// ActorCompactor is the actor of maintenance.
const ActorCompactor = "compactor"

// Transaction is one logical commit over any number of tables.
type Transaction struct {
	// ID is the commit id, a UUID's text. The same ID is applied at most once and
	// answered as before. Empty: a fresh one.
	ID string
	// Actor is who commits, for the log: "ingest", "compactor", "promote:silver.x", "rest".
	Actor       string
	Tables      []TableChange
	Channels    []ChannelAdvance
	Idempotency *IdempotencyKey
	Records     []Record
	// If are conditions on keys of other rooms that must hold in the same Apply and are
	// left as they are, as the fence of the job that commits. One that does not hold is
	// ErrCondition.
	If []Cond
}

// IdempotencyKey makes a request safe to repeat: the same Scope, Key and
// RequestHash give the same answer, another hash gives ErrIdempotencyMismatch.
// Kept for Config.IdempotencyTTL.
type IdempotencyKey struct {
	Scope, Key  string
	RequestHash [32]byte
}

// Record is a key of another room that changes in the same Apply: watermarks
// "wm/", runs "run/", job proofs "job/". Expect is the version it must have.
type Record struct {
	Key    string
	Expect *Version
	Value  []byte
	Delete bool
}

// TableChange is what a transaction does to one table.
type TableChange struct {
	Table uuid.UUID
	// Create creates the table in this transaction, instead of Table. The updates are
	// applied to the new table.
	Create *NewTable
	// Requirements must hold on the head at commit, else *RequirementError.
	Requirements []table.Requirement
	// Updates are applied in order, before Snapshot.
	Updates []table.Update
	// Snapshot has the committer make manifests, list and snapshot.
	Snapshot *SnapshotChange
}

// SnapshotChange is a change of files, from which the committer makes one snapshot.
type SnapshotChange struct {
	Operation table.Operation
	// Branch is the ref to move; empty is main.
	Branch string
	// Base is the snapshot that the change was computed from: required when files
	// leave. A commit after Base that removed one of Removed, or added deletes that may apply
	// to it, is a conflict.
	Base *int64
	// Pin demands that the branch still stands at Base (nil: that it has no snapshot).
	Pin     bool
	Added   []FileEntry
	Removed []string
	// Manifests are swapped instead: a change of how files are listed, and of no
	// file. It is a replace and comes alone, from [Catalog.Recluster].
	Manifests *ManifestSwap
	Summary   map[string]string
}

// FileEntry is a data or delete file that a snapshot adds.
type FileEntry struct {
	File iceberg.DataFile
	// DataSequence is set by rewrites that keep the sequence number of their inputs.
	DataSequence *int64
}

// ChannelAdvance moves a channel from offset From to To under its table's head.
type ChannelAdvance struct {
	Table    uuid.UUID
	Channel  string
	Epoch    uint64
	From, To uint64
	Token    string
}

// Committed is the answer to a transaction.
type Committed struct {
	ID       string
	Revision Version
	// Duplicate: the transaction was applied by an earlier call.
	Duplicate bool
	Tables    []TableResult
}

// TableResult is a table after the commit. Metadata is the table's metadata right after
// the commit, or a newer one for a duplicate.
type TableResult struct {
	Table            uuid.UUID
	Ident            Ident
	SnapshotID       int64
	SequenceNumber   int64
	MetadataLocation string
	Metadata         table.Metadata
}
