package main

import (
	"context"
	"os"
	"syscall"
	"time"
)

// process is a command that runs: what the agent holds of it.
type process struct {
	*child
	group   cgroup
	streams *streams
}

// spawn starts an order's command, in a group of its own and with the streams that `open` makes.
func (p *processes) spawn(order command, user user, variables map[string]string, open func() (*streams, error)) (*process, *refusal) {
	plan, refused := newLaunch(order, user, variables)
	if refused != nil {
		return nil, refused
	}
	streams, err := open()
	if err != nil {
		return nil, refuse("process_limit", order.Argv[0]+": "+err.Error())
	}
	defer streams.closeTheirs()
	group, err := p.groups.take()
	if err != nil {
		streams.closeOurs()
		return nil, refuse("process_limit", order.Argv[0]+": "+err.Error())
	}
	plan.streams, plan.isTerminal = streams.theirDescriptors(), streams.isTerminal
	child, refused := p.startIn(group, plan, order)
	if refused != nil {
		streams.closeOurs()
		p.groups.giveBack(group)
		return nil, refused
	}
	return &process{child, group, streams}, nil
}

func (p *processes) startIn(group cgroup, plan *launch, order command) (*child, *refusal) {
	directory, err := os.Open(group.directory)
	if err != nil {
		return nil, refuse("process_limit", order.Argv[0]+": "+err.Error())
	}
	defer directory.Close()
	plan.cgroup = int(directory.Fd())
	child, failed := p.start(plan)
	if failed != nil {
		return nil, refuseLaunch(order, *failed)
	}
	return child, nil
}

// wait returns when the process has ended, by itself or because its time or its host was gone. A timeout of 0 is none.
func (p *process) wait(ctx context.Context, timeout time.Duration) (reason string, status syscall.WaitStatus) {
	var overdue <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		overdue = timer.C
	}
	gone := ctx.Done()
	for {
		select {
		case status = <-p.ended:
			return p.reasonOf(status), status
		case <-overdue:
			return reasonTimeout, p.kill()
		case <-gone:
			if !sessionOf(ctx).keepsCommands.Load() {
				return reasonSignal, p.kill()
			}
			gone = nil
		}
	}
}

// reasonOf tells the kernel's own kill for lack of memory from anybody else's. A shell that outlives its command says 137 for it.
func (p *process) reasonOf(status syscall.WaitStatus) string {
	isKilled := status.Signaled() && status.Signal() == syscall.SIGKILL
	if (isKilled || status.ExitStatus() == 128+int(syscall.SIGKILL)) && p.group.ranOutOfMemory() {
		return reasonOutOfMemory
	}
	if status.Signaled() {
		return reasonSignal
	}
	return reasonExit
}

// kill ends the process and everything it started. What even the kernel cannot end in time is left to it.
func (p *process) kill() syscall.WaitStatus {
	if err := p.group.killAll(); err != nil {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	}
	select {
	case status := <-p.ended:
		return status
	case <-time.After(killWait):
		return syscall.WaitStatus(syscall.SIGKILL)
	}
}

// free gives back what the process had. It is no part of the answer, so nobody should wait for it.
func (p *processes) free(ended *process) {
	ended.streams.closeOurs()
	p.sweep()
	p.groups.giveBack(ended.group)
}
