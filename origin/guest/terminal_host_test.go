package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

const testWait = 60 * time.Second

// beginHere starts a shell without a control group, which is all that differs from a machine.
func beginHere(order terminalOrder, on *pty) (terminalShell, *refusal) {
	program := exec.Command(order.Shell)
	program.Env = []string{"PATH=" + searchPath, "PS1=$ ", "TERM=xterm-256color", "LANG=C.UTF-8", "HOME=/nonexistent", "HISTFILE="}
	program.Dir = order.Cwd
	program.Stdin, program.Stdout, program.Stderr = on.theirs, on.theirs, on.theirs
	program.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := program.Start(); err != nil {
		return terminalShell{}, refuse("program_not_found", err.Error())
	}
	ended := make(chan syscall.WaitStatus, 1)
	go func() {
		_ = program.Wait()
		ended <- program.ProcessState.Sys().(syscall.WaitStatus)
	}()
	pid := program.Process.Pid
	_ = on.theirs.Close()
	return terminalShell{pid, ended, func() { hangUpGroup(pid) }, func() { _ = syscall.Kill(-pid, syscall.SIGKILL) }}, nil
}

// host speaks to the terminals through a real HTTP/2 server, as a host does.
type host struct {
	*testing.T
	url    string
	client *http.Client
	all    *terminals
}

func newHost(t *testing.T) host {
	t.Helper()
	all := newTerminals(user{id: uint32(os.Getuid())}, beginHere)
	server := httptest.NewUnstartedServer(http.HandlerFunc(all.handle))
	server.EnableHTTP2 = true
	server.StartTLS()
	client := server.Client()
	if err := http2.ConfigureTransport(client.Transport.(*http.Transport)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, facts := range all.list() {
			all.remove(facts.ID)
		}
		client.CloseIdleConnections()
		server.CloseClientConnections()
		server.Close()
	})
	return host{t, server.URL + terminalsPath, client, all}
}

func (h host) ask(method, path string, body any) (int, []byte) {
	h.Helper()
	said, _ := json.Marshal(body)
	request, _ := http.NewRequest(method, h.url+path, bytes.NewReader(said))
	response, err := h.client.Do(request)
	if err != nil {
		h.Fatal(err)
	}
	defer response.Body.Close()
	heard, _ := io.ReadAll(response.Body)
	return response.StatusCode, heard
}

func (h host) start() (id string) {
	h.Helper()
	status, said := h.ask("POST", "", map[string]any{"shell": "/bin/sh", "cwd": "/", "env": map[string]string{}, "cols": 80, "rows": 24})
	var facts terminalFacts
	if err := json.Unmarshal(said, &facts); err != nil || status != http.StatusCreated {
		h.Fatalf("%d %s", status, said)
	}
	return facts.ID
}

// seat is one viewer's: everything that they have heard so far, and what they say.
type seat struct {
	host
	body   io.ReadCloser
	mouth  *io.PipeWriter
	shown  []byte
	place  uint64
	places []uint64
	sizes  []terminalSize
	exit   int
}

func (h host) attach(id string, place uint64) *seat {
	h.Helper()
	reader, writer := io.Pipe()
	request, _ := http.NewRequest("POST", fmt.Sprintf("%s/%s/attach?place=%d", h.url, id, place), reader)
	response, err := h.client.Do(request)
	if err != nil || response.StatusCode != http.StatusOK {
		h.Fatal(response, err)
	}
	h.Cleanup(func() { writer.Close(); response.Body.Close() })
	return &seat{host: h, body: response.Body, mouth: writer, exit: -1}
}

func (s *seat) say(kind frameType, payload []byte) {
	s.Helper()
	if err := writePayload(s.mouth, kind, payload); err != nil {
		s.Fatal(err)
	}
}

func (s *seat) typeLine(line string) { s.say(terminalStdin, []byte(line+"\n")) }

// hear reads one frame.
func (s *seat) hear() error {
	kind, payload, err := readFrame(s.body, make([]byte, hostFrameBytesMax))
	if err != nil {
		return err
	}
	switch kind {
	case terminalStdout:
		s.shown = append(s.shown, payload...)
		s.place += uint64(len(payload))
	case terminalPlace:
		s.place = binary.BigEndian.Uint64(payload)
		s.places = append(s.places, s.place)
	case terminalResize:
		size, _ := sizeFrom(payload)
		s.sizes = append(s.sizes, size)
	case terminalExit:
		s.exit = int(binary.BigEndian.Uint32(payload))
	default:
		s.Fatalf("a frame of type %d", kind)
	}
	return nil
}

func (s *seat) hearUntil(what string, isThere func() bool) {
	s.Helper()
	late := time.AfterFunc(testWait, func() { s.body.Close() })
	defer late.Stop()
	for !isThere() {
		if err := s.hear(); err != nil {
			s.Fatalf("%v before %s came: %q, sizes %v", err, what, s.shown, s.sizes)
		}
	}
}

func (s *seat) hearText(text string) {
	s.Helper()
	s.hearUntil(text, func() bool { return bytes.Contains(s.shown, []byte(text)) })
}

func (s *seat) hearEnd() {
	s.Helper()
	s.hearUntil("the exit code", func() bool { return s.exit >= 0 })
	if err := s.hear(); err != io.EOF {
		s.Fatalf("after the exit code came %v", err)
	}
}
