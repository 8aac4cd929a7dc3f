package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// watching is a watch that goes on; what it tells comes in order.
type watching struct {
	ask   *filesAsker
	lines chan watchLine
	stop  context.CancelFunc
}

func (a *filesAsker) watch(query url.Values) *watching {
	a.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, "GET", a.base+"/watch?"+query.Encode(), nil)
	if err != nil {
		a.t.Fatal(err)
	}
	response, err := a.client.Do(request)
	if err != nil || response.StatusCode != http.StatusOK {
		a.t.Fatal(response, err)
	}
	begun := &watching{a, make(chan watchLine, 100_000), cancel}
	a.t.Cleanup(cancel)
	go func() {
		defer close(begun.lines)
		defer response.Body.Close()
		for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
			var line watchLine
			if json.Unmarshal(scanner.Bytes(), &line) == nil {
				begun.lines <- line
			}
		}
	}()
	begun.await("ready ")
	return begun
}

func (w *watching) text(line watchLine) string {
	text := line.Type + " " + strings.TrimPrefix(line.Path, w.ask.home+"/")
	if line.OldPath != "" {
		text += " from " + strings.TrimPrefix(line.OldPath, w.ask.home+"/")
	}
	return text + line.Reason
}

// await reads until it is told so, and returns all that was told until then.
func (w *watching) await(wanted string) (told []string) {
	w.ask.t.Helper()
	for deadline := time.After(testWait); ; {
		select {
		case line, isMore := <-w.lines:
			if !isMore {
				w.ask.t.Fatalf("the watch ended before %q, after %q", wanted, told)
			}
			told = append(told, w.text(line))
			if told[len(told)-1] == wanted {
				return told
			}
		case <-deadline:
			w.ask.t.Fatalf("%q was not told, but %q", wanted, told)
		}
	}
}

func TestAWatchTellsWhatHappensInOrder(t *testing.T) {
	ask := newFilesAsker(t)
	ask.write("sub/old", "x")
	watch := ask.watch(aboutPath(ask.home))
	ask.as(ask.put(ask.path("new"), []byte("12345")), nil)
	mustBe(t, watch.await("created new"), []string{"created new"})
	ask.as(ask.put(ask.path("new"), []byte("1")), nil)
	mustBe(t, watch.await("modified new"), []string{"modified new"})
	ask.as(ask.post("/move", map[string]any{"from": ask.path("sub/old"), "to": ask.path("moved")}), nil)
	mustBe(t, watch.await("created moved from sub/old"), []string{"deleted sub/old", "created moved from sub/old"})
	ask.as(ask.post("/remove", map[string]any{"path": ask.path("moved")}), nil)
	mustBe(t, watch.await("deleted moved"), []string{"deleted moved"})
	ask.as(ask.post("/chmod", map[string]any{"path": ask.path("new"), "mode": "0600"}), nil)
	mustBe(t, watch.await("modified new"), []string{"modified new"})
}

