package main

import (
	"bytes"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A connection is no part of a process: it ends when it ends, and everything it said can be heard again.
func TestAProcessOutlivesItsConnection(t *testing.T) {
	a := serveAgent(t)
	made := a.start(shell("echo out; echo err >&2; exit 3"))
	for hearing := 0; hearing < 2; hearing++ {
		story := a.hear(made.ID, "follow=1")
		if story.stdout != "out\n" || story.stderr != "err\n" || story.end == nil || story.end.ExitCode != 3 || story.end.Reason != "exit" {
			t.Fatalf("%+v", story)
		}
		if story.started != (processStarted{made.ID, made.Pid}) {
			t.Fatalf("it is %+v", story.started)
		}
	}
	if story := a.hear(made.ID, "stdout=2&stderr=4&follow=1"); story.stdout != "t\n" || story.stderr != "" || story.end == nil {
		t.Fatalf("%+v", story)
	}
	if code := a.refused("GET", "/"+made.ID+"/output?stdout=5", nil); code != "invalid_request cursor" {
		t.Fatal(code)
	}
	var all struct{ Processes []processRecord }
	a.json("GET", "", nil, &all)
	if len(all.Processes) != 1 || all.Processes[0].End == nil || all.Processes[0].Shown == "" {
		t.Fatalf("%+v", all)
	}
}

func TestWhatIsWrittenToStdinArrivesAndItsEndToo(t *testing.T) {
	a := serveAgent(t)
	made := a.start(with(shell("cat; echo end"), "stdin_open", true))
	long := strings.Repeat("x", 200_000)
	var answer struct{ Written int }
	a.json("POST", "/"+made.ID+"/stdin", "first ", &answer)
	a.json("POST", "/"+made.ID+"/stdin", long, &answer)
	if answer.Written != len(long) {
		t.Fatalf("%d were written", answer.Written)
	}
	a.ask("DELETE", "/"+made.ID+"/stdin", nil)
	story := a.hear(made.ID, "follow=1")
	if story.end == nil || !strings.HasSuffix(story.stdout, "x"+"end\n") {
		t.Fatalf("%d bytes, %+v", len(story.stdout), story.end)
	}
	if code := a.refused("POST", "/"+made.ID+"/stdin", "more"); code != "process_ended" {
		t.Fatal(code)
	}
	if code := a.refused("POST", "/"+made.ID+"/signal", map[string]string{"signal": "SIGINT"}); code != "process_ended" {
		t.Fatal(code)
	}
	deaf := a.start(shell("sleep 60"))
	if code := a.refused("POST", "/"+deaf.ID+"/stdin", "more"); code != "stdin_closed" {
		t.Fatal(code)
	}
}

func TestASignalReachesTheWholeGroupAndAnUnknownOneNobody(t *testing.T) {
	a := serveAgent(t)
	made := a.start(shell("trap 'echo caught; exit 5' INT; echo ready; sleep 60 & wait"))
	heard := make(chan processStory, 1)
	response := a.ask("GET", "/"+made.ID+"/output?follow=1", nil)
	first := make([]byte, 1)
	_, err := io.ReadFull(response.Body, first)
	check(t, err)
	go func() { heard <- readStory(t, io.MultiReader(bytes.NewReader(first), response.Body)) }()
	if code := a.refused("POST", "/"+made.ID+"/signal", map[string]string{"signal": "SIGNOTHING"}); code != "invalid_request signal" {
		t.Fatal(code)
	}
	for !strings.Contains(a.hear(made.ID, "").stdout, "ready") {
		time.Sleep(10 * time.Millisecond)
	}
	a.ask("POST", "/"+made.ID+"/signal", map[string]string{"signal": "SIGINT"})
	if story := <-heard; !strings.Contains(story.stdout, "caught") || story.end.ExitCode != 5 {
		t.Fatalf("%+v", story)
	}
}

// A process is named by its id alone. Numbers are the kernel's, which gives them to others, and to the agent itself.
func TestASignalReachesNoProcessThatIsNotHeld(t *testing.T) {
	a := serveAgent(t)
	foreign := exec.Command("sleep", "300")
	check(t, foreign.Start())
	defer func() { _ = foreign.Process.Kill(); _ = foreign.Wait() }()
	ours := a.start(shell("exit 0"))
	a.hear(ours.ID, "follow=1")
	for _, name := range []string{
		"0", "1", "-1", strconv.Itoa(foreign.Process.Pid), "-" + strconv.Itoa(foreign.Process.Pid),
		"p_abcdefghijklm", "p_", ours.ID + "x",
	} {
		for _, path := range []string{"/" + name + "/signal", "/" + name} {
			method := "POST"
			if path == "/"+name {
				method = "DELETE"
			}
			if code := a.refused(method, path, map[string]string{"signal": "SIGKILL"}); code != "process_not_found" {
				t.Errorf("%s %s: %s", method, path, code)
			}
		}
	}
	if code := a.refused("POST", "/"+ours.ID+"/signal", map[string]string{"signal": "SIGKILL"}); code != "process_ended" {
		t.Errorf("one that has ended: %s", code)
	}
	check(t, foreign.Process.Signal(syscall.Signal(0)))
}

func TestADeletedProcessIsGoneWithEverythingItStarted(t *testing.T) {
	a := serveAgent(t)
	made := a.start(shell("trap '' TERM; (trap '' TERM; setsid sleep 300) & echo ready; sleep 300"))
	for a.hear(made.ID, "").stdout != "ready\n" {
		time.Sleep(10 * time.Millisecond)
	}
	began := time.Now()
	if response := a.ask("DELETE", "/"+made.ID, nil); response.StatusCode != http.StatusNoContent {
		t.Fatal(response.StatusCode)
	}
	if took := time.Since(began); took < terminateGraceWait {
		t.Errorf("it had %v to end by itself", took)
	}
	if code := a.refused("GET", "/"+made.ID, nil); code != "process_not_found" {
		t.Fatal(code)
	}
}

func TestATimeoutEndsAProcess(t *testing.T) {
	a := serveAgent(t)
	made := a.start(with(shell("echo before; sleep 300"), "timeout_ms", 300))
	story := a.hear(made.ID, "follow=1")
	if story.end == nil || story.end.Reason != "timeout" || story.end.ExitCode != 124 || story.stdout != "before\n" {
		t.Fatalf("%+v", story)
	}
}

// Whoever starts a process for itself hears all of it, and a process for which nobody listens any more ends.
func TestARunProcessHasAllItsBytesHeardAndEndsWhenItIsAbandoned(t *testing.T) {
	a := serveAgent(t)
	story := readStory(t, a.ask("POST", "/run", shell("head -c 3000000 /dev/zero; echo end >&2")).Body)
	if len(story.stdout) != 3_000_000 || story.lost != (lostOutput{}) || story.end == nil {
		t.Fatalf("%d bytes, %+v", len(story.stdout), story)
	}
	refused := readStory(t, a.ask("POST", "/run", map[string]any{"argv": []string{"nothing-like-it"}, "cwd": "/", "user": "root"}).Body)
	if refused.end == nil || refused.end.ExitCode != 127 || refused.stderr == "" || refused.started.ID != "" {
		t.Fatalf("%+v", refused)
	}
	response := a.ask("POST", "/run", shell("echo here; exec sleep 300"))
	_, err := io.ReadFull(response.Body, make([]byte, 1))
	check(t, err)
	var all struct{ Processes []processRecord }
	a.json("GET", "", nil, &all)
	last := all.Processes[len(all.Processes)-1]
	if last.End != nil {
		t.Fatalf("%+v %+v", last, last.End)
	}
	response.Body.Close()
	if story := a.hear(last.ID, ""); story.end != nil {
		t.Fatal("it ended at once")
	}
	for deadline := time.Now().Add(abandonedWait + testWait); ; time.Sleep(100 * time.Millisecond) {
		var now processRecord
		a.json("GET", "/"+last.ID, nil, &now)
		if now.End != nil && now.End.Reason == "signal" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it runs on for nobody")
		}
	}
}

