package main

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"math"
	"strings"
	"sync"
	"syscall"
	"time"
)

// processStart is the order to start a process that outlives its connection; shared/contracts/guest-processes.ts says what
// each field means.
type processStart struct {
	command
	StdinOpen bool   `json:"stdin_open"`
	Name      string `json:"name"`
	Shown     string `json:"shown"`
	Key       string `json:"key"`
	// Of what was asked with the key.
	Fingerprint string `json:"fingerprint"`
}

// heldProcess is a process by which nobody needs to stand. It belongs to no session: it ends by itself, by its timeout, or
// because it is told to.
type heldProcess struct {
	*process
	children                   *processes
	id, name, shown, cwd, user string
	// Whoever asks for the same with the same key gets this one.
	key, fingerprint string
	startedAt        time.Time
	output           *ring
	input            *processInput
	audience         *audience
	// Closed when the process has ended, and when all that it said is in the ring.
	over, complete chan struct{}

	mutex sync.Mutex
	end   *processEnd

	groupUse         sync.RWMutex
	groupIsGivenBack bool
}

// processEnd is how a process ended; it is what its last frame says.
type processEnd struct {
	ExitCode   int    `json:"exit_code"`
	Reason     string `json:"reason"`
	DurationMs int64  `json:"duration_ms"`
	EndedAtMs  int64  `json:"ended_at_ms"`
}

func newProcessID() string {
	var random [8]byte
	// It cannot fail on a kernel that has the call.
	_, _ = rand.Read(random[:])
	return "p_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random[:]))
}

// hold takes a process that has just been started. `isAttended` says that it ends when nobody listens to it for a while.
func hold(children *processes, running *process, order processStart, isAttended bool) *heldProcess {
	held := &heldProcess{
		process: running, children: children, id: newProcessID(), name: cut(order.Name, nameBytesMax), shown: cut(order.Shown, shownBytesMax),
		key: cut(order.Key, nameBytesMax), fingerprint: cut(order.Fingerprint, nameBytesMax), cwd: order.Cwd, user: order.User, startedAt: time.Now(),
		output: newRing(), input: newProcessInput(running.streams.ours[0]),
		over: make(chan struct{}), complete: make(chan struct{}),
	}
	held.audience = newAudience(isAttended, held.terminate)
	return held
}

// follow stays with the process until it has ended and all that it said is in the ring.
func (h *heldProcess) follow(timeout time.Duration) {
	var outputs []*output
	for index, kind := range []frameType{frameStdout, frameStderr} {
		if pipe := h.streams.ours[index+1]; pipe != nil {
			outputs = append(outputs, pump(pipe, h.output, kind, math.MaxInt64))
		}
	}
	// No session is in this context, so no session's end is its end.
	reason, status := h.wait(context.Background(), timeout)
	now := time.Now()
	end := processEnd{exitCode(reason, status), reason, now.Sub(h.startedAt).Milliseconds(), now.UnixMilli()}
	h.mutex.Lock()
	h.end = &end
	h.mutex.Unlock()
	close(h.over)
	h.input.close()
	drain(outputs...)
	last, _ := encodeJSONFrame(frameExited, end)
	h.output.end(last)
	close(h.complete)
}

// ending is nil while the process runs.
func (h *heldProcess) ending() *processEnd {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	return h.end
}

// terminate asks the process and its process group to end, and then ends everything that it started and that is still there.
// It returns when the process has ended.
func (h *heldProcess) terminate() {
	h.groupUse.RLock()
	if !h.groupIsGivenBack {
		h.signal(syscall.SIGTERM)
		for deadline := time.Now().Add(terminateGraceWait); !h.group.isEmpty() && time.Now().Before(deadline); {
			time.Sleep(terminateLookPause)
		}
		_ = h.group.killAll()
	}
	h.groupUse.RUnlock()
	<-h.over
}

// letGoOfGroup waits for those who are about to kill what is in the group; from then on it may be another command's.
func (h *heldProcess) letGoOfGroup() {
	h.groupUse.Lock()
	defer h.groupUse.Unlock()
	h.groupIsGivenBack = true
}

// cut bounds what is only kept to be shown, and leaves whole characters.
func cut(text string, bytesMax int) string {
	if len(text) <= bytesMax {
		return text
	}
	return strings.ToValidUTF8(text[:bytesMax], "")
}
