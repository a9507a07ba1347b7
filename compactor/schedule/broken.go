package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/firnlake/firn/catalog"
)

// Broken is a schedule whose record cannot be used: what is wrong, why, and what
// helps, a line each. It never fires, keeps no other from firing, and can be put
// again or removed. It is a [catalog.ErrInvalid].
type Broken struct {
	Name string
	Err  error
}

func (e *Broken) Error() string {
	return fmt.Sprintf("schedule %s cannot be used\n%s\n%s", e.Name, e.Why(), e.Help())
}

// Why it cannot be used, in one line.
func (e *Broken) Why() string {
	if bad, ok := errors.AsType[*Invalid](e.Err); ok {
		return bad.What + ": " + bad.Why
	}
	return "its record in the store cannot be read: " + strings.ReplaceAll(e.Err.Error(), "\n", " ")
}

// Help says what brings it back to order.
func (e *Broken) Help() string {
	return fmt.Sprintf("firn schedule put %s ...   (put it again), or firn schedule rm %s", e.Name, e.Name)
}

func (e *Broken) Unwrap() error { return catalog.ErrInvalid }

// Broken is nil for a schedule that can fire.
func (s *Schedule) Broken() *Broken {
	if s.broken != nil {
		return &Broken{s.Name, s.broken}
	}
	if _, err := s.compile(); err != nil {
		return &Broken{s.Name, err}
	}
	return nil
}

// decode reads a record. Of one that cannot be read there are the name, the version
// and what is wrong.
func (b *Book) decode(kv catalog.KV) Schedule {
	name := strings.TrimPrefix(kv.Key, b.key(""))
	var s Schedule
	err := json.Unmarshal(kv.Value, &s)
	if err == nil && s.Name != name {
		// It would be written to another key than it was read from.
		err = fmt.Errorf("it is of a schedule %q", s.Name)
	}
	if err != nil {
		s = Schedule{Definition: Definition{Name: name}, broken: err}
	}
	s.version = kv.Version
	return s
}

// tell reports a broken schedule once for each version of its record.
func (b *Book) tell(ctx context.Context, all []Schedule) {
	b.mu.Lock()
	defer b.mu.Unlock()
	told := map[string]catalog.Version{}
	for i := range all {
		s := &all[i]
		broken := s.Broken()
		if broken == nil {
			continue
		}
		told[s.Name] = s.version
		if before, known := b.told[s.Name]; !known || before != s.version {
			b.cfg.Broken(ctx, broken)
		}
	}
	b.told = told
}
