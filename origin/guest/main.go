// The agent inside a machine: PID 1, and the host's hand on processes. The host's words are in shared/contracts/guest.ts.
//
// It starts as /init of the initramfs, makes the machine (boot.go), and then serves one session at a time with the host
// over two virtio-serial ports (sessions.go). It never ends: when PID 1 dies the kernel panics and the host ends the machine.
package main

import (
	"log"
	"runtime/debug"
)

// version names the wire that this agent speaks.
const version = "1"

func main() {
	log.SetFlags(0)
	log.SetPrefix("atoll-guest: ")
	// The heap is small and bursts are short; collecting seldom is worth more than a few MiB.
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(agentReserveBytes / 2)

	must("boot", boot())
	control, err := openPort("atoll.control")
	must("control port", err)
	data, err := openPort("atoll.data")
	must("data port", err)

	processes := newProcesses()
	go processes.sweepForever()
	egress := newEgressDoor()
	must("egress", listenForEgress(egress))
	must("sessions", serveSessions(control, data, newRoutes(processes, egress)))
}

// must ends the machine when it cannot be one: the host sees it end and says what the console said.
func must(what string, err error) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}
