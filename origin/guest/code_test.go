package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

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

func TestCodeKeepsItsStateFromCallToCall(t *testing.T) {
	agent := serveCode(t)
	id := agent.newContext("python")
	agent.run(python("x = 20"), id)
	story := agent.run(python("print('hi')\nx + 1"), id)
	if story.stdout != "hi\n" || len(story.results) != 1 || story.results[0]["text"] != "21" || story.end.ExitCode != 0 {
		t.Fatalf("%+v %+v", story, story.end)
	}
	if story.started.ExecutionCount != 2 || story.started.ContextID != id || story.end.ContextRestarted {
		t.Fatalf("%+v %+v", story.started, story.end)
	}
	if other := agent.run(python("x"), agent.newContext("python")); other.failure["name"] != "NameError" {
		t.Fatalf("%+v", other)
	}
}

func TestALargeResultComesWholeAndTooManyAreCut(t *testing.T) {
	agent := serveCode(t)
	id := agent.newContext("python")
	story := agent.run(python("class Large:\n    def _repr_html_(self): return 'x' * 3_000_000\nLarge()"), id)
	if html, _ := story.results[0]["html"].(string); len(html) != 3_000_000 {
		t.Fatalf("%d", len(html))
	}
	many := agent.run(python("for number in range(1_000): display(number)"), id)
	if len(many.results) != codeResultsMax || !many.end.ResultsTruncated {
		t.Fatalf("%d %+v", len(many.results), many.end)
	}
}

func TestOutputIsBoundedAndEndless(t *testing.T) {
	agent := serveCode(t)
	id := agent.newContext("python")
	endless := with(with(python("while True: print('x' * 1000)"), "output_bytes_max", 5_000), "timeout_ms", 500)
	story := agent.run(endless, id)
	if len(story.stdout) != 5_000 || !story.end.StdoutTruncated || story.end.Reason != reasonTimeout || story.end.ExitCode != 124 {
		t.Fatalf("%d %+v", len(story.stdout), story.end)
	}
	if after := agent.run(python("1"), id); after.end.ContextRestarted || after.started.ExecutionCount != 2 {
		t.Fatalf("the context did not live on: %+v", after.end)
	}
}

func TestCodeThatHeedsNoInterruptIsKilledAndTheContextBeginsAnew(t *testing.T) {
	agent := serveCode(t)
	id := agent.newContext("python")
	deaf := "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: time.sleep(1)"
	story := agent.run(with(python(deaf), "timeout_ms", 300), id)
	if story.end.Reason != reasonTimeout || !story.end.ContextRestarted {
		t.Fatalf("%+v", story.end)
	}
	if after := agent.run(python("time"), id); after.failure["name"] != "NameError" || after.end.ContextRestarted {
		t.Fatalf("%+v %+v", after, after.end)
	}
}

func TestAnInterpreterThatEndsSaysSoOnce(t *testing.T) {
	agent := serveCode(t)
	id := agent.newContext("python")
	story := agent.run(python("print('last')\nimport os; os._exit(9)"), id)
	if story.end.ExitCode != 9 || !story.end.ContextRestarted || story.end.Reason != reasonExit {
		t.Fatalf("%+v", story.end)
	}
	agent.run(python("import os, threading\nthreading.Timer(0.1, os._exit, [1]).start()"), id)
	time.Sleep(400 * time.Millisecond)
	if after := agent.run(python("1"), id); !after.end.ContextRestarted || after.started.ExecutionCount != 1 {
		t.Fatalf("%+v", after.end)
	}
	if after := agent.run(python("1"), id); after.end.ContextRestarted {
		t.Fatalf("%+v", after.end)
	}
}

