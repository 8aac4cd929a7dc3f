package main

import (
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// asUser does something to files with the rights of a user: the kernel checks every path as it would for a process of theirs.
//
// Rights belong to threads, so this one is kept for the goroutine meanwhile. User and group ids stay the agent's, because a
// thread that were the user's altogether could be signalled by them. What is done may not wait for anybody else.
func asUser(who user, do func() error) error {
	if who.id == 0 {
		return do()
	}
	runtime.LockOSThread()
	err := takeRights(who)
	if err == nil {
		err = do()
	}
	if failed := giveRightsBack(); failed != nil {
		// The thread stays locked and ends with its goroutine: nobody else may run with these rights.
		return failed
	}
	runtime.UnlockOSThread()
	return err
}

// agentRights are what every thread of the agent has outside of asUser.
type agentRights struct {
	groups       []uint32
	capabilities [2]unix.CapUserData
}

var (
	agentRightsOnce sync.Once
	agentRightsRead agentRights
	agentRightsErr  error
)

func ownRights() (agentRights, error) {
	agentRightsOnce.Do(func() {
		groups, err := syscall.Getgroups()
		for _, group := range groups {
			agentRightsRead.groups = append(agentRightsRead.groups, uint32(group))
		}
		if agentRightsErr = err; err == nil {
			agentRightsErr = unix.Capget(capabilityHeader(), &agentRightsRead.capabilities[0])
		}
	})
	return agentRightsRead, agentRightsErr
}

func takeRights(who user) error {
	own, err := ownRights()
	if err != nil {
		return err
	}
	if err := setThreadGroups([]uint32{who.id}); err != nil {
		return err
	}
	if err := setFileIds(int(who.id)); err != nil {
		return err
	}
	// The file user alone leaves capabilities behind that open other doors, such as those into /proc.
	none := own.capabilities
	none[0].Effective, none[1].Effective = 0, 0
	return unix.Capset(capabilityHeader(), &none[0])
}

func giveRightsBack() error {
	own, err := ownRights()
	if err != nil {
		return err
	}
	if err := unix.Capset(capabilityHeader(), &own.capabilities[0]); err != nil {
		return err
	}
	if err := setFileIds(0); err != nil {
		return err
	}
	return setThreadGroups(own.groups)
}

// setFileIds checks what it did, because these two calls do not say whether they failed.
func setFileIds(id int) error {
	const ask = -1
	_, _ = unix.SetfsgidRetGid(id)
	_, _ = unix.SetfsuidRetUid(id)
	group, _ := unix.SetfsgidRetGid(ask)
	user, _ := unix.SetfsuidRetUid(ask)
	if group != id || user != id {
		return syscall.EPERM
	}
	return nil
}

// setThreadGroups is for this thread only; the syscall package's is for all of them.
func setThreadGroups(groups []uint32) error {
	var first unsafe.Pointer
	if len(groups) > 0 {
		first = unsafe.Pointer(&groups[0])
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETGROUPS, uintptr(len(groups)), uintptr(first), 0); errno != 0 {
		return errno
	}
	return nil
}

func capabilityHeader() *unix.CapUserHeader {
	return &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
}
