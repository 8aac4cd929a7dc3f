package main

import (
	"crypto/rand"
	"encoding/hex"
	"sort"
	"sync"
)

// terminals are those of the machine, by id. The last few that have ended are kept, so that whoever comes back sees how.
type terminals struct {
	owner user
	begin beginShell
	mutex sync.Mutex
	byID  map[string]*terminal
}

// beginShell starts the program of a terminal.
type beginShell func(order terminalOrder, on *pty) (terminalShell, *refusal)

func newTerminals(owner user, begin beginShell) *terminals {
	return &terminals{owner: owner, begin: begin, byID: map[string]*terminal{}}
}

// terminalOrder is a host's wish for a terminal; shared/contracts/guest-terminals.ts says what each field means.
type terminalOrder struct {
	terminalSize
	Shell string            `json:"shell"`
	Cwd   string            `json:"cwd"`
	Env   map[string]string `json:"env"`
}

type terminalFacts struct {
	ID string `json:"id"`
	terminalSize
	Shell    string `json:"shell"`
	Pid      int    `json:"pid"`
	BeganMs  int64  `json:"began_at_ms"`
	Viewers  int    `json:"viewers"`
	Shown    uint64 `json:"shown_bytes"`
	ExitCode *int   `json:"exit_code"`
}

const terminalUser = "sandbox"

// start makes a terminal, unless there are as many as may be.
func (t *terminals) start(order terminalOrder) (*terminal, *refusal) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.countLiving() >= terminalsMax {
		return nil, refuse("terminal_limit", "The sandbox has as many terminals as it may.")
	}
	id, err := newTerminalID()
	if err != nil {
		return nil, refuse("terminal_not_started", err.Error())
	}
	pty, err := openPty(order.terminalSize, t.owner)
	if err != nil {
		return nil, refuse("terminal_not_started", "There is no pseudo terminal: "+err.Error())
	}
	shell, refused := t.begin(order, pty)
	if refused != nil {
		pty.close()
		return nil, refuse("terminal_not_started", refused.Message)
	}
	made := beginTerminal(id, order, pty, shell)
	t.byID[made.id] = made
	t.forgetOldest()
	return made, nil
}

func (t *terminals) countLiving() (living int) {
	for _, terminal := range t.byID {
		if !terminal.hasEnded() {
			living++
		}
	}
	return living
}

// forgetOldest lets go of what ended first when more than may be kept have ended.
func (t *terminals) forgetOldest() {
	var ended []*terminal
	for _, terminal := range t.byID {
		if terminal.hasEnded() {
			ended = append(ended, terminal)
		}
	}
	sort.Slice(ended, func(one, other int) bool { return ended[one].endedAt.Before(ended[other].endedAt) })
	for len(ended) > terminalsEndedKeptMax {
		delete(t.byID, ended[0].id)
		ended = ended[1:]
	}
}

func (t *terminals) find(id string) *terminal {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.byID[id]
}

// remove is false when there is no such terminal.
func (t *terminals) remove(id string) bool {
	t.mutex.Lock()
	found := t.byID[id]
	delete(t.byID, id)
	t.mutex.Unlock()
	if found == nil {
		return false
	}
	found.hangUp()
	return true
}

// list is in the order in which they were begun.
func (t *terminals) list() []terminalFacts {
	t.mutex.Lock()
	all := make([]*terminal, 0, len(t.byID))
	for _, terminal := range t.byID {
		all = append(all, terminal)
	}
	t.mutex.Unlock()
	sort.Slice(all, func(one, other int) bool { return all[one].began.Before(all[other].began) })
	facts := make([]terminalFacts, 0, len(all))
	for _, terminal := range all {
		facts = append(facts, terminal.facts())
	}
	return facts
}

func (t *terminal) facts() terminalFacts {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	facts := terminalFacts{
		ID: t.id, terminalSize: t.size, Shell: t.order.Shell, Pid: t.shell.pid,
		BeganMs: t.began.UnixMilli(), Viewers: len(t.viewers), Shown: t.screen.place(),
	}
	if t.hasEnded() {
		code := t.exit
		facts.ExitCode = &code
	}
	return facts
}

// newTerminalID is not to be guessed, so that a terminal of another fork of the machine is never taken for one of this.
func newTerminalID() (string, error) {
	var random [12]byte
	_, err := rand.Read(random[:])
	return "term_" + hex.EncodeToString(random[:]), err
}
