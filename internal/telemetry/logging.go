// Package telemetry is what a process tells about itself: logs, metrics, its
// version and its memory. Rooms take a *slog.Logger and a prometheus.Registerer;
// this package makes them, once, in cmd.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
)

// LogConfig says how to log.
type LogConfig struct {
	Level  string // debug, info (default), warn or error
	Format string // auto (default: text on a terminal, else JSON), text or json
}

// NewLogger makes the logger of the process. Attributes whose key names a
// secret are redacted; both formats escape control characters, so that no value
// can forge a line.
func NewLogger(w io.Writer, cfg LogConfig) (*slog.Logger, error) {
	var level slog.Level
	if cfg.Level != "" {
		if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
			return nil, fmt.Errorf("log level %q: choose debug, info, warn or error", cfg.Level)
		}
	}
	text := false
	switch cfg.Format {
	case "", "auto":
		text = terminal(w)
	case "text":
		text = true
	case "json":
	default:
		return nil, fmt.Errorf("log format %q: choose auto, text or json", cfg.Format)
	}
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: redact}
	if !text {
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	}
	opts.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.String(slog.TimeKey, a.Value.Time().Format(time.TimeOnly))
		}
		return redact(groups, a)
	}
	return slog.New(slog.NewTextHandler(w, opts)), nil
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

var secretWords = []string{"secret", "password", "token", "authorization", "credential"}

func redact(_ []string, a slog.Attr) slog.Attr {
	key := strings.ToLower(a.Key)
	for _, word := range secretWords {
		if strings.Contains(key, word) {
			return slog.String(a.Key, "(redacted)")
		}
	}
	return a
}
