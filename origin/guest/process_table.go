package main

import (
	"sync"
	"time"
)

// processTable holds the processes that outlive their connections: those that run, and the newest of those that have ended.
type processTable struct {
	children    *processes
	environment *environment

	mutex sync.Mutex
	held  map[string]*heldProcess
	// Ids, oldest first: of all that are held, and of those that have ended.
	started, ended []string
	running        int
	readers        int

	// Those who start a process with a key take turns, so that two with the same start one.
	keyed sync.Mutex
}

func newProcessTable(children *processes, environment *environment) *processTable {
	return &processTable{children: children, environment: environment, held: map[string]*heldProcess{}}
}

// start starts a process with the streams that `open` makes and holds it: its output goes to its ring until it ends. What
// `isAttended` means stands at audience.
func (t *processTable) start(order processStart, isAttended bool, open func() (*streams, error)) (*heldProcess, *refusal) {
	user, isKnown := users[order.User]
	if !isKnown || len(order.Argv) == 0 || order.TimeoutMs < 0 {
		return nil, refuse("start_failed", "argv and user must be given.")
	}
	if !t.takePlace() {
		return nil, refuse("process_limit", order.Argv[0]+": too many processes are held already")
	}
	running, refused := t.children.spawn(order.command, user, t.environment.of(user, order.Env), open)
	if refused != nil {
		t.leavePlace()
		return nil, refused
	}
	held := hold(t.children, running, order, isAttended)
	t.mutex.Lock()
	t.held[held.id] = held
	t.started = append(t.started, held.id)
	t.mutex.Unlock()
	go func() {
		held.follow(time.Duration(order.TimeoutMs) * time.Millisecond)
		t.retire(held)
		held.letGoOfGroup()
		t.children.free(running)
	}()
	return held, nil
}

// startWithPipes starts a process with three pipes, the first of which takes what the order says about stdin.
// An order with the key of a process that is held already gives that one, unless another thing was asked with it.
func (t *processTable) startWithPipes(order processStart, isAttended bool) (*heldProcess, *refusal) {
	if order.Key != "" {
		t.keyed.Lock()
		defer t.keyed.Unlock()
		for _, held := range t.list() {
			if held.key != order.Key {
				continue
			}
			if held.fingerprint != order.Fingerprint {
				return nil, refuse("idempotency_key_reused", "This Idempotency-Key was used for a different request.")
			}
			return held, nil
		}
	}
	held, refused := t.start(order, isAttended, openPipes(order.StdinOpen || order.Stdin != ""))
	if refused != nil {
		return nil, refused
	}
	go held.feed(order)
	return held, nil
}

func (t *processTable) takePlace() bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.running >= heldRunningMax {
		return false
	}
	t.running++
	return true
}

func (t *processTable) leavePlace() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.running--
}

// retire counts a process among the ended, of which the oldest are forgotten.
func (t *processTable) retire(held *heldProcess) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.running--
	if t.held[held.id] != held {
		return
	}
	t.ended = append(t.ended, held.id)
	if len(t.ended) > heldEndedMax {
		t.drop(t.ended[0])
	}
}

func (t *processTable) drop(id string) {
	delete(t.held, id)
	t.started = without(t.started, id)
	t.ended = without(t.ended, id)
}

// get is nil when there is no such process, or none any more.
func (t *processTable) get(id string) *heldProcess {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.held[id]
}

// list gives all that are held, oldest first.
func (t *processTable) list() []*heldProcess {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	all := make([]*heldProcess, 0, len(t.started))
	for _, id := range t.started {
		all = append(all, t.held[id])
	}
	return all
}

// remove ends a process if it runs, and forgets it.
func (t *processTable) remove(held *heldProcess) {
	held.terminate()
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.drop(held.id)
}

// release makes every process one that goes on without listeners.
func (t *processTable) release() {
	for _, held := range t.list() {
		held.audience.release()
	}
}

// takeReader is false when too many listen already; leaveReader gives the place back.
func (t *processTable) takeReader() bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.readers >= outputReadersMax {
		return false
	}
	t.readers++
	return true
}

func (t *processTable) leaveReader() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.readers--
}

func without(ids []string, id string) []string {
	for index, each := range ids {
		if each == id {
			return append(ids[:index:index], ids[index+1:]...)
		}
	}
	return ids
}