func TestAnInterruptEndsTheCallAndARestartTheSession(t *testing.T) {
	agent := serveCode(t)
	id := agent.newContext("python")
	agent.run(python("kept = 1"), id)
	for verb, want := range map[string]bool{"interrupt": false, "restart": true} {
		response := agent.ask("POST", "", with(python("print('begun')\nwhile True: pass"), "context_id", id))
		awaitOutput(t, response.Body)
		agent.ask("POST", "/contexts/"+id+"/"+verb, nil)
		if story := readCode(t, response.Body); story.end == nil || story.end.ContextRestarted != want {
			t.Fatalf("%s: %+v", verb, story.end)
		}
		if verb == "interrupt" {
			if after := agent.run(python("kept"), id); len(after.results) != 1 {
				t.Fatalf("the session did not live on: %+v", after)
			}
		}
		agent.run(python("kept = 1"), id)
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

func TestACallerWhoLeavesInterruptsTheCodeAndKeepsTheSession(t *testing.T) {
	agent := serveCode(t)
	id := agent.newContext("python")
	agent.run(python("kept = 1"), id)
	response := agent.ask("POST", "", with(python("print('begun')\nwhile True: pass"), "context_id", id))
	awaitOutput(t, response.Body)
	response.Body.Close()
	if after := agent.run(python("kept"), id); len(after.results) != 1 || after.end.ContextRestarted {
		t.Fatalf("%+v %+v", after, after.end)
	}
}

func TestCallsOfOneContextRunInTheOrderInWhichTheyCame(t *testing.T) {
	agent := serveCode(t)
	id := agent.newContext("bash")
	answers := make(chan codeStory, 4)
	for number := 0; number < cap(answers); number++ {
		response := agent.ask("POST", "", with(bash("n=$((n + 1)); echo $n; sleep 0.1"), "context_id", id))
		go func() { answers <- readCode(t, response.Body) }()
	}
	seen := map[string]bool{}
	for range [4]int{} {
		seen[(<-answers).stdout] = true
	}
	if len(seen) != 4 || !seen["4\n"] {
		t.Fatalf("%v", seen)
	}
}

func TestWhatIsPrintedBetweenTwoCallsComesWithTheNext(t *testing.T) {
	agent := serveCode(t)
	id := agent.newContext("python")
	agent.run(python("import threading\nthreading.Timer(0.1, lambda: print('later')).start()"), id)
	time.Sleep(400 * time.Millisecond)
	if story := agent.run(python("print('now')"), id); story.stdout != "later\nnow\n" {
		t.Fatalf("%q", story.stdout)
	}
}

func TestTheEnvironmentOfTheMachineReachesContextsThatRun(t *testing.T) {
	agent := serveCode(t)
	for language, code := range map[string]string{"python": "import os; print(os.environ.get('WORD'), os.environ.get('CALL'))", "bash": `echo ${WORD:-None} ${CALL:-None}`} {
		id := agent.newContext(language)
		order := func() map[string]any { return with(python(code), "language", language) }
		agent.environment.set(map[string]string{"WORD": "a'b"})
		if story := agent.run(with(order(), "env", map[string]string{"CALL": "c d"}), id); story.stdout != "a'b c d\n" {
			t.Fatalf("%s: %+v", language, story)
		}
		agent.environment.set(nil)
		if story := agent.run(order(), id); story.stdout != "None None\n" {
			t.Fatalf("%s: %+v", language, story)
		}
	}
}

func TestAFolderOfOneCallIsOfThatCallOnly(t *testing.T) {
	agent := serveCode(t)
	for language, code := range map[string]string{"python": "import os; print(os.getcwd())", "bash": "pwd"} {
		id := agent.newContext(language)
		order := func() map[string]any { return with(python(code), "language", language) }
		if story := agent.run(with(order(), "cwd", "/usr"), id); story.stdout != "/usr\n" {
			t.Fatalf("%s: %+v", language, story)
		}
		if story := agent.run(order(), id); story.stdout != "/tmp\n" {
			t.Fatalf("%s: %+v", language, story)
		}
		if story := agent.run(with(order(), "cwd", "/nowhere"), id); story.end.ExitCode != 1 {
			t.Fatalf("%s: %+v", language, story.end)
		}
	}
}

func TestAPassingContextLeavesNothingAndSerialCallsExcludeEachOther(t *testing.T) {
	agent := serveCode(t)
	order := func(code string) map[string]any {
		return with(with(with(bash(code), "is_passing", true), "is_serial", true), "cwd", "/usr")
	}
	first := agent.ask("POST", "", order("echo $x; x=1; pwd; sleep 0.3; date +%s%N; exit 4"))
	second := agent.ask("POST", "", order("date +%s%N; echo $x"))
	began, ended := readCode(t, first.Body), readCode(t, second.Body)
	if began.end == nil || began.end.ExitCode != 4 || !strings.HasPrefix(began.stdout, "\n/usr\n") {
		t.Fatalf("%+v %+v", began, began.end)
	}
	if strings.TrimPrefix(began.stdout, "\n/usr\n") > ended.stdout || !strings.HasSuffix(ended.stdout, "\n\n") {
		t.Fatalf("%q came before %q", ended.stdout, began.stdout)
	}
	var listed struct{ Contexts []codeContextRecord }
	agent.json("GET", "/contexts", nil, &listed)
	if len(listed.Contexts) != 0 {
		t.Fatalf("%+v", listed)
	}
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	agent := serveCode(t)
	id := agent.newContext("bash")
	for code, order := range map[string]map[string]any{
		"context_not_found": with(python("1"), "context_id", "ctx_nonsuch"),
		"invalid_request":   with(python("1"), "context_id", id),
	} {
		if got := agent.refused("POST", "", order); got != code {
			t.Errorf("got %s, want %s", got, code)
		}
	}
	if got := agent.refused("POST", "", with(bash("echo \x00"), "context_id", id)); got != "invalid_request" {
		t.Errorf("NUL: %s", got)
	}
	if got := agent.refused("POST", "/contexts", map[string]string{"language": "cobol", "cwd": "/"}); got != "invalid_request" {
		t.Errorf("language: %s", got)
	}
	if got := agent.refused("DELETE", "/contexts/ctx_nonsuch", nil); got != "context_not_found" {
		t.Errorf("delete: %s", got)
	}
	for count := 1; count < codeContextsMax; count++ {
		agent.newContext("python")
	}
	if got := agent.refused("POST", "/contexts", map[string]string{"language": "python", "cwd": "/"}); got != "context_limit" {
		t.Errorf("limit: %s", got)
	}
	if response := agent.ask("DELETE", "/contexts/"+id, nil); response.StatusCode != http.StatusNoContent {
		t.Errorf("delete: %d", response.StatusCode)
	}
}

func TestAWarmedContextCountsFromItsFirstRealCallAndDrawsItsOwnNumbers(t *testing.T) {
	agent := serveCode(t)
	agent.contexts.folder = "/tmp"
	warmUp := "import random; random.seed(1); drawn = random.random(); random.seed(1)"
	for range [2]int{} {
		if warm := agent.ask("POST", "/warm", python(warmUp)); warm.StatusCode != http.StatusNoContent {
			t.Fatalf("%d", warm.StatusCode)
		}
	}
	story := readCode(t, agent.ask("POST", "", python("random.random() == drawn")).Body)
	if story.started.ExecutionCount != 1 || story.started.ContextID != "ctx_python" || story.results[0]["text"] != "False" {
		t.Fatalf("%+v", story)
	}
	if again := readCode(t, agent.ask("POST", "", python("random.seed(1); random.random() == drawn")).Body); again.results[0]["text"] != "True" {
		t.Fatalf("%+v", again)
	}
	if got := agent.refused("POST", "/warm", python("1 / 0")); got != "process_not_started" {
		t.Fatalf("%s", got)
	}
}

// An interpreter's process runs the code of strangers: what it says on the channel is not believed.
func TestADriverThatSaysNonsenseLosesItsProcessOnly(t *testing.T) {
	agent := serveCode(t)
	id := agent.newContext("python")
	for _, nonsense := range []string{`b"\x09\x00\x00\x00\x01x"`, `b"\x01\xff\xff\xff\xff"`, `b"\x03\x00\x00\x00\x02no"`} {
		story := agent.run(python("import os, time\nos.write(3, "+nonsense+")\ntime.sleep(20)"), id)
		if story.end == nil || !story.end.ContextRestarted || story.end.ExitCode != 137 {
			t.Fatalf("%s: %+v", nonsense, story.end)
		}
	}
	if after := agent.run(python("1"), id); len(after.results) != 1 {
		t.Fatalf("%+v", after)
	}
}

func TestShellTextCarriesAnyCode(t *testing.T) {
	folder, gone := "/a b", "it's"
	text, err := asShellText(driverCall{Code: "echo 'x'", Env: map[string]string{"A": "b'c"}, Environment: map[string]*string{"B": &gone, "C": nil}, Cwd: &folder})
	if err != nil || !bytes.HasSuffix(text, []byte{0}) || bytes.Count(text, []byte{0}) != 1 {
		t.Fatalf("%q %v", text, err)
	}
	for _, part := range []string{`export B='it'\''s'`, "unset -v C", `A='b'\''c' eval 'echo '\''x'\'''`, "cd -- '/a b' || return"} {
		if !strings.Contains(string(text), part) {
			t.Errorf("%q is not in %q", part, text)
		}
	}
}