// A controller that died after it asked cannot know whether it was heard, and asks again.
func TestTheSameKeyStartsOneProcess(t *testing.T) {
	a := serveAgent(t)
	first := a.start(with(shell("sleep 60"), "key", "k"))
	if again := a.start(with(shell("sleep 60"), "key", "k")); again.ID != first.ID {
		t.Fatalf("%s and %s", first.ID, again.ID)
	}
	if other := a.start(with(shell("sleep 60"), "key", "other")); other.ID == first.ID {
		t.Fatal("another key started nothing")
	}
	var before, after struct{ Processes []processRecord }
	a.json("GET", "", nil, &before)
	asked := func(fingerprint string) map[string]any {
		return with(with(shell("sleep 60"), "key", "once"), "fingerprint", fingerprint)
	}
	one := a.start(asked("a"))
	if again := a.start(asked("a")); again.ID != one.ID {
		t.Fatalf("%s and %s", one.ID, again.ID)
	}
	if code := a.refused("POST", "", asked("b")); code != "idempotency_key_reused" {
		t.Fatal(code)
	}
	a.json("GET", "", nil, &after)
	if len(after.Processes) != len(before.Processes)+1 {
		t.Fatalf("%d and then %d", len(before.Processes), len(after.Processes))
	}
}

func TestOnlySoManyProcessesAreHeld(t *testing.T) {
	a := serveAgent(t)
	for round := 0; round < heldEndedMax+4; round++ {
		a.hear(a.start(shell("true")).ID, "follow=1")
	}
	var all struct{ Processes []processRecord }
	for deadline := time.Now().Add(testWait); ; {
		a.json("GET", "", nil, &all)
		if len(all.Processes) == heldEndedMax {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d are kept", len(all.Processes))
		}
		time.Sleep(10 * time.Millisecond)
	}
}
