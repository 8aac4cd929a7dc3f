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
	group   *cgroup
	streams *streams
}

// spawn starts an order's command, in a group of its own and with its streams on the agent's side.
func (p *processes) spawn(order command, user user, variables map[string]string) (*process, *refusal) {
	plan, refused := newLaunch(order, user, variables)
	if refused != nil {
		return nil, refused
	}
	streams, err := openStreams(order.Stdin != "")
	if err != nil {
		return nil, refuse("process_limit", order.Argv[0]+": "+err.Error())
	}
	defer streams.closeTheirs()
	group, err := p.groups.take()
	if err != nil {
		streams.closeOurs()
		return nil, refuse("process_limit", order.Argv[0]+": "+err.Error())
	}
	plan.streams = streams.theirDescriptors()
	plan.cgroup = int(group.directory.Fd())
	child, failed := p.start(plan)
	if failed != nil {
		streams.closeOurs()
		p.groups.giveBack(group)
		return nil, refuseLaunch(order, *failed)
	}
	return &process{child, group, streams}, nil
}

// wait returns when the process has ended, by itself or because its time or its host was gone.
func (p *process) wait(ctx context.Context, timeout time.Duration) (reason string, status syscall.WaitStatus) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case status = <-p.ended:
		if status.Signaled() {
			return reasonSignal, status
		}
		return reasonExit, status
	case <-timer.C:
		return reasonTimeout, p.kill()
	case <-ctx.Done():
		return reasonSignal, p.kill()
	}
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

// streams are the three pipes of a process. Without anything to say to it, stdin is /dev/null.
type streams struct {
	ours, theirs [3]*os.File
}

func openStreams(hasStdin bool) (made *streams, err error) {
	made = &streams{}
	defer func() {
		if err != nil {
			made.closeOurs()
			made.closeTheirs()
		}
	}()
	if hasStdin {
		made.theirs[0], made.ours[0], err = os.Pipe()
	} else {
		made.theirs[0], err = os.Open(os.DevNull)
	}
	for index := 1; index < len(made.ours) && err == nil; index++ {
		made.ours[index], made.theirs[index], err = os.Pipe()
	}
	return made, err
}

func (s *streams) theirDescriptors() (descriptors [3]int) {
	for index, file := range s.theirs {
		descriptors[index] = int(file.Fd())
	}
	return descriptors
}

// feed writes the text and closes stdin. A process that does not read it is its own affair: the pipe breaks when it ends.
func (s *streams) feed(text string) {
	if s.ours[0] != nil {
		_, _ = s.ours[0].WriteString(text)
		_ = s.ours[0].Close()
	}
}

func (s *streams) closeOurs()   { closeAll(s.ours) }
func (s *streams) closeTheirs() { closeAll(s.theirs) }

func closeAll(files [3]*os.File) {
	for _, file := range files {
		if file != nil {
			_ = file.Close()
		}
	}
}
