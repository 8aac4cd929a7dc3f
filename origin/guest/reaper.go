package main

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// processes are the children that somebody waits for, each through a descriptor of its own, so that waiting costs no thread.
// As PID 1 the agent also inherits every orphan; those are swept away now and then.
type processes struct {
	groups  cgroups
	mutex   sync.Mutex
	awaited map[int]struct{}
	// commands of all sessions that run.
	commands atomic.Int64
}

func newProcesses() *processes { return &processes{awaited: map[int]struct{}{}} }

// start awaits a child from its very first moment: a sweep waits outside until it is registered.
func (p *processes) start(plan *launch) (*child, *launchFailure) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	pid, descriptor, failed := plan.start()
	if failed != nil {
		return nil, failed
	}
	p.awaited[pid] = struct{}{}
	ended := make(chan syscall.WaitStatus, 1)
	go p.await(pid, descriptor, ended)
	return &child{pid, ended}, nil
}

// sweep reaps the orphans that have ended. It looks before it takes: an awaited child is its waiter's to reap, and is gone
// in a moment, so whatever stands behind it is left to the next sweep.
func (p *processes) sweep() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for {
		pid := anyEnded()
		if _, isAwaited := p.awaited[pid]; pid == 0 || isAwaited {
			return
		}
		if _, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil); err != nil {
			return
		}
	}
}

func (p *processes) sweepForever() {
	for {
		time.Sleep(sweepPause)
		p.sweep()
	}
}

// anyEnded returns a child that has ended and leaves it to be reaped, or 0 when there is none.
func anyEnded() (pid int) {
	var info struct {
		signal, errno, code, _ int32
		pid                    int32
		_                      [108]byte
	}
	const options = unix.WEXITED | unix.WNOHANG | unix.WNOWAIT
	_, _, errno := syscall.RawSyscall6(syscall.SYS_WAITID, unix.P_ALL, 0, uintptr(unsafe.Pointer(&info)), options, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(info.pid)
}

// child is one awaited process. Its end comes once.
type child struct {
	pid   int
	ended <-chan syscall.WaitStatus
}

// await sleeps until the pidfd says that the child has ended, and reaps it.
func (p *processes) await(pid, descriptor int, ended chan<- syscall.WaitStatus) {
	// Non-blocking makes os.NewFile hand the descriptor to the runtime's poller, which needs no thread to wait.
	_ = syscall.SetNonblock(descriptor, true)
	file := os.NewFile(uintptr(descriptor), "pidfd")
	defer file.Close()
	var status syscall.WaitStatus
	if raw, err := file.SyscallConn(); err == nil {
		_ = raw.Read(func(uintptr) bool { return p.reap(pid, &status) })
	}
	ended <- status
}

// signalGroup sends a signal to the process group of a child that has not been reaped yet, so that its number is surely its own.
func (p *processes) signalGroup(pid int, number syscall.Signal) (isHeard bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if _, isAwaited := p.awaited[pid]; !isAwaited {
		return false
	}
	return syscall.Kill(-pid, number) == nil
}

// reap is false while the child lives.
func (p *processes) reap(pid int, status *syscall.WaitStatus) bool {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	reaped, err := syscall.Wait4(pid, status, syscall.WNOHANG, nil)
	if reaped != pid && err == nil {
		return false
	}
	delete(p.awaited, pid)
	return true
}
