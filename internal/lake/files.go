package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/firnlake/firn/internal/objstore"
)

// local answers paths on this machine for locations, in their order. Until
// release they stay there.
func (l *Lake) local(ctx context.Context, locations []string) (paths []string, release func(), err error) {
	if l.files != nil {
		return l.files.hold(ctx, locations)
	}
	paths = make([]string, len(locations))
	for i, loc := range locations {
		path, ok := l.bucket.LocalPath(loc)
		if !ok {
			return nil, nil, fmt.Errorf("%w: %s is outside the bucket %s", ErrUnsupported, loc, l.bucket.Name())
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("read %s: %w", loc, objstore.ErrNotFound)
		}
		paths[i] = path
	}
	return paths, func() {}, nil
}
