package catalog

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Channel is a durable position of one contributor in one table.
type Channel struct {
	Table uuid.UUID `json:"table"`
	Name  string    `json:"name"`
	// Epoch rises with each OpenChannel; an advance of an older epoch is fenced.
	Epoch uint64 `json:"epoch"`
	// NextOffset is the offset of the first row that is not committed.
	NextOffset uint64 `json:"next_offset"`
	// Token is the client's own, from its last committed advance.
	Token string `json:"token,omitempty"`
	// SnapshotID is the snapshot of the last advance, 0 before the first.
	SnapshotID int64     `json:"snapshot_id,omitempty"`
	UpdatedAt  time.Time `json:"updated_at"`
}

// OpenChannel takes the channel over: it is created or its epoch rises, and older owners are fenced.
func (c *Catalog) OpenChannel(ctx context.Context, tableID uuid.UUID, name string) (Channel, error) {
	return Channel{}, errPending
}

// Channel returns the state of a channel without touching it, or ErrNotFound.
func (c *Catalog) Channel(ctx context.Context, tableID uuid.UUID, name string) (Channel, error) {
	return Channel{}, errPending
}

// Channels lists the channels of a table, or of all tables for nil.
func (c *Catalog) Channels(ctx context.Context, tableID *uuid.UUID) ([]Channel, error) {
	return nil, errPending
}
