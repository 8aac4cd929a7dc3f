package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// openDoor is a door on a free port, with a host that can ask for its connections.
type openDoor struct {
	*egressDoor
	address string
	server  *httptest.Server
}

func openEgress(t *testing.T, patience time.Duration) openDoor {
	t.Helper()
	door := newEgressDoor()
	door.trust, door.patience = newEgressTrust(t.TempDir()), patience
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go door.takeFrom(listener)
	server := httptest.NewUnstartedServer(newRoutes(nil, door))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	if err := http2.ConfigureTransport(server.Client().Transport.(*http.Transport)); err != nil {
		t.Fatal(err)
	}
	return openDoor{door, listener.Addr().String(), server}
}

// accept waits as a host does. What is written to the writer goes to the process.
func (d openDoor) accept(t *testing.T, ctx context.Context) (*http.Response, *io.PipeWriter) {
	t.Helper()
	reader, writer := io.Pipe()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.server.URL+egressAcceptPath, reader)
	if err != nil {
		t.Fatal(err)
	}
	response, err := d.server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response, writer
}

func (d openDoor) connect(t *testing.T) *net.TCPConn {
	t.Helper()
	connection, err := net.Dial("tcp", d.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	_ = connection.SetDeadline(time.Now().Add(testWait))
	return connection.(*net.TCPConn)
}

// Whoever finds no host must hear that, and not look for a mistake in the name or in the network.
func TestAProcessThatNoHostComesForHearsSo(t *testing.T) {
	door := openEgress(t, 20*time.Millisecond)
	client := http.Client{Transport: &http.Transport{Proxy: func(*http.Request) (*url.URL, error) {
		return url.Parse("http://" + door.address)
	}}}
	response, err := client.Get("http://example.com/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if said, _ := io.ReadAll(response.Body); response.StatusCode != 503 || !strings.Contains(string(said), "Try again") {
		t.Fatalf("%d %q", response.StatusCode, said)
	}
	if _, err := client.Get("https://example.com/"); err == nil || !strings.Contains(err.Error(), "Service Unavailable") {
		t.Fatalf("https: %v", err)
	}
}

// A command may be quicker than the host, which comes for its connections a moment after the machine has begun.
func TestAProcessThatIsBeforeTheHostIsHandedOver(t *testing.T) {
	door := openEgress(t, egressAcceptWait)
	process := door.connect(t)
	_, _ = io.WriteString(process, "early")
	for len(door.places) == 0 {
		time.Sleep(time.Millisecond)
	}
	answer, _ := door.accept(t, context.Background())
	heard := make([]byte, len("early"))
	if _, err := io.ReadFull(answer.Body, heard); err != nil || string(heard) != "early" {
		t.Fatalf("the host heard %q, %v", heard, err)
	}
}

func TestAProcessAndTheHostSpeakBothWaysAndHearTheEnd(t *testing.T) {
	door := openEgress(t, egressAcceptWait)
	process := door.connect(t)
	answer, toProcess := door.accept(t, context.Background())
	for _, word := range []string{"one", "two"} {
		heard := make([]byte, len(word))
		_, _ = io.WriteString(process, word)
		if _, err := io.ReadFull(answer.Body, heard); err != nil || string(heard) != word {
			t.Fatalf("the host heard %q, %v", heard, err)
		}
		_, _ = io.WriteString(toProcess, word)
		if _, err := io.ReadFull(process, heard); err != nil || string(heard) != word {
			t.Fatalf("the process heard %q, %v", heard, err)
		}
	}
	toProcess.Close()
	if rest, err := io.ReadAll(process); err != nil || len(rest) != 0 {
		t.Fatalf("the end is %q, %v", rest, err)
	}
	process.Close()
	if rest, err := io.ReadAll(answer.Body); err != nil || len(rest) != 0 {
		t.Fatalf("the host's end is %q, %v", rest, err)
	}
}

// A request that ends with its connection's side, as of a line for nc, has an answer all the same.
func TestAProcessThatEndsItsSideFirstHearsItsAnswer(t *testing.T) {
	door := openEgress(t, egressAcceptWait)
	process := door.connect(t)
	_, _ = io.WriteString(process, "question")
	process.CloseWrite()
	_, toProcess := door.accept(t, context.Background())
	time.Sleep(50 * time.Millisecond)
	_, _ = io.WriteString(toProcess, "answer")
	toProcess.Close()
	if heard, err := io.ReadAll(process); err != nil || string(heard) != "answer" {
		t.Fatalf("%q, %v", heard, err)
	}
}

// The host breaks a connection off when its policy changes or the machine is paused.
func TestAHostThatBreaksOffCutsTheProcess(t *testing.T) {
	for name, endsItsSide := range map[string]bool{"in the middle": false, "after its side has ended": true} {
		door := openEgress(t, egressAcceptWait)
		process := door.connect(t)
		ctx, breakOff := context.WithCancel(context.Background())
		_, toProcess := door.accept(t, ctx)
		if endsItsSide {
			toProcess.Close()
		}
		breakOff()
		toProcess.CloseWithError(io.ErrUnexpectedEOF)
		if _, err := io.ReadAll(process); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatalf("%s: the process was left waiting", name)
		}
	}
}

