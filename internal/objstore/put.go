package objstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	mathrand "math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
)

// PutOptions are the conditions of a Put.
type PutOptions struct {
	// IfAbsent makes the put fail with ErrExists when the key exists.
	IfAbsent bool
	// CRC32C of the body (Castagnoli). The store takes no other bytes: then the
	// put fails, and nothing was written. Nil for none.
	CRC32C *uint32
}

const (
	putAttempts = 5
	putBackoff  = 100 * time.Millisecond // before the second attempt, then doubled
	// Bodies that cannot be rewound are kept in memory up to this size, so that
	// a failed attempt can be repeated.
	bufferBody = 8 << 20
	// Conditional puts above this size look first whether the key is taken.
	lookFirst = 64 << 10
	// Files above this size are uploaded in parts, several at a time.
	multipartAbove = 64 << 20
	partSize       = 16 << 20
	largestPut     = 5 << 30 // in one request
	partsAtOnce    = 4
	// nonceKey is the user metadata that says which call wrote an object.
	nonceKey = "Firn-Put"
)

// errBody marks a failure to read the caller's body: nothing was written.
var errBody = errors.New("read body")

var errDetached = errors.New("the request is over")

// Put writes size bytes of r as the object key, in one request (at most 5 GiB).
//
// Without IfAbsent it replaces. With IfAbsent exactly one of all racers gets
// nil and the others ErrExists. Attempts with an unknown outcome are repeated;
// then "exists" may be the answer to our own first attempt, so every conditional
// put carries a random nonce as user metadata, and on such an answer the nonce
// of the stored object decides whether this call won. (Size and ETag cannot
// decide: two racers may write equal bytes.)
//
// With CRC32C what arrives is compared with it by the store.
//
// Errors: ErrExists, ErrInvalidKey and ErrNotApplied mean that nothing was
// written. Any other error leaves the outcome unknown.
func (b *Bucket) Put(ctx context.Context, key string, r io.Reader, size int64, o PutOptions) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if size < 0 {
		return fmt.Errorf("put %s: %w: the size %d is negative", b.Location(key), ErrNotApplied, size)
	}
	body, err := rewindable(r, size)
	if err != nil {
		return fmt.Errorf("put %s: %w: %w", b.Location(key), ErrNotApplied, err)
	}
	return b.put(ctx, key, body, size, o)
}

// PutBytes is [Bucket.Put] of a byte slice, which must not change meanwhile.
func (b *Bucket) PutBytes(ctx context.Context, key string, data []byte, o PutOptions) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	return b.put(ctx, key, bytes.NewReader(data), int64(len(data)), o)
}

// put is the attempt loop. A body that is no io.Seeker gets one attempt.
func (b *Bucket) put(ctx context.Context, key string, body io.Reader, size int64, o PutOptions) error {
	b.hold(ctx, key)
	opts := minio.PutObjectOptions{DisableMultipart: true, DisableContentSha256: b.unsignedBody()}
	var nonce string
	if o.IfAbsent {
		nonce = rand.Text()
		opts.SetMatchETagExcept("*")
		opts.UserMetadata = map[string]string{nonceKey: nonce}
	}
	if o.CRC32C != nil {
		if opts.UserMetadata == nil {
			opts.UserMetadata = map[string]string{}
		}
		// minio-go takes the lower-case name for a wish that it adds up itself.
		opts.UserMetadata[minio.ChecksumCRC32C.KeyCapitalized()] = base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, *o.CRC32C))
	}
	seeker, _ := body.(io.Seeker)
	attempts := putAttempts
	if seeker == nil {
		attempts = 1
	}
	unknown := false // an earlier attempt may have landed
	var err error
	for attempt := range attempts {
		if attempt > 0 && !b.pause(ctx, attempt) {
			break
		}
		if seeker != nil {
			if _, serr := seeker.Seek(0, io.SeekStart); serr != nil {
				return fmt.Errorf("put %s: rewind body: %w", b.Location(key), serr)
			}
		}
		if o.IfAbsent && size > lookFirst {
			// A store that refuses early closes the connection on a body it does
			// not want to read, and its answer is lost with it: so ask before.
			if err := b.taken(ctx, key, nonce); err == nil || errors.Is(err, ErrExists) {
				return err
			}
		}
		// The body is wrapped so that minio-go neither closes nor rewinds it.
		attempt := &bodyReader{r: body}
		_, err = b.write.Client.PutObject(ctx, b.cfg.Bucket, key, attempt, size, opts)
		attempt.detach()
		if err == nil {
			return nil
		}
		if o.IfAbsent && minio.ToErrorResponse(err).Code == "PreconditionFailed" {
			if !unknown {
				return fmt.Errorf("put %s: %w", b.Location(key), ErrExists)
			}
			return b.whoWon(ctx, key, nonce)
		}
		sure := certain(err)
		unknown = unknown || !sure
		if !transient(ctx, err) {
			break
		}
	}
	if unknown && !full(err) {
		return fmt.Errorf("put %s: outcome unknown: %w", b.Location(key), err)
	}
	return b.writeError("put", key, err)
}

