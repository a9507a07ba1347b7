package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// keys makes the store keys of one warehouse. DESIGN.md lists them. Names are percent-encoded
// one level at a time, so that no name can reach into another key.
type keys struct{ wh string }

func (k keys) namespace(ns Namespace) string {
	return fmt.Sprintf("ns/%s/%02x/%s", k.wh, len(ns), escapeLevels(ns))
}

// children is the prefix of the namespaces directly under parent.
func (k keys) children(parent Namespace) string {
	p := fmt.Sprintf("ns/%s/%02x/", k.wh, len(parent)+1)
	if len(parent) > 0 {
		p += escapeLevels(parent) + "/"
	}
	return p
}

// touched changes whenever something is made in the namespace.
func (k keys) touched(ns Namespace) string { return "nstouch/" + k.wh + "/" + escapeLevels(ns) }

func (k keys) tableNames(ns Namespace) string { return "tname/" + k.wh + "/" + escapeLevels(ns) + "//" }

func (k keys) tableName(id Ident) string { return k.tableNames(id.Namespace) + escape(id.Name) }

func (k keys) viewNames(ns Namespace) string { return "vname/" + k.wh + "/" + escapeLevels(ns) + "//" }
func (k keys) viewName(id Ident) string      { return k.viewNames(id.Namespace) + escape(id.Name) }

func (k keys) tables() string              { return "table/" + k.wh + "/" }
func (k keys) table(id uuid.UUID) string   { return k.tables() + id.String() }
func (k keys) view(id uuid.UUID) string    { return "view/" + k.wh + "/" + id.String() }
func (k keys) dropped(id uuid.UUID) string { return "drop/" + k.wh + "/" + id.String() }
func (k keys) allStaged() string           { return "stage/" + k.wh + "/" }
func (k keys) staged(id uuid.UUID) string  { return k.allStaged() + id.String() }

func (k keys) channels(id *uuid.UUID) string {
	if id == nil {
		return "channel/" + k.wh + "/"
	}
	return "channel/" + k.wh + "/" + id.String() + "/"
}

func (k keys) channel(id uuid.UUID, name string) string { return k.channels(&id) + escape(name) }

func (k keys) commit(id string) string { return "commit/" + k.wh + "/" + id }

func (k keys) idempotency(i IdempotencyKey) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s%s", len(i.Scope), i.Scope, i.Key)
	return "idem/" + k.wh + "/" + hex.EncodeToString(h.Sum(nil))
}

func (k keys) log() string                { return "log/" + k.wh + "/" }
func (k keys) audit() string              { return "audit/" + k.wh + "/" }
func (k keys) expiry() string             { return "expiry/" + k.wh + "/" }
func (k keys) intents() string            { return "intent/" + k.wh + "/" }
func (k keys) intent(id uuid.UUID) string { return k.intents() + id.String() }

func escapeLevels(ns Namespace) string {
	parts := make([]string, len(ns))
	for i, level := range ns {
		parts[i] = escape(level)
	}
	return strings.Join(parts, "/")
}

// escape keeps letters, digits and "-_."; every other byte becomes %XX.
func escape(s string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}
