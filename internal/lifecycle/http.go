package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	// streamGrace is how long streams may go on after the stop was asked for,
	// before their contexts end.
	streamGrace = 3 * time.Second
)

// HTTP is the part that serves handler on a listener, with HTTP/1.1 and HTTP/2
// in clear text (which Connect's bidirectional streams need). Stop closes the
// listener, lets requests finish, ends the contexts of those that go on after 3
// seconds (event streams never finish by themselves), and cuts what is left at
// the deadline.
func HTTP(name string, l net.Listener, handler http.Handler, log *slog.Logger) Part {
	base, cancel := context.WithCancel(context.Background())
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	srv := &http.Server{
		Handler:           handler,
		Protocols:         &protocols,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return base },
	}
	if log != nil {
		srv.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	}
	var stopping atomic.Bool
	return Part{
		Name: name,
		Run: func(ctx context.Context) error {
			err := srv.Serve(l)
			if !errors.Is(err, http.ErrServerClosed) || !stopping.Load() {
				cancel()
				return err
			}
			<-ctx.Done() // Stop has drained, or is still at it
			return nil
		},
		Stop: func(ctx context.Context) error {
			defer cancel()
			stopping.Store(true)
			grace := time.AfterFunc(streamGrace, cancel)
			defer grace.Stop()
			if err := srv.Shutdown(ctx); err != nil {
				return errors.Join(err, srv.Close())
			}
			return nil
		},
	}
}
