package main

import (
	"sync"
	"syscall"
)

// terminalShell is the process behind a terminal. Its end comes once.
type terminalShell struct {
	pid   int
	ended <-chan syscall.WaitStatus
	// hangUp tells it that its connection is gone; kill ends it and all that it has started. Once it has ended, neither does
	// anything: what it had may be another command's by then.
	hangUp, kill func()
}

// shellsIn starts the program of a terminal as the user of the sandbox, in a session that the terminal controls. Its
// environment is that of every process: what a login would have set is there already, and a login shell would put Debian's own
// PATH in place of the sandbox's.
func (p *processes) shellsIn(environment *environment) beginShell {
	return func(order terminalOrder, on *pty) (terminalShell, *refusal) {
		user := users[terminalUser]
		asked := command{Argv: []string{order.Shell}, Cwd: order.Cwd, Env: map[string]string{"TERM": "xterm-256color"}}
		for name, value := range order.Env {
			asked.Env[name] = value
		}
		running, refused := p.spawn(asked, user, environment.of(user, asked.Env), on.streams)
		if refused != nil {
			return terminalShell{}, refused
		}
		return p.followShell(running), nil
	}
}

// followShell frees what the shell had when it has ended; what it left running in the background stays.
func (p *processes) followShell(running *process) terminalShell {
	ended := make(chan syscall.WaitStatus, 1)
	var mutex sync.Mutex
	isGone := false
	whileThere := func(do func()) func() {
		return func() {
			mutex.Lock()
			defer mutex.Unlock()
			if !isGone {
				do()
			}
		}
	}
	go func() {
		status := <-running.ended
		mutex.Lock()
		isGone = true
		mutex.Unlock()
		ended <- status
		p.free(running)
	}()
	return terminalShell{
		pid:    running.pid,
		ended:  ended,
		hangUp: whileThere(func() { hangUpGroup(running.pid) }),
		kill:   whileThere(func() { _ = running.group.killAll() }),
	}
}

// hangUpGroup wakes those who are stopped, too: they could not go otherwise.
func hangUpGroup(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGHUP)
	_ = syscall.Kill(-pid, syscall.SIGCONT)
}
