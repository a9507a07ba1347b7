// Package client sends rows into Firn tables.
//
// It promises exactly-once to a caller whose source can be read again: rows
// are sent with the offset of the channel, sends with an unknown outcome are
// repeated with the same offset until the server says what happened, and a
// repetition that the server already has counts as success. After a restart
// the caller reads NextOffset (or Token) and goes on from there.
package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// Config is what a Client needs.
type Config struct {
	Ingest firnv1connect.IngestServiceClient // required
	Table  *firnv1.TableRef                  // required
	// Channel names the durable position of this sender. Empty: each batch
	// gets an idempotency key of its own, which makes retries safe but cannot
	// resume after a restart.
	Channel string
	// BadRows says what happens to faulty rows of JSON batches.
	BadRows firnv1.BadRows
	// BatchBytes is how much a batch of IngestRecords and IngestLines holds,
	// about. Default 4 MiB.
	BatchBytes int
	// BatchRows bounds the rows of such a batch. Default 50,000.
	BatchRows int
	// Patience is how long one batch is tried. Default 5 min.
	Patience time.Duration
	// MaxWait bounds the wait between attempts, which doubles from 50 ms on,
	// unless the server asks for more. Default 5 s.
	MaxWait time.Duration
	// AttemptTimeout bounds one request. Default 1 min.
	AttemptTimeout time.Duration
	// Compress compresses the buffers of Arrow batches with LZ4: worth it
	// over a network.
	Compress bool
	// OnRetry is told of every retry, before its wait.
	OnRetry func(Retry)
}

// Retry is one failed attempt that will be repeated.
type Retry struct {
	Attempt int
	Wait    time.Duration
	Err     error
}

// Ack says where rows are.
type Ack struct {
	SnapshotID     int64
	SequenceNumber int64
	// Rows committed now, Quarantined among the faulty.
	Rows, Quarantined uint64
	// NextOffset of the channel.
	NextOffset uint64
	// Duplicate: the rows had been committed by an earlier attempt.
	Duplicate bool
	// Attempts it took.
	Attempts int
}

// ErrFenced: another client opened the channel. Reopen takes it over again.
var ErrFenced = errors.New("another client has opened this channel")

// GapError: the server expects earlier rows than those sent.
type GapError struct{ NextOffset uint64 }

func (e *GapError) Error() string {
	return fmt.Sprintf("the server expects the rows from offset %d on; send from there", e.NextOffset)
}

// Client is one sender. It is used by one goroutine.
type Client struct {
	cfg   Config
	epoch uint64
	next  uint64
	token string
}

// Open checks the configuration and opens the channel, which fences its
// earlier owner.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	if cfg.Ingest == nil || cfg.Table.GetName() == "" {
		return nil, errors.New("ingest client: the service and a table are required")
	}
	cfg.BatchBytes = cmp.Or(cfg.BatchBytes, 4<<20)
	cfg.BatchRows = cmp.Or(cfg.BatchRows, 50_000)
	cfg.Patience = cmp.Or(cfg.Patience, 5*time.Minute)
	cfg.MaxWait = cmp.Or(cfg.MaxWait, 5*time.Second)
	cfg.AttemptTimeout = cmp.Or(cfg.AttemptTimeout, time.Minute)
	if cfg.OnRetry == nil {
		cfg.OnRetry = func(Retry) {}
	}
	c := &Client{cfg: cfg}
	return c, c.Reopen(ctx)
}

// Reopen takes the channel (again) and reads its position from the server.
func (c *Client) Reopen(ctx context.Context) error {
	if c.cfg.Channel == "" {
		return nil
	}
	_, err := c.retry(ctx, func(ctx context.Context) error {
		out, err := c.cfg.Ingest.OpenChannel(ctx, connect.NewRequest(&firnv1.OpenChannelRequest{Table: c.cfg.Table, Channel: c.cfg.Channel}))
		if err != nil {
			return err
		}
		c.epoch, c.next, c.token = out.Msg.Epoch, out.Msg.NextOffset, out.Msg.LastToken
		return nil
	})
	if err != nil {
		return fmt.Errorf("open channel %s: %w", c.cfg.Channel, err)
	}
	return nil
}

// NextOffset is the number of rows committed through the channel: the next
// row to send. Without a channel it counts the rows of this client.
func (c *Client) NextOffset() uint64 { return c.next }

// Token is the token of the last batch committed through the channel.
func (c *Client) Token() string { return c.token }

// payload makes a request of the rows of a batch from a position on, so that a
// batch of which the server has a part can be sent in part.
type payload func(from uint64) (*firnv1.AppendRequest, error)

