package objstore

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

const (
	maxKeyBytes     = 1024 // S3
	maxSegmentBytes = 255  // file names of the embedded gateway
	gatewayTemp     = ".sgwtmp"
)

// CheckKey is the validator for object keys. A key is UTF-8 text of 1 to 1024
// bytes made of segments of 1 to 255 bytes joined by single slashes. No segment
// is "." or "..", none holds a control character, a backslash, "?" or "#", none
// holds percent escapes that decode to one of these, to "/" or to "." (other
// escapes are legal, and nobody decodes them), and the first is not the
// gateway's private folder.
// A partition folder, name=value, may hold any escape: engines escape there what
// the rows hold, and the names of columns. Decoded, it must not lead elsewhere
// either.
// Errors wrap [ErrInvalidKey] and name the reason.
func CheckKey(key string) error {
	refuse := func(reason string) error {
		return fmt.Errorf("%w: %q: %s", ErrInvalidKey, shorten(key), reason)
	}
	switch {
	case key == "":
		return refuse("it is empty")
	case len(key) > maxKeyBytes:
		return refuse(fmt.Sprintf("it has %d bytes, at most %d are allowed", len(key), maxKeyBytes))
	case !utf8.ValidString(key):
		return refuse("it is not UTF-8")
	}
	for segment := range strings.SplitSeq(key, "/") {
		switch {
		case segment == "":
			return refuse("it has an empty segment (a leading, trailing or double slash)")
		case segment == "." || segment == "..":
			return refuse("it has a segment " + segment)
		case len(segment) > maxSegmentBytes:
			return refuse(fmt.Sprintf("a segment has %d bytes, at most %d are allowed", len(segment), maxSegmentBytes))
		}
	}
	if strings.HasPrefix(key, gatewayTemp+"/") || key == gatewayTemp {
		return refuse("the folder " + gatewayTemp + " is private to the gateway")
	}
	for _, r := range key {
		if bad, why := forbidden(r); bad {
			return refuse("it holds " + why)
		}
	}
	if strings.Contains(key, "%") {
		for segment := range strings.SplitSeq(key, "/") {
			if why := checkEscapes(segment); why != "" {
				return refuse(why)
			}
		}
	}
	return nil
}

// checkEscapes says what is wrong with a segment's percent escapes.
func checkEscapes(segment string) string {
	decoded := unescape(segment)
	if decoded == segment {
		return ""
	}
	if strings.Contains(segment, "=") {
		for part := range strings.SplitSeq(decoded, "/") {
			if part == "." || part == ".." || strings.ContainsRune(part, 0) {
				return "its partition folder " + shorten(segment) + " leads elsewhere when it is decoded"
			}
		}
		return ""
	}
	// Only what the escapes add: the dots of a file's name are its own.
	plain := map[rune]int{}
	for _, r := range segment {
		plain[r]++
	}
	for rest := decoded; rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		if r == utf8.RuneError && size == 1 {
			r = rune(rest[0])
		}
		rest = rest[size:]
		if plain[r]--; plain[r] >= 0 {
			continue
		}
		if bad, why := forbidden(r); bad {
			return "it holds an escape of " + why
		}
		if r == '/' || r == '.' {
			return fmt.Sprintf("it holds an escape of %q", r)
		}
	}
	return ""
}

func forbidden(r rune) (bool, string) {
	switch {
	case r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0):
		return true, "a control character"
	case r == 0x2028 || r == 0x2029 || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) || r == 0xfeff:
		return true, "an invisible formatting character"
	case r == '\\':
		return true, "a backslash"
	case r == '?':
		return true, "a query (?)"
	case r == '#':
		return true, "a fragment (#)"
	}
	return false, ""
}

// unescape decodes percent escapes until none is left, so that a client which
// decodes twice sees nothing that was not checked.
func unescape(s string) string {
	for {
		var b strings.Builder
		for i := 0; i < len(s); i++ {
			if s[i] == '%' && i+2 < len(s) {
				hi, ok1 := unhex(s[i+1])
				lo, ok2 := unhex(s[i+2])
				if ok1 && ok2 {
					b.WriteByte(hi<<4 | lo)
					i += 2
					continue
				}
			}
			b.WriteByte(s[i])
		}
		if b.Len() == len(s) {
			return s
		}
		s = b.String()
	}
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// Location is the s3:// URL of a key in this bucket. The key is taken as it is.
func (b *Bucket) Location(key string) string { return "s3://" + b.cfg.Bucket + "/" + key }

// Key returns the key of a location in this bucket. It is the validator for
// locations that come from outside: only s3:// and s3a:// in lower case, only
// this bucket, spelled exactly, no user info, port, query or fragment, and a
// key that [CheckKey] accepts. Nothing is decoded or cleaned: what does not
// hold is refused with an error that wraps [ErrInvalidKey].
func (b *Bucket) Key(location string) (string, error) {
	refuse := func(reason string) (string, error) {
		return "", fmt.Errorf("location %q: %w: %s", shorten(location), ErrInvalidKey, reason)
	}
	rest, ok := strings.CutPrefix(location, "s3://")
	if !ok {
		rest, ok = strings.CutPrefix(location, "s3a://")
	}
	if !ok {
		return refuse("it does not begin with s3://" + b.cfg.Bucket + "/")
	}
	bucket, key, ok := strings.Cut(rest, "/")
	switch {
	case strings.Contains(bucket, "@"):
		return refuse("it holds user information")
	case bucket != b.cfg.Bucket:
		return refuse("it is not in bucket " + b.cfg.Bucket)
	case !ok:
		return refuse("it names the bucket, not an object")
	}
	if err := CheckKey(key); err != nil {
		return "", fmt.Errorf("location: %w", err)
	}
	return key, nil
}

// PrefixKey is [Bucket.Key] for the location of a folder: one trailing slash is
// accepted and removed, so that prefixes can be compared as prefix + "/".
func (b *Bucket) PrefixKey(location string) (string, error) {
	return b.Key(strings.TrimSuffix(location, "/"))
}

// LocalPath is the path of the file that holds a location's object, when the
// gateway of this process serves the bucket. Files must only be read: the
// gateway keeps metadata beside them. It is false too for a location that
// [Bucket.Key] refuses.
func (b *Bucket) LocalPath(location string) (string, bool) {
	if b.cfg.LocalRoot == "" {
		return "", false
	}
	key, err := b.Key(location)
	if err != nil {
		return "", false
	}
	return b.path(key), true
}

func (b *Bucket) path(key string) string {
	return filepath.Join(b.cfg.LocalRoot, filepath.FromSlash(key))
}

func shorten(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}
