package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"golang.org/x/net/http2"
)

// codeAgent is the real routes for code over a real HTTP/2 server, with the real interpreters of this machine.
type codeAgent struct {
	*agent
	environment *environment
	contexts    *codeContexts
}

func serveCode(t *testing.T) codeAgent {
	t.Helper()
	t.Parallel()
	processes := newProcesses()
	processes.groups.idle = testGroups(t, 8)
	// The sandbox's user reads the drivers, and may not look into what t.TempDir makes.
	folder, err := os.MkdirTemp("", "atoll-drivers-")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(folder) })
	check(t, os.Chmod(folder, 0o755))
	environment := newEnvironment(newEgressDoor())
	contexts := newCodeContexts(driverStarter(processes, folder), environment)
	routes := http.NewServeMux()
	addCodeRoutes(routes, contexts, processes)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		routes.ServeHTTP(response, request.WithContext(context.WithValue(request.Context(), sessionKey{}, &session{})))
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(func() {
		for _, each := range contexts.list() {
			_ = contexts.remove(each.id)
		}
		server.Close()
	})
	client := server.Client()
	if err := http2.ConfigureTransport(client.Transport.(*http.Transport)); err != nil {
		t.Fatal(err)
	}
	return codeAgent{&agent{t, client, server.URL + "/v1/code"}, environment, contexts}
}

type codeStory struct {
	started        codeStarted
	stdout, stderr string
	results        []map[string]any
	failure        map[string]any
	end            *codeEnd
}

func python(code string) map[string]any {
	return map[string]any{"code": code, "language": "python", "timeout_ms": 20_000, "output_bytes_max": 1 << 20}
}

func bash(code string) map[string]any { return with(python(code), "language", "bash") }

// newContext makes one in a folder that there is on every machine.
func (a codeAgent) newContext(language string) string {
	a.t.Helper()
	var record codeContextRecord
	response := a.ask("POST", "/contexts", map[string]string{"language": language, "cwd": "/tmp"})
	check(a.t, json.NewDecoder(response.Body).Decode(&record))
	return record.ID
}

func (a codeAgent) run(order map[string]any, contextID string) codeStory {
	a.t.Helper()
	return readCode(a.t, a.ask("POST", "", with(order, "context_id", contextID)).Body)
}

func readCode(t *testing.T, body io.Reader) (story codeStory) {
	t.Helper()
	var pieces []byte
	for {
		header := make([]byte, frameHeaderBytes)
		if _, err := io.ReadFull(body, header); err != nil {
			return story
		}
		payload := make([]byte, binary.BigEndian.Uint32(header[1:]))
		if _, err := io.ReadFull(body, payload); err != nil {
			t.Fatal(err)
		}
		switch frameType(header[0]) {
		case frameStarted:
			check(t, json.Unmarshal(payload, &story.started))
		case frameStdout:
			story.stdout += string(payload)
		case frameStderr:
			story.stderr += string(payload)
		case framePiece:
			pieces = append(pieces, payload...)
		case frameResult:
			var result map[string]any
			check(t, json.Unmarshal(append(pieces, payload...), &result))
			story.results, pieces = append(story.results, result), nil
		case frameFailure:
			check(t, json.Unmarshal(append(pieces, payload...), &story.failure))
			pieces = nil
		case frameExited:
			check(t, json.Unmarshal(payload, &story.end))
		}
	}
}

// awaitOutput reads the first frames: started and some output.
func awaitOutput(t *testing.T, body io.Reader) {
	t.Helper()
	for seen := frameType(0); seen != frameStdout; {
		header := make([]byte, frameHeaderBytes)
		if _, err := io.ReadFull(body, header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, body, int64(binary.BigEndian.Uint32(header[1:]))); err != nil {
			t.Fatal(err)
		}
		seen = frameType(header[0])
	}
}
