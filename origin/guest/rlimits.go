package main

import (
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

// What every process starts with: Debian's own limits, and no core files.
var processLimits = map[int]syscall.Rlimit{
	syscall.RLIMIT_NOFILE: {Cur: 1 << 10, Max: 1 << 19},
	syscall.RLIMIT_CORE:   {Cur: 0, Max: syscall.RLIM_INFINITY & (1<<64 - 1)},
}

// protectAgent keeps the agent alive when memory runs out and when somebody sends signals to PID 1. A signal is caught, not
// ignored, because what is ignored stays ignored in every process that the agent starts.
func protectAgent() error {
	for resource, limit := range processLimits {
		limit := limit
		if err := syscall.Setrlimit(resource, &limit); err != nil {
			return err
		}
	}
	dropped := make(chan os.Signal, 1)
	for number := syscall.Signal(1); number <= syscall.SIGSYS; number++ {
		if number != syscall.SIGCHLD && number != syscall.SIGURG {
			signal.Notify(dropped, number)
		}
	}
	return os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0)
}

// calmRuntime lets the runtime's own timers be late. Its monitor thread otherwise wakes every 20 microseconds while a fork
// waits for its child, and each time an emulated CPU loses what it knew of the child's memory.
func calmRuntime() error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, thread := range threads {
		// Threads made later inherit it from one of these.
		slack := []byte(strconv.Itoa(timerSlackNs))
		if err := os.WriteFile("/proc/"+thread.Name()+"/timerslack_ns", slack, 0); err != nil {
			return err
		}
	}
	return nil
}

// settleAddresses turns address randomisation off where the CPU is emulated: the emulator keeps its translations by
// address, so that with it every new process is translated anew (exec of bash: 72 ms with it, 18 ms without).
func settleAddresses() error {
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || !strings.Contains(string(cpu), "QEMU TCG") {
		return err
	}
	return os.WriteFile("/proc/sys/kernel/randomize_va_space", []byte("0"), 0)
}
