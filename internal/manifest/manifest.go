// Package manifest makes manifests of all engines readable for iceberg-go.
//
// Iceberg on the JVM names the partition fields in a manifest's Avro schema by
// Java's idea of a letter: a column "größe" keeps its name. Avro's
// specification allows ASCII only, and iceberg-go's reader holds to it: it
// refuses the whole file. Readers find the fields by their ids, so another name
// in the schema changes nothing that is read.
package manifest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	iceio "github.com/apache/iceberg-go/io"
)

const magic = "Obj\x01"

var errHead = errors.New("the head of the avro file ends early")

// Readable answers the Avro file with the names of its schema's fields in
// ASCII. A file that has such names already is answered as it is, not copied; so
// is one whose head is damaged, for the reader to say what is wrong.
func Readable(data []byte) []byte {
	length, start, end, err := schemaOf(data)
	if err != nil || !suspect(data[start:end]) {
		return data
	}
	decoder := json.NewDecoder(bytes.NewReader(data[start:end]))
	decoder.UseNumber()
	var schema any
	if decoder.Decode(&schema) != nil || !rename(schema) {
		return data
	}
	text, err := json.Marshal(schema)
	if err != nil {
		return data
	}
	return slices.Concat(data[:length], binary.AppendVarint(nil, int64(len(text))), text, data[end:])
}

// suspect: letters beyond ASCII stand in JSON as they are or escaped.
func suspect(schema []byte) bool {
	return bytes.Contains(schema, []byte(`\u`)) || slices.ContainsFunc(schema, func(b byte) bool { return b >= 0x80 })
}

// schemaOf finds the schema in the head, and where its length stands: "Obj" 1,
// then blocks of pairs of key and value, ended by an empty one.
func schemaOf(data []byte) (length, start, end int, err error) {
	if !bytes.HasPrefix(data, []byte(magic)) {
		return 0, 0, 0, errHead
	}
	at := len(magic)
	number := func() int64 {
		n, size := binary.Varint(data[at:])
		if size <= 0 {
			err = errHead
			return 0
		}
		at += size
		return n
	}
	text := func() []byte {
		n := number()
		if err != nil || n < 0 || n > int64(len(data)-at) {
			err = errHead
			return nil
		}
		at += int(n)
		return data[at-int(n) : at]
	}
	for err == nil {
		pairs := number()
		if pairs < 0 { // the size of the block in bytes follows
			pairs = -pairs
			number()
		}
		if pairs == 0 {
			return 0, 0, 0, errHead
		}
		for ; pairs > 0 && err == nil; pairs-- {
			key := text()
			length := at
			value := text()
			if err == nil && string(key) == "avro.schema" {
				return length, at - len(value), at, nil
			}
		}
	}
	return 0, 0, 0, err
}

// rename gives fields with names beyond ASCII others, each one another, and
// reports whether there were any.
func rename(node any) (changed bool) {
	switch n := node.(type) {
	case []any:
		for _, each := range n {
			changed = rename(each) || changed
		}
	case map[string]any:
		for _, each := range n {
			changed = rename(each) || changed
		}
		fields, _ := n["fields"].([]any)
		taken := map[string]bool{}
		for _, f := range fields {
			taken[nameOf(f)] = true
		}
		for _, f := range fields {
			name := nameOf(f)
			other := ascii(name)
			if other == name {
				continue
			}
			for taken[other] {
				other += "_"
			}
			taken[other] = true
			f.(map[string]any)["name"] = other //nolint:forcetypeassert // it has a name
			changed = true
		}
	}
	return changed
}

func nameOf(field any) string {
	f, _ := field.(map[string]any)
	name, _ := f["name"].(string)
	return name
}

// ascii escapes as Iceberg does: a slash is _x2F.
func ascii(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "_x%X", r)
		}
	}
	return b.String()
}

// IO opens files of another one as Readable answers them, whole in memory. It is
// for manifests only.
func IO(files iceio.IO) iceio.IO { return readable{files} }

type readable struct{ iceio.IO }

func (r readable) Open(name string) (iceio.File, error) {
	f, err := r.IO.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	data = Readable(data)
	return &file{Reader: bytes.NewReader(data), name: name}, nil
}

// file is a manifest in memory.
type file struct {
	*bytes.Reader
	name string
}

func (f *file) Close() error               { return nil }
func (f *file) Stat() (fs.FileInfo, error) { return info{f}, nil }

type info struct{ f *file }

func (i info) Name() string       { return i.f.name }
func (i info) Size() int64        { return i.f.Reader.Size() }
func (i info) Mode() fs.FileMode  { return 0o444 }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return false }
func (i info) Sys() any           { return nil }
