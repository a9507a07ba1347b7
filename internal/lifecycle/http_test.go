package lifecycle

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

func TestHTTPDrain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	inside, finish := make(chan struct{}), make(chan struct{})
	streamEnded := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		inside <- struct{}{}
		<-finish
		io.WriteString(w, "done")
	})
	mux.HandleFunc("/stream", func(_ http.ResponseWriter, r *http.Request) {
		inside <- struct{}{}
		<-r.Context().Done() // never ends by itself
		close(streamEnded)
	})
	g, err := New(Config{Parts: []Part{HTTP("http", l, mux, nil)}, Drain: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- g.Run(ctx) }()

	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	get := func(path string) <-chan string {
		answer := make(chan string, 1)
		go func() {
			resp, err := client.Get("http://" + l.Addr().String() + path)
			if err != nil {
				answer <- err.Error()
				return
			}
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			answer <- string(text)
		}()
		return answer
	}
	slow := get("/slow")
	<-inside
	stream := get("/stream")
	<-inside
	cancel()
	for { // the listener closes; until then connections may still be accepted
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break
		}
		c.Close()
	}
	close(finish)
	if got := <-slow; got != "done" {
		t.Errorf("a request in flight was cut: %q", got)
	}
	<-streamEnded
	<-stream
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
}
