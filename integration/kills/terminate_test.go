package kills

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTerminate ends the process with SIGTERM in the middle of ingestion and
// promotion: it drains and ends with 0, what it had taken is there, and the
// next one goes on. Then rows, files and offsets are checked as after kills.
func TestTerminate(t *testing.T) {
	const ends = 3
	l := open(t, 20_000)
	l.load.gate.advance(0.2)
	for i := range ends {
		remote := connectTo(l.process.base())
		require.NoError(t, remember(t.Context(), remote, l.load))
		_, _, err := remote.observe(nil).until(l.ctx, func(a activity) bool {
			l.load.gate.advance(0.001) // rows keep coming
			return l.load.inFlight.Load() > 0 && (i == 0 || len(a.promotions) > 0)
		})
		l.stillSending(t)
		require.NoError(t, err)
		inFlight := l.load.inFlight.Load()
		took, err := l.process.terminate()
		require.NoError(t, err)
		l.stillSending(t)
		require.Empty(t, l.process.errors(t), "a stop that was asked for is no error of anything")
		up, err := l.process.start(t.Context())
		require.NoError(t, err)
		t.Logf("drained in %s with %d requests in flight, started again in %s", took.Round(time.Millisecond), inFlight, up.Round(time.Millisecond))
		l.load.gate.advance(0.2)
	}
	l.finish(t)
	l.checkpoint(t)
	_, err := l.process.terminate()
	require.NoError(t, err)
	leftovers(t, l.process.data)
}

// errors are the lines of the log that report one.
func (p *process) errors(t *testing.T) (out []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.data, "dev.log"))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, `"level":"WARN"`) || strings.Contains(line, "INTERNAL ERROR") {
			out = append(out, line)
		}
	}
	return out[:min(len(out), 5)]
}
