package rest

import (
	"crypto/sha256"
	"encoding/binary"
	"net/http"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
)

// idempotencyKey reads the Idempotency-Key header. All operations share one
// scope, because a key used for one operation may not be used for another. The
// hash covers everything that decides what the request does.
func idempotencyKey(r *http.Request, body []byte) (*catalog.IdempotencyKey, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return nil, nil
	}
	if len(values) > 1 {
		return nil, badRequest("the request has %d Idempotency-Key headers, the most is one", len(values))
	}
	id, err := uuid.Parse(values[0])
	if err != nil || len(values[0]) != 36 {
		return nil, badRequest("the Idempotency-Key %q is no UUID of 36 characters", values[0])
	}
	h := sha256.New()
	for _, part := range []string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, string(body)} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	key := &catalog.IdempotencyKey{Scope: "rest", Key: id.String()}
	h.Sum(key.RequestHash[:0])
	return key, nil
}
