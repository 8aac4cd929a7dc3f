package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/net/http2"
)

// filesAsker asks the agent's handlers about files over a real HTTP/2 connection, as a host does.
type filesAsker struct {
	t      *testing.T
	client *http.Client
	base   string
	// home is a directory of the user's, below which everything happens.
	home string
}

func newFilesAsker(t *testing.T) *filesAsker {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can be other users")
	}
	routes := http.NewServeMux()
	addFileRoutes(routes)
	server := httptest.NewUnstartedServer(routes)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client := server.Client()
	if err := http2.ConfigureTransport(client.Transport.(*http.Transport)); err != nil {
		t.Fatal(err)
	}
	return &filesAsker{t, client, server.URL + filesPath, homeOfUser(t, t.TempDir())}
}

// homeOfUser makes a directory that belongs to the user, in one that they may enter.
func homeOfUser(t *testing.T, outer string) string {
	t.Helper()
	home := filepath.Join(outer, "home")
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Chmod(outer, 0o755))
	must(os.Chmod(filepath.Dir(outer), 0o755))
	must(os.Mkdir(home, 0o755))
	must(os.Chown(home, int(users["sandbox"].id), int(users["sandbox"].id)))
	return home
}

func (a *filesAsker) path(relative string) string { return filepath.Join(a.home, relative) }

// fileAnswer is an answer that was read to its end; broken is what kept it from it.
type fileAnswer struct {
	status int
	header http.Header
	body   []byte
	broken error
}

func (a *filesAsker) send(method, route string, query url.Values, body io.Reader, headers map[string]string) fileAnswer {
	a.t.Helper()
	request, err := http.NewRequest(method, a.base+route+"?"+query.Encode(), body)
	if err != nil {
		a.t.Fatal(err)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return fileAnswer{broken: err}
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	return fileAnswer{response.StatusCode, response.Header, read, err}
}

func aboutPath(path string) url.Values { return url.Values{"path": {path}} }

func (a *filesAsker) get(path string) fileAnswer { return a.send("GET", "", aboutPath(path), nil, nil) }

func (a *filesAsker) put(path string, content []byte) fileAnswer {
	return a.send("PUT", "", aboutPath(path), bytes.NewReader(content), nil)
}

func (a *filesAsker) post(route string, order any) fileAnswer {
	a.t.Helper()
	encoded, err := json.Marshal(order)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.send("POST", route, nil, bytes.NewReader(encoded), nil)
}

// as reads an answer that must have gone well.
func (a *filesAsker) as(answer fileAnswer, into any) {
	a.t.Helper()
	if answer.broken != nil || answer.status != http.StatusOK {
		a.t.Fatalf("%d %s %v", answer.status, answer.body, answer.broken)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(answer.body, into); err != nil {
		a.t.Fatalf("%s: %v", answer.body, err)
	}
}

// refused says which code an answer refuses with; "" for one that does not.
func (a *filesAsker) refused(answer fileAnswer) string {
	a.t.Helper()
	if answer.broken != nil {
		a.t.Fatal(answer.broken)
	}
	if answer.status < 400 {
		return ""
	}
	var refusal fileRefusal
	if err := json.Unmarshal(answer.body, &refusal); err != nil {
		a.t.Fatalf("%s: %v", answer.body, err)
	}
	return refusal.Code
}

func (a *filesAsker) mustRefuse(answer fileAnswer, code string) {
	a.t.Helper()
	if got := a.refused(answer); got != code {
		a.t.Errorf("refused with %q, want %q: %s", got, code, answer.body)
	}
}

// write makes a file behind the agent's back, owned by the user.
func (a *filesAsker) write(relative, content string) string {
	a.t.Helper()
	full := a.path(relative)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		a.t.Fatal(err)
	}
	id := int(users["sandbox"].id)
	for path := full; path != a.home; path = filepath.Dir(path) {
		if err := os.Lchown(path, id, id); err != nil {
			a.t.Fatal(err)
		}
	}
	return full
}

func (a *filesAsker) read(relative string) string {
	a.t.Helper()
	content, err := os.ReadFile(a.path(relative))
	if err != nil {
		a.t.Fatal(err)
	}
	return string(content)
}

// names are what stands in a directory, also what a listing of the agent would not tell.
func (a *filesAsker) names(relative string) (names []string) {
	a.t.Helper()
	entries, err := os.ReadDir(a.path(relative))
	if err != nil {
		a.t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
