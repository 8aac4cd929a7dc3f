package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Editors and job control work only on a terminal that controls the session, with a size that follows the window.
func TestAShellHasARealTerminalOfTheSizeThatWasSaidLast(t *testing.T) {
	h := newHost(t)
	seat := h.attach(h.start(), 0)
	seat.typeLine("tty && stty size && ps -o tpgid= -p $$ | grep -qv -- -1 && echo cont''rolled")
	seat.hearText("/dev/pts/")
	seat.hearText("24 80")
	seat.hearText("controlled")
	seat.say(terminalResize, []byte{0, 132, 0, 43})
	seat.typeLine("stty size")
	seat.hearText("43 132")
	seat.typeLine("exit 7")
	seat.hearEnd()
	if seat.exit != 7 {
		t.Fatalf("the exit code is %d", seat.exit)
	}
}

func TestControlCEndsWhatRunsInTheForegroundAndNotTheShell(t *testing.T) {
	h := newHost(t)
	seat := h.attach(h.start(), 0)
	// Who says it is who runs in the foreground by then.
	seat.typeLine("sh -c \"echo rea''dy; exec sleep 1000\"")
	seat.hearText("ready")
	seat.say(terminalStdin, []byte{3})
	seat.typeLine("echo co''de$?")
	seat.hearText("code130")
}

func TestEveryViewerSeesTheSameAndHearsOfASizeThatAnotherSaid(t *testing.T) {
	h := newHost(t)
	id := h.start()
	one, other := h.attach(id, 0), h.attach(id, 0)
	one.typeLine("echo ab''cd")
	one.hearText("abcd")
	other.hearText("abcd")
	one.say(terminalResize, []byte{0, 100, 0, 30})
	other.hearUntil("the size", func() bool { return len(other.sizes) == 2 && other.sizes[1] == terminalSize{100, 30} })
	other.typeLine("echo ef''gh")
	one.hearText("efgh")
	if len(one.sizes) != 1 {
		t.Fatalf("what a viewer said was said back: %v", one.sizes)
	}
}

// A connection breaks in the middle; nothing that was shown meanwhile may be lost, and nothing come twice.
func TestWhoComesBackGoesOnWhereTheyWere(t *testing.T) {
	h := newHost(t)
	id := h.start()
	first := h.attach(id, 0)
	first.typeLine("echo on''e; read line; echo tw''o")
	first.hearText("one")
	place, before := first.place, string(first.shown)
	first.mouth.CloseWithError(errors.New("gone"))
	first.body.Close()

	again := h.attach(id, place)
	again.typeLine("")
	again.hearText("two")
	if strings.Contains(string(again.shown), "one") || again.places[0] != place {
		t.Fatalf("at %v came %q", again.places, again.shown)
	}
	whole := h.attach(id, 0)
	whole.hearText("two")
	if !strings.HasPrefix(string(whole.shown), before) {
		t.Fatalf("from the beginning came %q", whole.shown)
	}
}

func TestWhoComesAfterTheEndSeesHowItEnded(t *testing.T) {
	h := newHost(t)
	id := h.start()
	first := h.attach(id, 0)
	first.typeLine("echo la''st; kill -9 $$")
	first.hearEnd()
	late := h.attach(id, 0)
	late.hearEnd()
	if late.exit != 137 || !bytes.Contains(late.shown, []byte("last")) {
		t.Fatalf("%d %q", late.exit, late.shown)
	}
	_, said := h.ask("GET", "", nil)
	if !strings.Contains(string(said), `"exit_code":137`) {
		t.Fatalf("%s", said)
	}
}

// The client of these tests takes four megabytes before it counts as slow.
// A laptop that sleeps with a terminal open must stop neither the program nor its neighbours.
func TestAViewerWhoStandsStillHoldsUpNobodyForLongAndHearsWhatTheyMissed(t *testing.T) {
	h := newHost(t)
	id := h.start()
	still := h.attach(id, 0)
	still.hearUntil("the place", func() bool { return len(still.places) == 1 })
	moving := h.attach(id, 0)
	moving.typeLine("head -c 12000000 /dev/zero | tr '\\0' 'x'; echo; echo do''ne")
	moving.hearText("done")
	still.hearText("done")
	if len(still.places) < 2 || len(still.shown) > 8_000_000 {
		t.Fatalf("%d bytes, places %v", len(still.shown), still.places)
	}
}

// A terminal waits for its only viewer as a pipe does, so that the end of a long file is not shown behind a gap.
func TestTheOnlyViewerMissesNothingOfAnyLength(t *testing.T) {
	h := newHost(t)
	seat := h.attach(h.start(), 0)
	seat.typeLine("stty -onlcr; head -c 9000000 /dev/zero | tr '\\0' '\\170'; echo do''ne")
	seat.hearText("done")
	if got := bytes.Count(seat.shown, []byte("x")); got != 9_000_000 || len(seat.places) != 1 {
		t.Fatalf("%d bytes, places %v", got, seat.places)
	}
}

