package catalog

import (
	"time"

	"github.com/google/uuid"
)

// Event is one change of one table, in the order of the commits.
type Event struct {
	// Position orders events; give it to Events or Watch to go on after it.
	Position string    `json:"position"`
	At       time.Time `json:"at"`
	// Kind is one of the Event* constants.
	Kind       string    `json:"kind"`
	Table      uuid.UUID `json:"table"`
	Ident      Ident     `json:"ident"`
	SnapshotID int64     `json:"snapshot_id,omitempty"`
	ParentID   int64     `json:"parent_id,omitempty"`
	// Head is the snapshot that main is at after it; 0 where there is none. It tells
	// a snapshot of another branch, and a rollback, which makes none.
	Head      int64  `json:"head,omitempty"`
	Operation string `json:"operation,omitempty"`
	Actor     string `json:"actor,omitempty"`
	// CommitID is the transaction; of a group commit the first, see Commits.
	CommitID string `json:"commit_id,omitempty"`
	// Commits is the number of transactions that share the snapshot.
	Commits    int               `json:"commits,omitempty"`
	Summary    map[string]string `json:"summary,omitempty"`
	Partitions []PartitionDelta  `json:"partitions,omitempty"`
}

// Kinds of events.
const (
	EventCommit      = "commit"   // one snapshot was added to the table
	EventMetadata    = "metadata" // the table changed without a new snapshot
	EventCreateTable = "create-table"
	EventDropTable   = "drop-table"
	EventRenameTable = "rename-table"
	EventRegister    = "register-table"
)

// PartitionDelta is what a snapshot changed in one partition.
type PartitionDelta struct {
	SpecID         int                `json:"spec_id"`
	Partition      map[string]*string `json:"partition,omitempty"`
	AddedFiles     int64              `json:"added_files,omitempty"`
	RemovedFiles   int64              `json:"removed_files,omitempty"`
	AddedBytes     int64              `json:"added_bytes,omitempty"`
	RemovedBytes   int64              `json:"removed_bytes,omitempty"`
	AddedRows      int64              `json:"added_rows,omitempty"`
	RemovedRows    int64              `json:"removed_rows,omitempty"`
	AddedDeletes   int64              `json:"added_deletes,omitempty"`
	RemovedDeletes int64              `json:"removed_deletes,omitempty"`
	// Sizes maps log2(file size) to the net number of data files.
	Sizes map[int]int64 `json:"sizes,omitempty"`
}
