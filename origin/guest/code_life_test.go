package main

import (
	"testing"
	"time"
)

// How calls and their processes end, and what then becomes of their context.

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
	time.Sleep(2 * time.Second)
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
