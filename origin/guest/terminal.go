package main

import (
	"sync"
	"time"
)

// terminal is a shell behind a pseudo terminal. It is nobody's: it goes on while nobody looks, whatever becomes of the session
// in which it was begun, and whoever comes sees what it has shown last.
type terminal struct {
	id     string
	order  terminalOrder
	pty    *pty
	shell  terminalShell
	began  time.Time
	screen *scrollback
	// typed is what viewers have typed; one goroutine hands it on, so that a program that does not read holds up viewers only
	// while they look.
	typed chan []byte
	// ended is closed when the shell has ended and everything it showed is on the screen.
	ended chan struct{}

	mutex    sync.Mutex
	size     terminalSize
	viewers  map[*viewer]struct{}
	progress chan struct{}
	exit     int
	endedAt  time.Time
}

func beginTerminal(id string, order terminalOrder, pty *pty, shell terminalShell) *terminal {
	t := &terminal{
		id: id, order: order, pty: pty, shell: shell, began: time.Now(),
		screen: newScrollback(terminalScrollBytes), size: order.terminalSize,
		typed: make(chan []byte, terminalInputsMax), ended: make(chan struct{}),
		viewers: map[*viewer]struct{}{}, progress: make(chan struct{}, 1),
	}
	read := make(chan struct{})
	go t.showAll(read)
	go t.typeAll()
	go t.awaitEnd(read)
	return t
}

// showAll puts what the programs say on the screen. It keeps the pace of the fastest viewer, as a terminal does, but waits
// for none who stands still.
func (t *terminal) showAll(done chan<- struct{}) {
	defer close(done)
	chunk := make([]byte, frameChunkBytes)
	passAll(t.pty.ours, chunk, func(count int) {
		t.screen.show(chunk[:count])
		t.keepPace()
	})
}

func (t *terminal) typeAll() {
	for {
		select {
		case bytes := <-t.typed:
			if _, err := t.pty.ours.Write(bytes); err != nil {
				return
			}
		case <-t.ended:
			return
		}
	}
}

// awaitEnd holds their end open until the shell has ended, so that a moment in which nobody has the terminal open is not
// taken for its end. Afterwards whoever else has it open is not waited for.
func (t *terminal) awaitEnd(read <-chan struct{}) {
	status := <-t.shell.ended
	_ = t.pty.held.Close()
	_ = t.pty.ours.SetReadDeadline(time.Now().Add(drainWait))
	<-read
	_ = t.pty.ours.Close()
	t.mutex.Lock()
	t.exit, t.endedAt = exitCode(reasonExit, status), time.Now()
	t.mutex.Unlock()
	close(t.ended)
	t.screen.end()
}

// hangUp ends the terminal as the end of a connection would, and what does not go by itself by force.
func (t *terminal) hangUp() {
	t.shell.hangUp()
	select {
	case <-t.ended:
	case <-time.After(terminalGoodbyeWait):
	}
	t.shell.kill()
}

func (t *terminal) hasEnded() bool {
	select {
	case <-t.ended:
		return true
	default:
		return false
	}
}

// resize is everybody's: the last who says a size has it. One that is about to end takes none any more.
func (t *terminal) resize(size terminalSize) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if size == t.size || t.pty.resize(size) != nil {
		return
	}
	t.size = size
	t.screen.tell()
}

func (t *terminal) sizeNow() terminalSize {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.size
}

func (t *terminal) exitCode() int {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.exit
}
