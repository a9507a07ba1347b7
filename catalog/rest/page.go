package rest

import (
	"encoding/base64"
	"net/url"
	"strconv"
)

const (
	defaultPage = 1000
	maxPage     = 10_000
)

// page cuts one page out of a sorted list. As the specification has it, a
// request without a pageToken gets everything. The token is the key of the last
// entry answered, so entries that come or go between pages shift nothing.
func page[T any](q url.Values, items []T, key func(T) string) ([]T, string, error) {
	if !q.Has("pageToken") {
		return items, "", nil
	}
	size := defaultPage
	if text := q.Get("pageSize"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, "", badRequest("pageSize %q is no positive number", text)
		}
		size = min(n, maxPage)
	}
	after, err := base64.RawURLEncoding.DecodeString(q.Get("pageToken"))
	if err != nil {
		return nil, "", badRequest("pageToken is not one this server gave out; start over without a token")
	}
	start := 0
	if len(after) > 0 {
		for start < len(items) && key(items[start]) <= string(after) {
			start++
		}
	}
	end := min(start+size, len(items))
	next := ""
	if end < len(items) {
		next = base64.RawURLEncoding.EncodeToString([]byte(key(items[end-1])))
	}
	return items[start:end], next, nil
}