func TestProgramsGoOnWhenNobodyLooks(t *testing.T) {
	h := newHost(t)
	id := h.start()
	first := h.attach(id, 0)
	first.typeLine("head -c 2000000 /dev/zero | tr '\\0' 'x'; echo; exit 3")
	first.mouth.Close()
	for first.hear() == nil {
	}
	last := h.attach(id, 0)
	last.hearEnd()
	if last.exit != 3 {
		t.Fatalf("the exit code is %d", last.exit)
	}
}

func TestATypedCharacterOfSeveralBytesIsTakenBackWhole(t *testing.T) {
	h := newHost(t)
	seat := h.attach(h.start(), 0)
	seat.typeLine("cat | od -An -tx1")
	seat.say(terminalStdin, []byte("aé"))
	seat.say(terminalStdin, []byte{0x7f, 'b', '\n', 4})
	seat.hearText("61 62 0a")
}

func TestWhatIsNoFrameOfAViewerEndsTheViewerAndNotTheTerminal(t *testing.T) {
	h := newHost(t)
	id := h.start()
	for _, nonsense := range [][]byte{
		{2, 0, 0, 0, 0},
		{0, 255, 255, 255, 255},
		{5, 0, 0, 0, 4, 0, 0, 0, 0},
		{5, 0, 0, 0, 3, 0, 80, 0},
	} {
		seat := h.attach(id, 0)
		if _, err := seat.mouth.Write(nonsense); err != nil {
			t.Fatal(err)
		}
		late := time.AfterFunc(testWait, func() { t.Error("it was not ended"); seat.body.Close() })
		var err error
		for err == nil {
			err = seat.hear()
		}
		late.Stop()
		if err == io.EOF {
			t.Fatalf("%v was taken for the end", nonsense)
		}
	}
	seat := h.attach(id, 0)
	seat.typeLine("echo st''ill")
	seat.hearText("still")
}

func TestADeletedTerminalIsGoneWithWhatRanInIt(t *testing.T) {
	h := newHost(t)
	id := h.start()
	seat := h.attach(id, 0)
	seat.typeLine("trap '' HUP; echo stub''born; while :; do sleep 1; done")
	seat.hearText("stubborn")
	if status, said := h.ask("DELETE", "/"+id, nil); status != http.StatusNoContent {
		t.Fatalf("%d %s", status, said)
	}
	seat.hearEnd()
	if seat.exit != 137 {
		t.Fatalf("the exit code is %d", seat.exit)
	}
	if status, said := h.ask("DELETE", "/"+id, nil); status != http.StatusNotFound || !strings.Contains(string(said), "terminal_not_found") {
		t.Fatalf("%d %s", status, said)
	}
}

func TestThereAreNoMoreTerminalsAndViewersThanMayBe(t *testing.T) {
	h := newHost(t)
	var id string
	for range make([]struct{}, terminalsMax) {
		id = h.start()
	}
	order := map[string]any{"shell": "/bin/sh", "cwd": "/", "cols": 80, "rows": 24}
	if status, said := h.ask("POST", "", order); status != 429 || !strings.Contains(string(said), "terminal_limit") {
		t.Fatalf("%d %s", status, said)
	}
	for range make([]struct{}, terminalViewersMax) {
		h.attach(id, 0)
	}
	if status, said := h.ask("POST", "/"+id+"/attach?place=0", nil); status != 429 {
		t.Fatalf("%d %s", status, said)
	}
	h.ask("DELETE", "/"+id, nil)
	h.start()
}

func TestAnOrderThatCannotBeCarriedOutIsRefusedInAWord(t *testing.T) {
	h := newHost(t)
	for _, wrong := range []map[string]any{
		{"shell": "/bin/sh", "cwd": "/", "cols": 0, "rows": 24},
		{"shell": "/bin/sh", "cwd": "/", "cols": 80, "rows": 1001},
		{"shell": "", "cwd": "/", "cols": 80, "rows": 24},
		{"shell": "/bin/sh", "cols": 80, "rows": 70_000},
	} {
		if status, _ := h.ask("POST", "", wrong); status != http.StatusBadRequest {
			t.Errorf("%v gave %d", wrong, status)
		}
	}
	status, said := h.ask("POST", "", map[string]any{"shell": "/no/such", "cwd": "/", "cols": 80, "rows": 24})
	if status != http.StatusUnprocessableEntity || !strings.Contains(string(said), "terminal_not_started") {
		t.Errorf("%d %s", status, said)
	}
	for _, path := range []string{"/x/attach?place=-1", "/x/attach", "/x/y", "/x"} {
		if status, _ := h.ask("POST", path, nil); status < 400 || status >= 500 {
			t.Errorf("%s gave %d", path, status)
		}
	}
}
