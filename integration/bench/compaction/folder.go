package compaction

import (
	"path/filepath"
	"strings"

	iceio "github.com/apache/iceberg-go/io"
)

// Folder is the folder where the embedded object store keeps its objects, as
// storage for iceberg-go: the object s3://bucket/key is the file bucket/key.
type Folder string

// Path of the file of a location.
func (f Folder) Path(location string) string {
	return filepath.Join(string(f), strings.TrimPrefix(location, "s3://"))
}

// Open implements iceio.IO.
func (f Folder) Open(name string) (iceio.File, error) { return iceio.LocalFS{}.Open(f.Path(name)) }

// ReadFile implements iceio.ReadFileIO.
func (f Folder) ReadFile(name string) ([]byte, error) { return iceio.LocalFS{}.ReadFile(f.Path(name)) }

// Create implements iceio.WriteFileIO.
func (f Folder) Create(name string) (iceio.FileWriter, error) {
	return iceio.LocalFS{}.Create(f.Path(name))
}

// WriteFile implements iceio.WriteFileIO.
func (f Folder) WriteFile(name string, content []byte) error {
	return iceio.LocalFS{}.WriteFile(f.Path(name), content)
}

// Remove implements iceio.IO.
func (f Folder) Remove(name string) error { return iceio.LocalFS{}.Remove(f.Path(name)) }
