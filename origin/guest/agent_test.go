package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// testGroups are control groups of this machine. Where none can be made, only a real machine shows that processes are held.
func testGroups(t *testing.T, count int) []cgroup {
	t.Helper()
	for _, mount := range []string{"/sys/fs/cgroup/unified", cgroupRoot} {
		parent, err := os.MkdirTemp(mount, "atoll-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { os.Remove(parent) })
		if _, err := os.Stat(filepath.Join(parent, "cgroup.kill")); err != nil {
			continue
		}
		groups := make([]cgroup, count)
		for index := range groups {
			group := cgroup{directory: filepath.Join(parent, fmt.Sprint(index))}
			if err := os.Mkdir(group.directory, 0o755); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if group.killAll() != nil {
					// It was killed, and is gone.
					return
				}
				for looks := 0; looks < 100 && !group.isEmpty(); looks++ {
					time.Sleep(10 * time.Millisecond)
				}
				os.Remove(group.directory)
			})
			groups[index] = group
		}
		return groups
	}
	t.Skip("no version 2 of cgroups can be written here")
	return nil
}

// agent is the real routes over a real HTTP/2 server, with real processes.
type agent struct {
	t      *testing.T
	client *http.Client
	url    string
}

func serveAgent(t *testing.T) *agent {
	t.Helper()
	t.Parallel()
	processes := newProcesses()
	processes.groups.idle = testGroups(t, 4)
	server := httptest.NewUnstartedServer(newRoutes(processes, newEgressDoor()))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client := server.Client()
	if err := http2.ConfigureTransport(client.Transport.(*http.Transport)); err != nil {
		t.Fatal(err)
	}
	return &agent{t, client, server.URL + processesPath}
}

func (a *agent) ask(method, path string, body any) *http.Response {
	a.t.Helper()
	encoded, isText := body.(string)
	if !isText && body != nil {
		bytes, err := json.Marshal(body)
		if err != nil {
			a.t.Fatal(err)
		}
		encoded = string(bytes)
	}
	request, err := http.NewRequest(method, a.url+path, strings.NewReader(encoded))
	if err != nil {
		a.t.Fatal(err)
	}
	response, err := a.client.Do(request)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { response.Body.Close() })
	return response
}

func (a *agent) json(method, path string, body, into any) {
	a.t.Helper()
	response := a.ask(method, path, body)
	text, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		a.t.Fatalf("%s %s: %d %s", method, path, response.StatusCode, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		a.t.Fatal(err)
	}
}

// refused is the code with which something is refused.
func (a *agent) refused(method, path string, body any) string {
	a.t.Helper()
	var said struct{ Code, Field string }
	response := a.ask(method, path, body)
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil || response.StatusCode < 400 {
		a.t.Fatalf("%s %s: %d %v", method, path, response.StatusCode, err)
	}
	return strings.TrimSuffix(said.Code+" "+said.Field, " ")
}

func shell(line string) map[string]any {
	return map[string]any{"argv": []string{"/bin/sh", "-c", line}, "cwd": "/", "user": "root", "shown": line}
}

func with(order map[string]any, field string, value any) map[string]any {
	order[field] = value
	return order
}

func (a *agent) start(order map[string]any) processRecord {
	a.t.Helper()
	var record processRecord
	a.json("POST", "", order, &record)
	return record
}

type processStory struct {
	started        processStarted
	stdout, stderr string
	lost           lostOutput
	end            *processEnd
}

// readStory reads frames to their end.
func readStory(t *testing.T, body io.Reader) (story processStory) {
	t.Helper()
	for {
		header := make([]byte, frameHeaderBytes)
		if _, err := io.ReadFull(body, header); err != nil {
			if err != io.EOF {
				t.Fatal(err)
			}
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
			story.stdout += string(payload[outputMarkBytes:])
		case frameStderr:
			story.stderr += string(payload[outputMarkBytes:])
		case frameLost:
			check(t, json.Unmarshal(payload, &story.lost))
		case frameExited:
			check(t, json.Unmarshal(payload, &story.end))
		}
	}
}

func (a *agent) hear(id, query string) processStory {
	a.t.Helper()
	return readStory(a.t, a.ask("GET", "/"+id+"/output?"+query, nil).Body)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
