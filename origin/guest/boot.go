package main

import (
	"fmt"
	"os"
)

// boot turns a bare kernel with an initramfs into a machine. Each step needs the ones before it.
func boot() error {
	steps := []struct {
		what string
		do   func() error
	}{
		{"early mounts", mountEarly},
		{"modules", loadModules},
		{"root disk", mountRootDisk},
		{"switch root", switchRoot},
		{"late mounts", mountLate},
		{"file system size", growRootDisk},
		{"control groups", setUpCgroups},
		{"loopback", raiseLoopback},
		{"address layout", settleAddresses},
		{"timers", calmRuntime},
		{"protection", protectAgent},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return os.Chdir("/")
}
