package main

import (
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// processes are the children that somebody waits for. As PID 1 the agent also inherits every orphan, so only one place may
// wait: it takes every end, hands over the awaited ones, and forgets the others.
type processes struct {
	groups  cgroups
	mutex   sync.Mutex
	awaited map[int]chan syscall.WaitStatus
	// started wakes the reaper when there may be children again.
	started chan struct{}
}

func newProcesses() *processes {
	return &processes{awaited: map[int]chan syscall.WaitStatus{}, started: make(chan struct{}, 1)}
}

// start awaits a child from its very first moment: the reaper waits outside until it is registered.
func (p *processes) start(plan *launch) (pid int, ended <-chan syscall.WaitStatus, failed *launchFailure) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	pid, failed = plan.start()
	if failed != nil {
		return 0, nil, failed
	}
	status := make(chan syscall.WaitStatus, 1)
	p.awaited[pid] = status
	select {
	case p.started <- struct{}{}:
	default:
	}
	return pid, status, nil
}

// reap never returns. It looks before it takes, so that a pid stays taken until its end has been handed over.
func (p *processes) reap() {
	for {
		pid, err := nextEnded()
		if err != nil {
			<-p.started
			continue
		}
		p.take(pid)
	}
}

func (p *processes) take(pid int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var status syscall.WaitStatus
	if reaped, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil); err != nil || reaped != pid {
		return
	}
	if ended, isAwaited := p.awaited[pid]; isAwaited {
		delete(p.awaited, pid)
		ended <- status
	}
}

// nextEnded blocks until a child has ended and leaves it to be reaped. It fails when there is no child at all.
func nextEnded() (pid int, err error) {
	var info struct {
		signal, errno, code, _ int32
		pid                    int32
		_                      [108]byte
	}
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, unix.P_ALL, 0, uintptr(unsafe.Pointer(&info)),
			unix.WEXITED|unix.WNOWAIT, 0, 0)
		if errno == 0 {
			return int(info.pid), nil
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}
