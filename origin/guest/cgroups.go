package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Every command has a control group of its own, so that the kernel can kill all of it at once, also what has left its
// process group or forks faster than anybody can list. They stand under one group that keeps the agent alive:
//
//	/sys/fs/cgroup            the agent
//	  sandbox/                everything else: bounded in processes and memory, half of the CPU at most against the agent
//	    1/ 2/ ...             one for each command
const (
	cgroupRoot    = "/sys/fs/cgroup"
	sandboxCgroup = cgroupRoot + "/sandbox"
)

func setUpCgroups() error {
	var system unix.Sysinfo_t
	if err := unix.Sysinfo(&system); err != nil {
		return err
	}
	memoryBytes := system.Totalram*uint64(system.Unit) - agentReserveBytes
	if err := os.WriteFile(cgroupRoot+"/cgroup.subtree_control", []byte("+cpu +memory +pids"), 0); err != nil {
		return err
	}
	if err := os.Mkdir(sandboxCgroup, 0o755); err != nil {
		return err
	}
	// Each command's group counts its own kills for lack of memory.
	if err := os.WriteFile(sandboxCgroup+"/cgroup.subtree_control", []byte("+memory"), 0); err != nil {
		return err
	}
	if err := os.WriteFile(sandboxCgroup+"/memory.max", []byte(strconv.FormatUint(memoryBytes, 10)), 0); err != nil {
		return err
	}
	return os.WriteFile(sandboxCgroup+"/pids.max", []byte(strconv.Itoa(processesMax)), 0)
}

// cgroup is one command's group.
type cgroup struct {
	directory string
	// How often a command before this one was killed there for lack of memory.
	memoryKillsBefore int64
	wasKilled         bool
}

// killAll ends every process in the group, whatever it is doing. The group is not used again.
func (c *cgroup) killAll() error {
	c.wasKilled = true
	return os.WriteFile(c.path("cgroup.kill"), []byte("1"), 0)
}

func (c cgroup) isEmpty() bool {
	events, err := os.ReadFile(c.path("cgroup.events"))
	return err == nil && bytes.Contains(events, []byte("populated 0\n"))
}

// ranOutOfMemory is whether the kernel killed a process of this command because there was no memory left.
func (c cgroup) ranOutOfMemory() bool { return c.memoryKills() > c.memoryKillsBefore }

func (c cgroup) memoryKills() (count int64) {
	events, err := os.ReadFile(c.path("memory.events"))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(events), "\noom_kill ")
	text, _, _ := strings.Cut(rest, "\n")
	count, _ = strconv.ParseInt(text, 10, 64)
	return count
}

func (c cgroup) path(file string) string { return filepath.Join(c.directory, file) }

// cgroups are made once and used again, because making one is slow. A group whose command left something running in the
// background is used again when that has ended.
type cgroups struct {
	mutex     sync.Mutex
	made      int
	idle      []cgroup
	lingering []cgroup
}

// take returns an empty group.
func (g *cgroups) take() (cgroup, error) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if last := len(g.idle) - 1; last >= 0 {
		taken := g.idle[last]
		g.idle = g.idle[:last]
		return taken, nil
	}
	made := cgroup{directory: filepath.Join(sandboxCgroup, strconv.Itoa(g.made+1))}
	if err := os.Mkdir(made.directory, 0o755); err != nil {
		return made, err
	}
	g.made++
	return made, nil
}

// giveBack takes a group whose command has ended, and looks after some of those that were not empty before, in turn.
func (g *cgroups) giveBack(used cgroup) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.lingering = append(g.lingering, used)
	for looks := min(len(g.lingering), lingeringLooksMax); looks > 0; looks-- {
		last := len(g.lingering) - 1
		candidate := g.lingering[last]
		g.lingering = g.lingering[:last]
		if !candidate.isEmpty() {
			g.lingering = append([]cgroup{candidate}, g.lingering...)
		} else if candidate.wasKilled {
			// Some kernels (6.14 and later) end whatever is started in a group that was ever killed.
			_ = os.Remove(candidate.directory)
		} else {
			candidate.memoryKillsBefore = candidate.memoryKills()
			g.idle = append(g.idle, candidate)
		}
	}
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}
