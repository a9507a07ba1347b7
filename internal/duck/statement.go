package duck

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Quote is a string as a SQL literal.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// QuoteName is a name as a quoted SQL identifier.
func QuoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// QuoteList is a list of strings as a SQL list.
func QuoteList(list []string) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, s := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(Quote(s))
	}
	b.WriteByte(']')
	return b.String()
}

// settings are the statements that give a job its share of the machine.
func settings(req *request) []string {
	spillAt := req.MemoryBytes * 3 / 4
	if req.SpillEarly {
		spillAt = req.MemoryBytes * 2 / 5
	}
	return []string{
		"SET TimeZone = 'UTC'",
		"SET Calendar = 'gregorian'",
		fmt.Sprintf("SET memory_limit = '%dB'", max(spillAt, 32<<20)),
		"SET temp_directory = " + Quote(req.TempDir),
		fmt.Sprintf("SET max_temp_directory_size = '%dB'", req.TempBytes),
		fmt.Sprintf("SET threads = %d", req.Threads),
		fmt.Sprintf("SET preserve_insertion_order = %t", req.PreserveOrder),
		"SET parquet_metadata_cache = true",
		fmt.Sprintf("SET enable_progress_bar = %t", req.Progress),
		"SET enable_progress_bar_print = false",
	}
}

// locks are the statements after which nothing can be reached but the job's
// files, and no setting changed.
func locks(req *request) []string {
	stmts := []string{"SET allowed_paths = " + QuoteList(req.Read)}
	if req.WriteDir != "" {
		stmts = append(stmts, "SET allowed_directories = "+QuoteList([]string{req.WriteDir}))
	}
	return append(stmts,
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	)
}

// oneSelect refuses a syntax tree that is not exactly one SELECT.
func oneSelect(tree []byte) error {
	var doc struct {
		Error      bool              `json:"error"`
		Type       string            `json:"error_type"`
		Message    string            `json:"error_message"`
		Position   json.Number       `json:"position"`
		Statements []json.RawMessage `json:"statements"`
	}
	if err := json.Unmarshal(tree, &doc); err != nil {
		return fmt.Errorf("read syntax tree: %w", err)
	}
	switch {
	case doc.Error && doc.Type == "not implemented":
		return &wireError{
			Class: classSQL, Kind: "Permission", Position: -1,
			Message: "only SELECT statements are answered here; tables are changed by ingestion, models and the catalog's own commands",
		}
	case doc.Error:
		pos := -1
		if n, err := strconv.Atoi(doc.Position.String()); err == nil {
			pos = n
		}
		return &wireError{Class: classSQL, Kind: "Parser", Message: doc.Message, Position: pos}
	case len(doc.Statements) == 0:
		return &wireError{Class: classSQL, Kind: "Parser", Position: -1, Message: "the statement is empty: send one SELECT"}
	case len(doc.Statements) != 1:
		return &wireError{
			Class: classSQL, Kind: "Parser", Position: -1,
			Message: fmt.Sprintf("expected one statement, found %d: send them one at a time", len(doc.Statements)),
		}
	}
	return nil
}

// sqlError reads an error of DuckDB, which is JSON where errors_as_json
// reaches, else text.
func sqlError(msg string) *wireError {
	e := &wireError{Class: classSQL, Position: -1}
	var doc struct {
		Type     string `json:"exception_type"`
		Message  string `json:"exception_message"`
		Position string `json:"position"`
	}
	if json.Unmarshal([]byte(msg), &doc) == nil && doc.Message != "" {
		e.Kind, e.Message = doc.Type, doc.Message
		if n, err := strconv.Atoi(doc.Position); err == nil {
			e.Position = n
		}
	} else if kind, rest, ok := strings.Cut(msg, " Error: "); ok && !strings.ContainsAny(kind, "\n:") {
		e.Kind, e.Message = kind, rest
	} else {
		e.Message = msg
	}
	if text, _, ok := strings.Cut(e.Message, "\n\nLINE "); ok {
		e.Message = text
	}
	switch {
	case strings.Contains(e.Message, "No space left on device"):
		e.Class = classDiskFull
	case e.Kind == "Out of Memory" || strings.Contains(e.Message, "bad_alloc") || strings.Contains(e.Message, "could not allocate") ||
		strings.Contains(e.Message, "failed to allocate") || strings.Contains(e.Message, "Cannot allocate memory"),
		// A codec that cannot allocate answers so in place of a size, and the
		// Parquet writer takes the answer for one.
		strings.Contains(e.Message, "compressed page size out of range"):
		e.Class = classMemory
	case e.Kind == "INTERNAL" || e.Kind == "FATAL" || e.Kind == "Fatal" || e.Kind == "Internal":
		e.Class = classInternal
		e.Message, _, _ = strings.Cut(e.Message, "\n")
	}
	return e
}

// scrubber takes local paths out of messages.
type scrubber struct{ dirs []string }

func newScrubber(req *request) *scrubber {
	seen := map[string]bool{}
	add := func(dir string) {
		if dir != "" && dir != "/" && dir != "." {
			seen[dir] = true
		}
	}
	for _, path := range req.Read {
		add(filepath.Dir(path))
	}
	add(req.TempDir)
	add(req.WriteDir)
	s := &scrubber{}
	for dir := range seen {
		s.dirs = append(s.dirs, dir)
	}
	// Longest first: a folder inside another goes as a whole.
	slices.SortFunc(s.dirs, func(a, b string) int { return len(b) - len(a) })
	return s
}

// clean answers err as a *wireError without local paths if it is the engine's
// own, else err as it is.
func (s *scrubber) clean(err error) error {
	e, ok := errors.AsType[*wireError](err)
	if !ok {
		return err
	}
	for _, dir := range s.dirs {
		e.Message = strings.ReplaceAll(e.Message, dir+"/", "")
		e.Message = strings.ReplaceAll(e.Message, dir, "(folder)")
	}
	return e
}
