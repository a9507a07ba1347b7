package catalog

import (
	"context"
	"errors"
	"fmt"
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
	SnapshotID int64 `json:"snapshot_id,omitempty"`
	// SequenceNumber is that snapshot's; 0 also in records that older releases wrote.
	SequenceNumber int64     `json:"sequence_number,omitempty"`
	UpdatedAt      time.Time `json:"updated_at"`
}

// channelRecord is the value of a channel key.
type channelRecord struct {
	V int `json:"v"`
	Channel
}

// maxTokenBytes bounds the token that a client keeps in a channel.
const maxTokenBytes = 4096

// OpenChannel takes the channel over: it is created or its epoch rises, and older owners are fenced.
func (c *Catalog) OpenChannel(ctx context.Context, tableID uuid.UUID, name string) (Channel, error) {
	if err := validateName("channel name", name); err != nil {
		return Channel{}, err
	}
	var out Channel
	_, repeated, err := c.mutate(ctx, func(ctx context.Context) (mutation, error) {
		// Only the table's existence matters, not its version: a busy table
		// must not starve its channels. A drop that comes between deletes the
		// channels it has seen and leaves at most this one, without a table.
		rec, _, err := c.recordByID(ctx, tableID)
		if err != nil {
			return mutation{}, err
		}
		key := c.keys.channel(tableID, name)
		ch, v, found, err := get[channelRecord](ctx, c.cfg.Store, key)
		if err != nil {
			return mutation{}, err
		}
		if !found {
			ch = channelRecord{V: recordVersion, Channel: Channel{Table: tableID, Name: name}}
		}
		ch.Epoch++
		ch.UpdatedAt = c.cfg.Now().UTC()
		out = ch.Channel
		return mutation{
			conds: []Cond{{Key: key, Version: v}}, ops: []Op{{Key: key, Value: mustJSON(ch)}},
			action: "open-channel", objects: []string{rec.ident().String(), name},
		}, nil
	})
	if repeated {
		return c.Channel(ctx, tableID, name)
	}
	return out, err
}

// Channel returns the state of a channel without touching it, or ErrNotFound.
func (c *Catalog) Channel(ctx context.Context, tableID uuid.UUID, name string) (Channel, error) {
	rec, _, found, err := get[channelRecord](ctx, c.cfg.Store, c.keys.channel(tableID, name))
	if err == nil && !found {
		err = fmt.Errorf("channel %q %w: open it first", name, ErrNotFound)
	}
	return rec.Channel, err
}

// Channels lists the channels of a table, or of all tables for nil.
func (c *Catalog) Channels(ctx context.Context, tableID *uuid.UUID) ([]Channel, error) {
	_, kvs, err := c.cfg.Store.Scan(ctx, Range{Prefix: c.keys.channels(tableID)})
	if err != nil {
		return nil, err
	}
	out := make([]Channel, 0, len(kvs))
	for _, kv := range kvs {
		rec, err := decodeRecord[channelRecord](kv)
		if err != nil {
			return nil, err
		}
		out = append(out, rec.Channel)
	}
	return out, nil
}

// channelState is a channel while a group is put together: what the store
// has plus what the group has advanced.
type channelState struct {
	rec     channelRecord
	version Version
}

// advance moves a channel or says why not.
func (s *channelState) advance(a ChannelAdvance) error {
	switch {
	case a.Epoch != s.rec.Epoch:
		return &ChannelError{Kind: ChannelFenced, State: s.rec.Channel}
	case a.To <= s.rec.NextOffset:
		return &ChannelError{Kind: ChannelDuplicate, State: s.rec.Channel}
	case a.From != s.rec.NextOffset:
		// A batch that begins in committed rows and ends beyond them cannot be cut here: the
		// client resumes at NextOffset, as after a gap.
		return &ChannelError{Kind: ChannelGap, State: s.rec.Channel}
	}
	s.rec.NextOffset, s.rec.Token = a.To, a.Token
	return nil
}

func (a ChannelAdvance) validate() error {
	if a.To <= a.From {
		return fmt.Errorf("%w: channel %q: an advance from %d to %d has no rows", ErrInvalid, clip(a.Channel), a.From, a.To)
	}
	if len(a.Token) > maxTokenBytes {
		return fmt.Errorf("%w: channel %q: the token has %d bytes, the most is %d", ErrInvalid, clip(a.Channel), len(a.Token), maxTokenBytes)
	}
	return validateName("channel name", a.Channel)
}

func (c *Catalog) channelState(ctx context.Context, a ChannelAdvance) (*channelState, error) {
	rec, v, found, err := get[channelRecord](ctx, c.cfg.Store, c.keys.channel(a.Table, a.Channel))
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("%w: channel %q is not open: call OpenChannel first", errors.Join(ErrInvalid, ErrNotFound), a.Channel)
	}
	return &channelState{rec: rec, version: v}, nil
}
