package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
)

// TestEverySentinelHasARule reads the catalog's source, so that a new error
// cannot be forgotten here.
func TestEverySentinelHasARule(t *testing.T) {
	sources, err := filepath.Glob("../*.go")
	require.NoError(t, err)
	var sentinels []string
	for _, path := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(name.Name, "Err") {
						sentinels = append(sentinels, name.Name)
					}
				}
			}
		}
	}
	require.Greater(t, len(sentinels), 8, "the source was read")
	source, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	require.NoError(t, err)
	ruled := map[string]bool{}
	ast.Inspect(source, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			ruled[sel.Sel.Name] = true
		}
		return true
	})
	for _, name := range sentinels {
		assert.True(t, ruled[name], "catalog.%s has no rule in errors.go", name)
	}
}

func TestAnswers(t *testing.T) {
	conflict := &catalog.RequirementError{Ident: catalog.Ident{Namespace: catalog.Namespace{"a"}, Name: "t"}, Reason: "main moved"}
	for _, c := range []struct {
		err    error
		status int
		kind   string
	}{
		{catalog.ErrNoSuchNamespace, 404, "NoSuchNamespaceException"},
		{catalog.ErrNoSuchTable, 404, "NoSuchTableException"},
		{catalog.ErrNoSuchView, 404, "NoSuchViewException"},
		{catalog.ErrAlreadyExists, 409, "AlreadyExistsException"},
		{catalog.ErrNamespaceNotEmpty, 409, "NamespaceNotEmptyException"},
		{catalog.ErrInvalid, 400, "BadRequestException"},
		{conflict, 409, "CommitFailedException"},
		{catalog.ErrCommitConflict, 409, "CommitFailedException"},
		{catalog.ErrUnknownOutcome, 500, "CommitStateUnknownException"},
		{catalog.ErrIdempotencyMismatch, 422, "UnprocessableEntityException"},
		{catalog.ErrStoreReadOnly, 429, "SlowDownException"},
		{fmt.Errorf("%w: %w", catalog.ErrNotCommitted, context.Canceled), 429, "SlowDownException"},
		{catalog.ErrStoreFailed, 500, "CommitStateUnknownException"},
		{catalog.ErrClosed, 429, "SlowDownException"},
		{context.Canceled, 500, "CommitStateUnknownException"},
		{context.DeadlineExceeded, 504, "CommitStateUnknownException"},
		{&tooLargeError{10}, 413, "RequestTooLargeException"},
		{&methodError{[]string{"GET"}}, 405, "UnsupportedOperationException"},
		{badRequest("no"), 400, "BadRequestException"},
		{errNoRoute, 404, "NotFoundException"},
		{errNoWarehouse, 404, "NoSuchWarehouseException"},
		{errors.New("disk sda1 at /var/lib: secret"), 500, "InternalServerError"},
	} {
		model, _ := answer(fmt.Errorf("load table a.t: %w", c.err))
		assert.Equal(t, c.status, model.Code, c.err)
		assert.Equal(t, c.kind, model.Type, c.err)
		if c.status >= http.StatusInternalServerError {
			assert.NotContains(t, model.Message, "sda1")
			assert.NotContains(t, model.Message, "load table")
		}
	}
}

// A conflict inside of an unknown outcome stays unknown: the client must not clean up.
func TestUnknownWins(t *testing.T) {
	model, internal := answer(fmt.Errorf("%w after %w", catalog.ErrUnknownOutcome, catalog.ErrCommitConflict))
	assert.Equal(t, 500, model.Code)
	assert.True(t, internal)
}

func TestMessagesCarryNoControlCharacters(t *testing.T) {
	model, _ := answer(fmt.Errorf("%w: \x1b[31mname\n", catalog.ErrInvalid))
	assert.NotContains(t, model.Message, "\x1b")
	assert.NotContains(t, model.Message, "\n")
}

func TestETag(t *testing.T) {
	plain, err := newLoader(Config{})
	require.NoError(t, err)
	dev, err := newLoader(Config{DevCredentials: &DevCredentials{Endpoint: "127.0.0.1:1"}})
	require.NoError(t, err)
	all := plain.etag("s3://b/x.json", allSnapshots)
	assert.NotEqual(t, all, plain.etag("s3://b/x.json", refSnapshots), "another body")
	assert.NotEqual(t, all, plain.etag("s3://b/y.json", allSnapshots), "another version")
	assert.NotEqual(t, all, dev.etag("s3://b/x.json", allSnapshots), "another config")
	for header, want := range map[string]bool{all: true, "W/" + all: true, `"x", ` + all: true, "*": true, `"x"`: false, "": false, all[:5]: false} {
		assert.Equal(t, want, etagMatches(header, all), header)
	}
}

// A panic below is one request's failure, not the process's.
func TestPanicIsAnAnswer(t *testing.T) {
	var log bytes.Buffer
	s := &Server{
		router: newRouter("default", []route{{method: http.MethodGet, path: "/v1/config", serve: func(*Server, http.ResponseWriter, *request) error { panic("index of secret") }}}),
		log:    slog.New(slog.NewTextHandler(&log, nil)), metrics: newMetrics(nil),
	}
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/v1/config", nil))
	assert.Equal(t, http.StatusInternalServerError, rec.Code)
	assert.NotContains(t, rec.Body.String(), "secret")
	assert.Contains(t, log.String(), "index of secret")
}
