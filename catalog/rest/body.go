package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a request. A schema of a hundred nested structs
// stays below it.
const maxDepth = 512

// readBody reads a whole body below its cap. The cap holds before anything is
// parsed: a request never costs more memory than its cap.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, &tooLargeError{limit}
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, &tooLargeError{limit}
		}
		return nil, badRequest("the request body ended early")
	}
	return data, nil
}

// decode reads one JSON document into v. Unknown fields are tolerated, because
// newer clients send more; a key that stands twice in an object is refused,
// because two readers may take different ones.
func decode(data []byte, v any) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return badRequest("the request has no body; send a JSON document")
	}
	if !utf8.Valid(data) {
		return badRequest("the request body is not UTF-8 text")
	}
	if err := checkKeys(data); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return badRequest("the request body does not fit the operation: %v", err)
	}
	return nil
}

// checkKeys walks the document once and refuses repeated keys, nesting beyond
// maxDepth and text after the document.
func checkKeys(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	type level struct {
		keys  map[string]struct{} // nil in an array
		value bool                // a key was read, its value comes next
	}
	var stack []level
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) && len(stack) == 0 {
			return nil
		}
		if err != nil {
			return badRequest("the request body is not JSON: %v", err)
		}
		top := len(stack) - 1
		if key, ok := token.(string); ok && top >= 0 && stack[top].keys != nil && !stack[top].value {
			if _, twice := stack[top].keys[key]; twice {
				return badRequest("the key %q stands twice in one object of the request", key)
			}
			stack[top].keys[key] = struct{}{}
			stack[top].value = true
			continue
		}
		delim, isDelim := token.(json.Delim)
		if top >= 0 && (!isDelim || delim == '{' || delim == '[') {
			stack[top].value = false
		}
		switch delim {
		case '{':
			stack = append(stack, level{keys: map[string]struct{}{}})
		case '[':
			stack = append(stack, level{})
		case '}', ']':
			stack = stack[:top]
		}
		if len(stack) > maxDepth {
			return badRequest("the request is nested deeper than %d levels", maxDepth)
		}
		if len(stack) == 0 && dec.More() {
			return badRequest("the request body holds more than one JSON document")
		}
	}
}