func TestAHostThatStoppedWaitingTakesNoConnectionWithIt(t *testing.T) {
	door := openEgress(t, egressAcceptWait)
	ctx, leave := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer leave()
	request, _ := http.NewRequestWithContext(ctx, http.MethodPost, door.server.URL+egressAcceptPath, nil)
	if _, err := door.server.Client().Do(request); err == nil {
		t.Fatal("somebody answered")
	}
	time.Sleep(500 * time.Millisecond)
	process := door.connect(t)
	answer, _ := door.accept(t, context.Background())
	_, _ = io.WriteString(process, "x")
	if _, err := io.ReadFull(answer.Body, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
}

const (
	debianPem = "-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n"
	onePem    = "-----BEGIN CERTIFICATE-----\nQUE=\n-----END CERTIFICATE-----\n"
	otherPem  = "-----BEGIN CERTIFICATE-----\nQUI=\n-----END CERTIFICATE-----\n"
)

func TestAnAuthorityIsAddedOnceAndTakenAwayWhole(t *testing.T) {
	root := t.TempDir()
	bundle := filepath.Join(root, bundleFile)
	if err := writeWhole(bundle, []byte(debianPem)); err != nil {
		t.Fatal(err)
	}
	trust := newEgressTrust(root)
	for _, step := range []struct{ pem, bundle string }{
		{onePem, debianPem + onePem}, {onePem, debianPem + onePem}, {otherPem, debianPem + otherPem}, {"", debianPem}, {"", debianPem},
	} {
		if err := trust.set(step.pem); err != nil {
			t.Fatal(err)
		}
		if found, _ := os.ReadFile(bundle); string(found) != step.bundle {
			t.Fatalf("after %q the bundle is %q", step.pem, found)
		}
		authority, _ := os.ReadFile(filepath.Join(root, authorityFile))
		if string(authority) != step.pem || (len(trust.variables()) > 0) != (step.pem != "") {
			t.Fatalf("after %q: %q, %v", step.pem, authority, trust.variables())
		}
	}
}

// Root inside owns these files, and must not be able to keep its own machine from waking.
func TestABundleThatIsNoFileHoldsUpNobody(t *testing.T) {
	root := t.TempDir()
	bundle := filepath.Join(root, bundleFile)
	if err := os.MkdirAll(filepath.Dir(bundle), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(bundle, 0o600); err != nil {
		t.Fatal(err)
	}
	trust := newEgressTrust(root)
	if err := trust.set(onePem); err == nil || len(trust.variables()) > 0 {
		t.Fatal("a pipe was taken for a bundle")
	}
	_ = os.Remove(bundle)
	if err := trust.set(onePem); err != nil || len(trust.variables()) == 0 {
		t.Fatalf("the next time: %v", err)
	}
}

func TestPlaceholdersAreUnderTheOwnEnvironmentForAsLongAsTheHostSaysThem(t *testing.T) {
	door := newEgressDoor()
	door.trust = newEgressTrust(t.TempDir())
	environment := newEnvironment(door)
	environment.set(map[string]string{"MINE": "own"})
	told := map[string]string{"MINE": "atoll_secret_1", "KEY": "atoll_secret_2", "CALLED": "atoll_secret_3"}
	door.obey(egressOrder{Env: told})
	variables := environment.of(users["sandbox"], map[string]string{"CALLED": "called"})
	for name, want := range map[string]string{"MINE": "own", "KEY": "atoll_secret_2", "CALLED": "called"} {
		if variables[name] != want {
			t.Errorf("%s is %q", name, variables[name])
		}
	}
	if list := environment.list().Variables; len(list) != 1 || list[0].Key != "MINE" {
		t.Errorf("a placeholder is in the list of the owner's variables: %v", list)
	}
	door.obey(egressOrder{})
	if value, isThere := environment.of(users["sandbox"], nil)["KEY"]; isThere {
		t.Errorf("KEY is still %q", value)
	}
}

func TestEveryProcessIsToldOfTheDoor(t *testing.T) {
	environment := newEnvironment(newEgressDoor())
	environment.set(map[string]string{"no_proxy": "internal"})
	variables := environment.of(users["sandbox"], map[string]string{"https_proxy": "http://other"})
	for name, want := range map[string]string{
		"http_proxy": "http://127.0.0.1:3128", "HTTPS_PROXY": "http://127.0.0.1:3128", "no_proxy": "internal", "https_proxy": "http://other",
	} {
		if variables[name] != want {
			t.Errorf("%s is %q", name, variables[name])
		}
	}
}
