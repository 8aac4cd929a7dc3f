package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/net/http2"
)

// serveSessions gives the data port to one session after another.
//
//	control port   host: keep               the commands of the session that ends with the next hello go on, unheard
//	control port   host: hello NONCE        the session before, if any, ends here, even in the middle of a frame
//	data port      agent: \nready NONCE\n   the host drops everything before it
//	data port      host: \nbegin NONCE\n    the agent drops everything before it
//	data port      both: HTTP/2
//
// A clone of a machine wakes up with the session of its template still open; these three lines are what make that harmless.
func serveSessions(control, data *port, routes http.Handler) error {
	lines := bufio.NewReaderSize(control, controlLineBytesMax)
	var current *session
	keepsCommands := false
	for {
		said, err := readControl(lines)
		if err != nil {
			return err
		}
		keepsCommands = keepsCommands || said.isKeep
		if said.nonce == "" {
			continue
		}
		if current != nil {
			current.end(keepsCommands)
		}
		keepsCommands = false
		current = beginSession(data, said.nonce, routes)
	}
}

// controlLine is what the host said on the control port: neither of the two when it was noise.
type controlLine struct {
	nonce  string
	isKeep bool
}

func readControl(lines *bufio.Reader) (said controlLine, err error) {
	line, err := lines.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		return said, nil
	}
	if err != nil {
		return said, err
	}
	word, nonce, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
	switch {
	case word == "keep" && nonce == "":
		said.isKeep = true
	case word == "hello" && len(nonce) <= nonceBytesMax:
		said.nonce = nonce
	}
	return said, nil
}

// session is one HTTP/2 conversation over the data port. Its end cancels the requests in it, and so kills their commands,
// unless it keeps them: then they go on, and what they say goes nowhere.
type session struct {
	data  *port
	ended chan struct{}

	keepsCommands atomic.Bool
	// commands that were begun in this session and still run.
	commands atomic.Int64

	// writing guards isOver, so that no write of this session reaches the port once end has returned.
	writing sync.Mutex
	isOver  bool
}

func beginSession(data *port, nonce string, routes http.Handler) *session {
	s := &session{data: data, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		if err := s.serve(nonce, routes); err != nil && !isInterrupted(err) {
			log.Printf("session: %v", err)
		}
	}()
	return s
}

func (s *session) serve(nonce string, routes http.Handler) error {
	if _, err := fmt.Fprintf(s.data, "\nready %s\n", nonce); err != nil {
		return err
	}
	incoming := bufio.NewReaderSize(s.data, frameChunkBytes)
	if err := skipThrough(incoming, "begin "+nonce+"\n"); err != nil {
		return err
	}
	// Whoever does not read what it is sent holds up its own stream and no other.
	server := http2.Server{
		MaxConcurrentStreams:         streamsMax,
		MaxUploadBufferPerStream:     uploadWindowBytes,
		MaxUploadBufferPerConnection: streamsMax * uploadWindowBytes,
		NewWriteScheduler:            newFairWrites,
	}
	server.ServeConn(sessionConn{s.data, s, incoming}, &http2.ServeConnOpts{
		Context: context.WithValue(context.Background(), sessionKey{}, s),
		Handler: routes,
	})
	return nil
}

type sessionKey struct{}

// sessionOf is the session that a request came in.
func sessionOf(ctx context.Context) *session { return ctx.Value(sessionKey{}).(*session) }

// sessionKeeps is whether the session of a request has ended, and lets go on what was begun in it.
func sessionKeeps(ctx context.Context) bool {
	session, isSession := ctx.Value(sessionKey{}).(*session)
	return isSession && session.keepsCommands.Load()
}

// skipThrough drops what an earlier session left behind, up to and including one whole line.
func skipThrough(incoming *bufio.Reader, line string) error {
	for {
		found, err := incoming.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
		if bytes.Equal(found, []byte(line)) {
			return nil
		}
	}
}

func (s *session) end(keepsCommands bool) {
	s.keepsCommands.Store(keepsCommands)
	if err := s.data.interrupt(); err != nil {
		log.Printf("session: %v", err)
	}
	<-s.ended
	s.writing.Lock()
	s.isOver = true
	s.writing.Unlock()
	if err := s.data.allow(); err != nil {
		log.Printf("session: %v", err)
	}
}
