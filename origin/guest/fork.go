package main

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The standard library of Debian's Go cannot start a process inside a control group (UseCgroupFD came with Go 1.20), and a
// process that is moved there afterwards may have had a child by then. So the fork is ours: syscall.forkAndExecInChild with
// clone3, for exactly one kind of process. It is also cheaper: a failure comes back through the shared memory, not a pipe.

// launch is everything a child needs, made before the fork: a child may not allocate.
type launch struct {
	program   *byte
	argv, env []*byte
	cwd       *byte
	user      uint32
	groups    []uint32
	streams   [3]int
	// The streams are a terminal, which becomes the one that controls the child's session.
	isTerminal bool
	cgroup     int
	// Written by the kernel: the child's pidfd.
	descriptor int32
	failure    launchFailure
}

// launchFailure is written by the child, whose memory is the parent's until it has become another program.
type launchFailure struct {
	stage launchStage
	errno syscall.Errno
}

type launchStage int

const (
	stageClone launchStage = iota
	stageSession
	stageScore
	stageUser
	stageCwd
	stageStreams
	stageProgram
)

type cloneArgs struct {
	flags, pidfd, childTid, parentTid, exitSignal, stack, stackSize, tls, setTid, setTidSize, cgroup uint64
}

//go:linkname runtimeBeforeFork syscall.runtime_BeforeFork
func runtimeBeforeFork()

//go:linkname runtimeAfterFork syscall.runtime_AfterFork
func runtimeAfterFork()

//go:linkname runtimeAfterForkInChild syscall.runtime_AfterForkInChild
func runtimeAfterForkInChild()

//go:noescape
func vforkClone3(args *cloneArgs, size uintptr) (pid, errno uintptr)

// start returns when the child is the other program, or has failed to become it. The descriptor is the child's pidfd.
func (l *launch) start() (pid, descriptor int, failed *launchFailure) {
	args := &cloneArgs{
		flags:      unix.CLONE_VFORK | unix.CLONE_VM | unix.CLONE_INTO_CGROUP | unix.CLONE_PIDFD,
		pidfd:      uint64(uintptr(unsafe.Pointer(&l.descriptor))),
		exitSignal: uint64(unix.SIGCHLD),
		cgroup:     uint64(l.cgroup),
	}
	syscall.ForkLock.Lock()
	child, errno := forkAndBecome(l, args)
	runtimeAfterFork()
	syscall.ForkLock.Unlock()
	if errno != 0 {
		return 0, 0, &launchFailure{stageClone, syscall.Errno(errno)}
	}
	if l.failure.errno != 0 {
		_ = syscall.Close(int(l.descriptor))
		_, _ = syscall.Wait4(int(child), nil, 0, nil)
		return 0, 0, &l.failure
	}
	return int(child), int(l.descriptor), nil
}

var (
	scorePath = []byte("/proc/self/oom_score_adj\x00")
	scoreText = []byte("0")
)

// forkAndBecome returns in the parent only, and at once: the child has been using this very stack frame. In the child it may
// neither allocate nor grow the stack nor take a lock.
//
//go:noinline
//go:norace
//go:nocheckptr
func forkAndBecome(l *launch, args *cloneArgs) (pid, errno uintptr) {
	runtimeBeforeFork()
	pid, errno = vforkClone3(args, unsafe.Sizeof(*args))
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	runtimeAfterForkInChild()
	become(l)
	for {
		syscall.RawSyscall(syscall.SYS_EXIT, 1, 0, 0)
	}
}

// become makes the child the program, or leaves in the launch why not.
//
//go:noinline
//go:norace
//go:nosplit
//go:nocheckptr
func become(l *launch) {
	l.failure.stage = stageSession
	if _, _, l.failure.errno = syscall.RawSyscall(syscall.SYS_SETSID, 0, 0, 0); l.failure.errno != 0 {
		return
	}
	// The agent is never chosen when memory runs out; what it starts may be.
	l.failure.stage = stageScore
	var file uintptr
	file, _, l.failure.errno = syscall.RawSyscall(syscall.SYS_OPEN, uintptr(unsafe.Pointer(&scorePath[0])), syscall.O_WRONLY, 0)
	if l.failure.errno != 0 {
		return
	}
	_, _, l.failure.errno = syscall.RawSyscall(syscall.SYS_WRITE, file, uintptr(unsafe.Pointer(&scoreText[0])), 1)
	if l.failure.errno != 0 {
		return
	}
	syscall.RawSyscall(syscall.SYS_CLOSE, file, 0, 0)

	syscall.RawSyscall(syscall.SYS_PRCTL, unix.PR_SET_TIMERSLACK, timerSlackNsOfCommands, 0)

	l.failure.stage = stageUser
	if _, _, l.failure.errno = syscall.RawSyscall(syscall.SYS_SETGROUPS, uintptr(len(l.groups)), uintptr(unsafe.Pointer(&l.groups[0])), 0); l.failure.errno != 0 {
		return
	}
	if _, _, l.failure.errno = syscall.RawSyscall(syscall.SYS_SETGID, uintptr(l.user), 0, 0); l.failure.errno != 0 {
		return
	}
	if _, _, l.failure.errno = syscall.RawSyscall(syscall.SYS_SETUID, uintptr(l.user), 0, 0); l.failure.errno != 0 {
		return
	}
	l.failure.stage = stageCwd
	if _, _, l.failure.errno = syscall.RawSyscall(syscall.SYS_CHDIR, uintptr(unsafe.Pointer(l.cwd)), 0, 0); l.failure.errno != 0 {
		return
	}
	l.failure.stage = stageStreams
	for target := 0; target < len(l.streams); target++ {
		if _, _, l.failure.errno = syscall.RawSyscall(syscall.SYS_DUP3, uintptr(l.streams[target]), uintptr(target), 0); l.failure.errno != 0 {
			return
		}
	}
	if l.isTerminal {
		if _, _, l.failure.errno = syscall.RawSyscall(syscall.SYS_IOCTL, 0, unix.TIOCSCTTY, 0); l.failure.errno != 0 {
			return
		}
	}
	l.failure.stage = stageProgram
	_, _, l.failure.errno = syscall.RawSyscall(syscall.SYS_EXECVE,
		uintptr(unsafe.Pointer(l.program)), uintptr(unsafe.Pointer(&l.argv[0])), uintptr(unsafe.Pointer(&l.env[0])))
}