func TestAWatchFollowsDirectoriesThatComeAndMove(t *testing.T) {
	ask := newFilesAsker(t)
	watch := ask.watch(aboutPath(ask.home))
	ask.write("a/b/c/file", "x")
	watch.await("created a/b/c/file")
	ask.as(ask.post("/move", map[string]any{"from": ask.path("a/b"), "to": ask.path("z")}), nil)
	watch.await("created z from a/b")
	ask.as(ask.put(ask.path("z/c/more"), []byte("x")), nil)
	watch.await("created z/c/more")
	ask.as(ask.post("/copy", map[string]any{"from": ask.path("z"), "to": ask.path("copy"), "recursive": true}), nil)
	told := watch.await("created copy/c/more")
	for _, line := range told {
		if strings.Contains(line, passingPrefix) {
			t.Errorf("what is not there yet was told: %s", line)
		}
	}
	// What was moved out is not told of any more.
	outside := homeOfUser(t, t.TempDir())
	if err := os.Rename(ask.path("z"), filepath.Join(outside, "z")); err != nil {
		t.Fatal(err)
	}
	watch.await("deleted z")
	time.Sleep(10 * watchGatherWait)
	if err := os.WriteFile(filepath.Join(outside, "z/c/after"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	ask.write("last", "")
	for _, line := range watch.await("created last") {
		if strings.Contains(line, "after") {
			t.Errorf("told of what is elsewhere: %s", line)
		}
	}
}

func TestAWatchOfOneFileOutlivesItsReplacement(t *testing.T) {
	ask := newFilesAsker(t)
	path := ask.write("one", "x")
	watch := ask.watch(aboutPath(path))
	ask.as(ask.put(path, []byte("new")), nil)
	ask.as(ask.put(ask.path("other"), []byte("x")), nil)
	watch.await("modified one")
	ask.as(ask.post("/remove", map[string]any{"path": path}), nil)
	for _, line := range watch.await("deleted one") {
		if strings.Contains(line, "other") {
			t.Errorf("told of another file: %s", line)
		}
	}
}

func TestAWatchEndsWithWhatIsWatched(t *testing.T) {
	ask := newFilesAsker(t)
	ask.write("gone/file", "")
	watch := ask.watch(aboutPath(ask.path("gone")))
	ask.as(ask.post("/remove", map[string]any{"path": ask.path("gone"), "recursive": true}), nil)
	watch.await("ended ")
	if _, isMore := <-watch.lines; isMore {
		t.Error("it went on")
	}
	ask.mustRefuse(ask.send("GET", "/watch", aboutPath(ask.path("gone")), nil, nil), "file_not_found")
	if err := os.Mkdir(ask.path("closed"), 0o700); err != nil {
		t.Fatal(err)
	}
	ask.mustRefuse(ask.send("GET", "/watch", aboutPath(ask.path("closed")), nil, nil), "permission_denied")
}

// A flood must not be kept in the agent: who cannot follow is told that something is missing.
func TestAFloodOfChangesIsGatheredAndAnOverflowIsSaid(t *testing.T) {
	ask := newFilesAsker(t)
	watch := ask.watch(aboutPath(ask.home))
	path := ask.write("busy", "")
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for round := 0; round < 20_000; round++ {
		if _, err := file.WriteAt([]byte{byte(round), byte(round)}, int64(round%7)); err != nil {
			t.Fatal(err)
		}
	}
	ask.write("end", "")
	if told := watch.await("created end"); len(told) > 1_000 {
		t.Errorf("one file was told of %d times", len(told))
	}

	lines := &watchLines{tree: &watchedTree{who: users["root"], directories: map[int32]string{1: ""}, moved: map[uint32]movedEntry{}}}
	overflow := make([]byte, unix.SizeofInotifyEvent)
	overflow[0], overflow[1], overflow[2], overflow[3] = 0xff, 0xff, 0xff, 0xff
	overflow[5] = unix.IN_Q_OVERFLOW >> 8
	if lines.tree.take(context.Background(), overflow, lines) || lines.tree.missed != missedEvents {
		t.Errorf("missed %q", lines.tree.missed)
	}
}

func TestAFloodOfFilesThatLeaveIsNotRemembered(t *testing.T) {
	tree := &watchedTree{path: "/workspace", inotify: -1, directories: map[int32]string{1: "", 2: "left-0"}, moved: map[uint32]movedEntry{}}
	lines := newWatchLines(httptest.NewRecorder(), tree)
	for index := 0; index < 3*watchMovedMax; index++ {
		name := fmt.Sprintf("left-%d", index)
		event := watchEvent{1, unix.IN_MOVED_FROM, uint32(index + 1), name}
		if index == 0 {
			event.mask |= unix.IN_ISDIR
		}
		tree.happened(context.Background(), name, event, lines)
		if len(tree.moved) > watchMovedMax {
			t.Fatalf("%d are remembered", len(tree.moved))
		}
	}
	if len(tree.directories) != 1 {
		t.Fatal("a directory that has left is watched still")
	}
}

func TestWatchesAndTransfersLeaveNothingBehind(t *testing.T) {
	ask := newFilesAsker(t)
	ask.write("file", strings.Repeat("x", 1<<20))
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	ask.get(ask.path("file"))
	descriptors, goroutines := count(), runtime.NumGoroutine()
	for round := 0; round < 20; round++ {
		watch := ask.watch(aboutPath(ask.home))
		ask.write(fmt.Sprintf("d%d/x", round), "")
		watch.await(fmt.Sprintf("created d%d/x", round))
		watch.stop()
		response, err := ask.client.Get(ask.base + "?" + aboutPath(ask.path("file")).Encode())
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		ask.get(ask.path("nothing"))
		ask.post("/pack", map[string]any{"paths": []string{ask.home}, "format": "tar"})
		ask.unpack("u", []byte("no archive"))
	}
	for deadline := time.Now().Add(testWait); ; time.Sleep(20 * time.Millisecond) {
		if count() <= descriptors && runtime.NumGoroutine() <= goroutines+2 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors became %d, %d goroutines %d", descriptors, count(), goroutines, runtime.NumGoroutine())
		}
	}
}
