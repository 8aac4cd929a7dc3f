package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"
)

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
	time.Sleep(2 * time.Second)
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
		"context_not_found":        with(python("1"), "context_id", "ctx_nonsuch"),
		"invalid_request language": with(python("1"), "context_id", id),
	} {
		if got := agent.refused("POST", "", order); got != code {
			t.Errorf("got %s, want %s", got, code)
		}
	}
	if got := agent.refused("POST", "", with(bash("echo \x00"), "context_id", id)); got != "invalid_request code" {
		t.Errorf("NUL: %s", got)
	}
	if got := agent.refused("POST", "/contexts", map[string]string{"language": "cobol", "cwd": "/"}); got != "invalid_request language" {
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

func TestAPreludeIsRunWheneverTheDefaultContextBegins(t *testing.T) {
	agent := serveCode(t)
	agent.contexts.folder = "/tmp"
	for _, field := range []string{"is_prelude", "is_lazy"} {
		order := with(with(python("import os; word = 'prelude'"), "is_prelude", true), field, true)
		if warm := agent.ask("POST", "/warm", order); warm.StatusCode != http.StatusNoContent {
			t.Fatalf("%d", warm.StatusCode)
		}
		story := agent.run(python("word"), "")
		if len(story.results) != 1 || story.started.ExecutionCount != 1 || story.end.ContextRestarted {
			t.Fatalf("%s: %+v %+v", field, story, story.end)
		}
		agent.run(python("os._exit(1)"), "")
		if again := agent.run(python("word"), ""); len(again.results) != 1 {
			t.Fatalf("%s: %+v", field, again)
		}
		agent.ask("POST", "/contexts/ctx_python/restart", nil)
	}
	if own := agent.run(python("word"), agent.newContext("python")); own.failure["name"] != "NameError" {
		t.Fatalf("%+v", own)
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
