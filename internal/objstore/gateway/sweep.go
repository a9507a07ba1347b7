package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/versity/versitygw/backend/posix"
)

// uploadAge is how old an unfinished multipart upload must be to be removed.
const uploadAge = 24 * time.Hour

// sweepUploads removes multipart uploads that a killed client or process left
// behind. Nothing can refer to them: an upload is no object before it is
// completed. It returns how many it removed.
func sweepUploads(dir string, olderThan time.Time) (int, error) {
	// bucket / .sgwtmp/multipart / hash of the key / upload
	uploads, err := filepath.Glob(filepath.Join(globQuote(dir), "*", posix.MetaTmpMultipartDir, "*", "*"))
	if err != nil {
		return 0, fmt.Errorf("look for unfinished uploads in %s: %w", dir, err)
	}
	removed := 0
	for _, path := range uploads {
		st, err := os.Lstat(path)
		if err != nil || !st.IsDir() || st.ModTime().After(olderThan) {
			continue // gone, or not an upload, or perhaps alive
		}
		if err := os.RemoveAll(path); err != nil {
			return removed, fmt.Errorf("remove unfinished upload: %w", err)
		}
		removed++
		// The folder of the key goes when this was its last upload.
		_ = os.Remove(filepath.Dir(path))
	}
	return removed, nil
}

// globQuote makes a path match itself.
func globQuote(path string) string {
	var quoted []byte
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			quoted = append(quoted, '\\')
		}
		quoted = append(quoted, path[i])
	}
	return string(quoted)
}
