package rest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/firnlake/firn/catalog"
)

// DevCredentials reach the development object store. They are static keys of a
// store on this machine and are sent to whoever loads a table.
type DevCredentials struct {
	// Endpoint is host:port for plain HTTP, or an address with its scheme.
	Endpoint, Region     string
	AccessKey, SecretKey string
}

func (c *DevCredentials) config() map[string]string {
	if c == nil {
		return map[string]string{}
	}
	region := c.Region
	if region == "" {
		region = "us-east-1"
	}
	endpoint := c.Endpoint
	if !strings.Contains(endpoint, "://") {
		endpoint = "http://" + endpoint
	}
	// The empty token says that the keys are no session's: Trino takes vended keys
	// only with all three, and every engine reads an empty one as none.
	return map[string]string{
		"s3.session-token":     "",
		"s3.endpoint":          endpoint,
		"s3.access-key-id":     c.AccessKey,
		"s3.secret-access-key": c.SecretKey,
		"s3.path-style-access": "true",
		"s3.region":            region,
		"client.region":        region,
	}
}

// loader writes load answers from the metadata bytes that the catalog keeps:
// the usual load parses and encodes nothing.
type loader struct {
	credentials *DevCredentials
	config      []byte // the encoded config object
	salt        []byte // part of every ETag, so that another config is another answer
	refs        *ristretto.Cache[string, []byte]
}

func newLoader(cfg Config) (*loader, error) {
	config, err := json.Marshal(cfg.DevCredentials.config())
	if err != nil {
		return nil, err
	}
	budget := cfg.RefsCacheBytes
	if budget == 0 {
		budget = 64 << 20
	}
	refs, err := ristretto.NewCache(&ristretto.Config[string, []byte]{NumCounters: 100_000, MaxCost: budget, BufferItems: 64})
	if err != nil {
		return nil, fmt.Errorf("rest: metadata cache: %w", err)
	}
	salt := sha256.Sum256(config)
	return &loader{credentials: cfg.DevCredentials, config: config, salt: salt[:], refs: refs}, nil
}

// snapshot modes of a load.
const (
	allSnapshots = "all"
	refSnapshots = "refs"
)

// etag names one answer: a metadata file is immutable, so its location stands
// for its content; the mode and the config make different bodies of it.
func (l *loader) etag(location, mode string) string {
	h := sha256.New()
	h.Write(l.salt)
	h.Write([]byte(mode))
	h.Write([]byte{0})
	h.Write([]byte(location))
	return `"` + hex.EncodeToString(h.Sum(nil)[:16]) + `"`
}

func etagMatches(header, etag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == "*" || candidate == etag {
			return true
		}
	}
	return false
}

// write answers a LoadTableResult. A staged table has no location yet.
func (l *loader) write(w http.ResponseWriter, r *request, location string, metadata []byte, mode string) error {
	var head bytes.Buffer
	head.WriteByte('{')
	if location != "" {
		w.Header().Set("ETag", l.etag(location, mode))
		text, err := json.Marshal(location)
		if err != nil {
			return err
		}
		head.WriteString(`"metadata-location":`)
		head.Write(text)
		head.WriteByte(',')
	}
	head.WriteString(`"metadata":`)
	tail := append([]byte(`,"config":`), l.config...)
	tail = append(tail, '}')
	writeBytes(w, r.Request, http.StatusOK, head.Bytes(), metadata, tail)
	return nil
}

// refsOnly is the metadata without the snapshots that no branch or tag names,
// from the cache when the file was asked for before.
func (l *loader) refsOnly(t *catalog.Table) []byte {
	if data, ok := l.refs.Get(t.MetadataLocation); ok {
		return data
	}
	data := t.RefsJSON()
	l.refs.Set(t.MetadataLocation, data, int64(len(data)))
	return data
}

func (s *Server) loadTable(w http.ResponseWriter, r *request) error {
	id, err := r.ident()
	if err != nil {
		return err
	}
	mode := allSnapshots
	if r.URL.RawQuery != "" {
		if v := r.URL.Query().Get("snapshots"); v != "" {
			mode = v
		}
	}
	if mode != allSnapshots && mode != refSnapshots {
		return badRequest("snapshots=%q is neither all nor refs", mode)
	}
	t, err := s.cat.LoadTable(r.Context(), id)
	if err != nil {
		return err
	}
	if match := r.Header.Get("If-None-Match"); match != "" {
		if etag := s.load.etag(t.MetadataLocation, mode); etagMatches(match, etag) {
			w.Header().Set("ETag", etag)
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	metadata := t.JSON
	if mode == refSnapshots {
		metadata = s.load.refsOnly(t)
	}
	return s.load.write(w, r, t.MetadataLocation, metadata, mode)
}
