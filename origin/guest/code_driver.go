package main

import (
	"os"
	"sync"
	"syscall"
	"time"
)

// codeDriver is the process of one interpreter, with everything it has started, and what the agent holds of it.
type codeDriver struct {
	channel        *codeChannel
	stdout, stderr *codeOutput
	// gone is closed when the process has ended; how it ended is known then.
	gone   chan struct{}
	reason string
	status syscall.WaitStatus
	// told is what the process knows of the machine's environment.
	told map[string]string

	processes *processes
	// mutex guards what follows: once a process has ended, its group may be that of another one.
	mutex   sync.Mutex
	process *process
	isEnded bool
}

// startDriver starts the process of an interpreter.
type startDriver func(language codeLanguage, cwd string, variables map[string]string) (*codeDriver, *refusal)

// driverStarter starts interpreters as commands are started: as the sandbox's user, each in a group of its own.
func driverStarter(processes *processes, folder string) startDriver {
	return func(language codeLanguage, cwd string, variables map[string]string) (*codeDriver, *refusal) {
		if err := unpackInterpreters(folder); err != nil {
			return nil, refuse("start_failed", err.Error())
		}
		order := command{Argv: language.argv(folder), Cwd: cwd}
		process, refused := processes.spawn(order, users["sandbox"], variables, openDriverStreams)
		if refused != nil {
			return nil, refused
		}
		return followDriver(processes, process), nil
	}
}

func followDriver(processes *processes, process *process) *codeDriver {
	ours := process.streams.ours
	d := &codeDriver{
		channel:   &codeChannel{socket: ours[0]},
		stdout:    followOutput(ours[1], frameStdout),
		stderr:    followOutput(ours[2], frameStderr),
		gone:      make(chan struct{}),
		processes: processes,
		process:   process,
	}
	go func() {
		// An interpreter that the agent cannot talk to any more is of no use, whatever it is doing.
		_ = d.channel.follow()
		d.kill()
	}()
	go func() { d.end(<-process.ended) }()
	return d
}

// end is called once, when the process has ended. What it had started ends with it, or its pipes would stay open.
func (d *codeDriver) end(status syscall.WaitStatus) {
	d.mutex.Lock()
	if !d.process.group.isEmpty() {
		_ = d.process.group.killAll()
	}
	d.isEnded = true
	d.status, d.reason = status, d.process.reasonOf(status)
	d.mutex.Unlock()
	deadline := time.Now().Add(drainWait)
	for _, output := range []*codeOutput{d.stdout, d.stderr} {
		_ = output.pipe.SetReadDeadline(deadline)
		<-output.done
	}
	close(d.gone)
	d.processes.free(d.process)
}

// kill ends the process and all that it has started. It is safe to repeat, also when the process has ended.
func (d *codeDriver) kill() {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if !d.isEnded {
		_ = d.process.group.killAll()
	}
}

// watchMemory remembers how things stood when a call began.
func (d *codeDriver) watchMemory() {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.process.group.memoryKillsBefore = d.process.group.memoryKills()
}

func (d *codeDriver) isGone() bool {
	select {
	case <-d.gone:
		return true
	default:
		return false
	}
}

// interrupt is what Ctrl-C is at a terminal: for the interpreter and for what it waits for.
func (d *codeDriver) interrupt() { d.processes.signalGroup(d.process.pid, syscall.SIGINT) }

// openDriverStreams makes the channel, which a driver begins with as its stdin, and its two pipes. Ours never block a thread.
func openDriverStreams() (made *streams, err error) {
	made = &streams{}
	defer func() {
		if err != nil {
			made.closeOurs()
			made.closeTheirs()
		}
	}()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return made, err
	}
	made.theirs[0] = os.NewFile(uintptr(pair[1]), "channel")
	if err = syscall.SetNonblock(pair[0], true); err != nil {
		_ = syscall.Close(pair[0])
		return made, err
	}
	made.ours[0] = os.NewFile(uintptr(pair[0]), "channel")
	for index := 1; index < len(made.ours) && err == nil; index++ {
		made.ours[index], made.theirs[index], err = os.Pipe()
	}
	return made, err
}