// pause waits before another attempt, longer each time and by chance, so that
// many clients of a store in trouble do not come back together.
func (b *Bucket) pause(ctx context.Context, attempt int) bool {
	limit := b.backoff << (attempt - 1)
	t := time.NewTimer(limit/2 + mathrand.N(limit/2+1))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// whoWon decides a conditional put whose earlier attempt has an unknown outcome
// and whose later attempt found the key taken.
func (b *Bucket) whoWon(ctx context.Context, key, nonce string) error {
	err := b.taken(ctx, key, nonce)
	if err == nil || errors.Is(err, ErrExists) {
		return err
	}
	return fmt.Errorf("put %s: outcome unknown: the key exists, who wrote it could not be read: %w", b.Location(key), err)
}

// taken returns nil when the object was written by the call that chose nonce,
// ErrExists when by another, and another error when that cannot be told or there
// is none.
func (b *Bucket) taken(ctx context.Context, key, nonce string) error {
	info, err := b.read.StatObject(ctx, b.cfg.Bucket, key, minio.StatObjectOptions{})
	if err != nil {
		return b.readError("stat", key, err)
	}
	if info.UserMetadata[nonceKey] == nonce {
		return nil
	}
	return fmt.Errorf("put %s: %w", b.Location(key), ErrExists)
}

// unsignedBody: over TLS and to the gateway of this process the body needs no
// hash of its own.
func (b *Bucket) unsignedBody() bool { return b.cfg.UseTLS || b.cfg.Socket != "" }

// PutFile uploads a local file, in parts above 64 MiB where the store is not the
// gateway of this process. It replaces. Parts of a
// failed upload are aborted; the object itself appears whole or not at all.
// Errors are those of [Bucket.Put].
func (b *Bucket) PutFile(ctx context.Context, key, path string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("put %s: %w: %w", b.Location(key), ErrNotApplied, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("put %s: %w: %w", b.Location(key), ErrNotApplied, err)
	}
	return b.putLarge(ctx, key, f, st.Size())
}

func (b *Bucket) putLarge(ctx context.Context, key string, f *os.File, size int64) error {
	if b.cfg.LocalRoot != "" && size <= largestPut {
		// The gateway of this process would copy the parts into one file; and its
		// own checksum, which it takes when it is given none, costs as much again.
		sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
		if _, err := io.Copy(sum, io.NewSectionReader(f, 0, size)); err != nil {
			return fmt.Errorf("put %s: %w: %w", b.Location(key), ErrNotApplied, err)
		}
		return b.put(ctx, key, f, size, PutOptions{CRC32C: new(sum.Sum32())})
	}
	if size <= multipartAbove {
		return b.put(ctx, key, f, size, PutOptions{})
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("put %s: %w: %w", b.Location(key), ErrNotApplied, err)
	}
	b.hold(ctx, key)
	nonce := rand.Text()
	_, err := b.read.PutObject(ctx, b.cfg.Bucket, key, f, size, minio.PutObjectOptions{
		PartSize:             partSize,
		NumThreads:           partsAtOnce,
		DisableContentSha256: b.unsignedBody(),
		UserMetadata:         map[string]string{nonceKey: nonce},
	})
	if err == nil {
		return nil
	}
	// minio-go repeats the completion of an upload. When the first answer was
	// lost, the second is "no such upload", which looks like a refusal: so the
	// object itself says whether this upload became it.
	if b.taken(ctx, key, nonce) == nil {
		return nil
	}
	if minio.ToErrorResponse(err).Code == "NoSuchUpload" {
		return fmt.Errorf("put %s: outcome unknown: %w", b.Location(key), err)
	}
	return b.writeError("put", key, err)
}

// rewindable makes a body that can be sent again when that is cheap.
func rewindable(r io.Reader, size int64) (io.Reader, error) {
	if _, ok := r.(io.Seeker); ok || size > bufferBody {
		return r, nil
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("%w: %w", errBody, err)
	}
	return bytes.NewReader(data), nil
}

// bodyReader is the body of one attempt. It hides Seek and Close, marks the
// caller's read errors, and can be detached: net/http may go on reading a body
// after the request has failed, and would take bytes from the next attempt, or
// read the caller's buffer after Put has returned.
type bodyReader struct {
	mu sync.Mutex
	r  io.Reader // nil when detached
}

func (b *bodyReader) detach() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.r = nil
}

func (b *bodyReader) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.r == nil {
		return 0, errDetached
	}
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", errBody, err)
	}
	return n, err
}
