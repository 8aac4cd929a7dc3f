package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// signalNamed finds a signal by its whole name, as in SIGINT. Only those that the kernel has by name can be sent.
func signalNamed(name string) (number syscall.Signal, isKnown bool) {
	number = unix.SignalNum(name)
	return number, number != 0
}

// signal goes to the process and its process group. A process that has ended hears nothing: its number may be another's by now.
func (h *heldProcess) signal(number syscall.Signal) (isHeard bool) {
	return h.children.signalGroup(h.pid, number)
}
