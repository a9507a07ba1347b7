package badinput

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between Firn and its object store, and fails when told.
type proxy struct {
	t       *testing.T
	to      string
	address string

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool

	// cut says what happens to requests that write (PUT and POST).
	cut   atomic.Int32
	count atomic.Int64
}

// How a proxy fails.
const (
	pass      = iota
	cutBefore // the store never sees the write
	cutAfter  // the store does it, the answer is lost
)

func startProxy(t *testing.T, to string) *proxy {
	t.Helper()
	p := &proxy{t: t, to: to, address: "127.0.0.1:0", open: map[net.Conn]bool{}}
	p.listen()
	t.Cleanup(p.close)
	return p
}

// listen opens the proxy, always on the same port.
func (p *proxy) listen() {
	p.t.Helper()
	l, err := net.Listen("tcp", p.address)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.listener, p.address = l, l.Addr().String()
	p.mu.Unlock()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
}

// close refuses new connections and resets those there are.
func (p *proxy) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.listener.Close()
	for conn := range p.open {
		_ = conn.Close()
	}
}

func (p *proxy) track(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[conn] = true
}

func (p *proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close()
		delete(p.open, conn)
	}
}

// serve copies both ways. A chunk from the client that begins a write decides
// what becomes of the connection.
func (p *proxy) serve(client net.Conn) {
	store, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = client.Close()
		return
	}
	p.track(client)
	p.track(store)
	var lost atomic.Bool // the answer does not come through any more
	go func() {
		defer p.forget(client, store)
		buffer := make([]byte, 64<<10)
		for {
			n, err := store.Read(buffer)
			if n > 0 && lost.Load() {
				// The store has answered, so it has done the work.
				if bytes.Contains(buffer[:n], []byte("HTTP/1.1 100")) && !bytes.Contains(buffer[:n], []byte("HTTP/1.1 2")) {
					_, _ = client.Write(buffer[:n])
					continue
				}
				p.count.Add(1)
				return
			}
			if n > 0 {
				if _, err := client.Write(buffer[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	defer p.forget(client, store)
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if n > 0 {
			if text := string(buffer[:min(n, 8)]); strings.HasPrefix(text, "PUT ") || strings.HasPrefix(text, "POST ") {
				switch p.cut.Load() {
				case cutBefore:
					p.count.Add(1)
					return
				case cutAfter:
					lost.Store(true)
				}
			}
			if _, err := store.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
