package writer

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

type holdKey struct{}

// perByte is what a byte of a message costs while the request is decoded: the
// message as it was sent, and the one decoded from it.
const perByte = 2

// admitBodies takes the messages of appends before Connect does, which reads
// and decompresses a whole one into buffers that double before it calls the
// service. A message counts in the byte budget before it is held, and what is
// too large or does not fit is refused as soon as that is known, in the
// protocol of the request.
func (s *Service) admitBodies(next http.Handler, opts []connect.HandlerOption) http.Handler {
	errors := connect.NewErrorWriter(opts...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// What is in no protocol that Append has Connect refuses unread.
		stream := strings.HasPrefix(r.Header.Get("Content-Type"), "application/connect+")
		if !strings.HasSuffix(r.URL.Path, firnv1connect.IngestServiceAppendProcedure) || stream || !errors.IsSupported(r) {
			next.ServeHTTP(w, r)
			return
		}
		h := &hold{b: s.budget}
		defer h.release()
		admitted, err := s.takeBody(r, h)
		if err != nil {
			h.release()
			s.metrics.refuse(err)
			drain(w, r)
			if writeErr := errors.Write(w, r, s.rpcError(r.Context(), "append", err)); writeErr != nil {
				s.cfg.Logger.DebugContext(r.Context(), "answer to refused request lost", "error", writeErr)
			}
			return
		}
		next.ServeHTTP(w, admitted.WithContext(context.WithValue(r.Context(), holdKey{}, h)))
	})
}

// draining is how long the rest of a refused body is read.
const draining = 5 * time.Second

// drain reads the rest of a refused body and keeps nothing of it: a client of
// HTTP/1 that sends all before it reads would otherwise find its connection
// reset, and no answer. One that expects 100 Continue has not sent anything.
func drain(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 1 || r.Header.Get("Expect") != "" {
		return
	}
	if http.NewResponseController(w).SetReadDeadline(time.Now().Add(draining)) == nil {
		_, _ = io.Copy(io.Discard, r.Body) // the refusal stands, however this ends
	}
}