// send commits rows that begin at NextOffset.
func (c *Client) send(ctx context.Context, rows uint64, token string, build payload) (Ack, error) {
	start := c.next
	total := Ack{Duplicate: true}
	for c.next < start+rows {
		m, err := build(c.next - start)
		if err != nil {
			return total, err
		}
		m.Table, m.Token, m.BadRows = c.cfg.Table, token, c.cfg.BadRows
		if c.cfg.Channel != "" {
			m.Channel, m.Epoch, m.Offset = c.cfg.Channel, c.epoch, c.next
		} else {
			m.Token, m.IdempotencyKey = "", uuid.NewString()
		}
		ack, err := c.append(ctx, m)
		total.Attempts += ack.Attempts
		if err != nil {
			return total, err
		}
		total.SnapshotID, total.SequenceNumber = ack.SnapshotID, ack.SequenceNumber
		total.Rows += ack.Rows
		total.Quarantined += ack.Quarantined
		total.Duplicate = total.Duplicate && ack.Duplicate
		if c.cfg.Channel == "" {
			c.next = start + rows
			break
		}
		if ack.NextOffset <= c.next {
			return total, fmt.Errorf("the server acknowledged offset %d after rows from %d were sent", ack.NextOffset, c.next)
		}
		c.next = ack.NextOffset
	}
	if c.cfg.Channel != "" {
		c.token = token
	}
	total.NextOffset = c.next
	return total, nil
}

// append repeats one request until its outcome is known.
func (c *Client) append(ctx context.Context, m *firnv1.AppendRequest) (Ack, error) {
	var ack Ack
	attempts, err := c.retry(ctx, func(ctx context.Context) error {
		out, err := c.cfg.Ingest.Append(ctx, connect.NewRequest(m))
		if err == nil {
			ack = ackOf(out.Msg)
			return nil
		}
		if connect.CodeOf(err) == connect.CodeAlreadyExists {
			if d, ok := detailOf[*firnv1.AppendResponse](err); ok {
				ack = ackOf(d)
				ack.Duplicate = true
				return nil
			}
		}
		return err
	})
	ack.Attempts = attempts
	return ack, err
}

func ackOf(m *firnv1.AppendResponse) Ack {
	return Ack{
		SnapshotID: m.SnapshotId, SequenceNumber: m.SequenceNumber, Rows: m.Rows, Quarantined: m.Quarantined,
		NextOffset: m.NextOffset, Duplicate: m.Duplicate,
	}
}

// retry calls f until it succeeds, fails for good, or patience ends.
func (c *Client) retry(ctx context.Context, f func(context.Context) error) (attempts int, err error) {
	deadline := time.Now().Add(c.cfg.Patience)
	backoff := 50 * time.Millisecond
	for {
		attempts++
		err = c.attempt(ctx, f)
		if err == nil || ctx.Err() != nil {
			return attempts, err
		}
		hint, again := retryable(err)
		if !again {
			return attempts, final(err)
		}
		wait := cmp.Or(hint, backoff)
		wait += rand.N(wait/2 + 1)
		if time.Now().Add(wait).After(deadline) {
			return attempts, fmt.Errorf("gave up after %d attempts in %s: %w", attempts, c.cfg.Patience, err)
		}
		c.cfg.OnRetry(Retry{Attempt: attempts, Wait: wait, Err: err})
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return attempts, context.Cause(ctx)
		case <-t.C:
		}
		backoff = min(2*backoff, c.cfg.MaxWait)
	}
}

func (c *Client) attempt(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.AttemptTimeout)
	defer cancel()
	return f(ctx)
}

// retryable tells whether to send again, and when the server asked for it. With
// an offset or a key sending again is always safe, so everything that does not
// name a fault of the request is.
func retryable(err error) (time.Duration, bool) {
	switch connect.CodeOf(err) {
	case connect.CodeResourceExhausted:
		// Without a hint the request itself is too large.
		hint, ok := detailOf[*firnv1.RetryHint](err)
		return time.Duration(hint.GetRetryAfterMs()) * time.Millisecond, ok
	case connect.CodeUnavailable, connect.CodeUnknown, connect.CodeAborted, connect.CodeInternal,
		connect.CodeDeadlineExceeded, connect.CodeCanceled:
		return 0, true
	}
	return 0, false
}

// final gives errors that callers act on their types.
func final(err error) error {
	switch connect.CodeOf(err) {
	case connect.CodeOutOfRange:
		if d, ok := detailOf[*firnv1.ChannelState](err); ok {
			return &GapError{NextOffset: d.NextOffset}
		}
	case connect.CodeFailedPrecondition:
		return fmt.Errorf("%w: %w", ErrFenced, err)
	}
	return err
}

// RowErrors answers the faulty rows that an error names, or nil.
func RowErrors(err error) *firnv1.RowErrors {
	d, _ := detailOf[*firnv1.RowErrors](err)
	return d
}

func detailOf[T any](err error) (T, bool) {
	var zero T
	e, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return zero, false
	}
	for _, d := range e.Details() {
		if v, err := d.Value(); err == nil {
			if m, ok := v.(T); ok {
				return m, true
			}
		}
	}
	return zero, false
}
