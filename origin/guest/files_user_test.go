package main

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A thread that kept the rights of a user would refuse the agent its own files; one that kept the agent's would refuse nobody.
func TestRightsAreTakenForOneStepAndNoLonger(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be other users")
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sandbox := users["sandbox"]
	open := func() error {
		file, err := unix.Open(secret, unix.O_RDONLY, 0)
		if err == nil {
			_ = unix.Close(file)
		}
		return err
	}
	errOwn := errors.New("what was to be done failed")
	var group sync.WaitGroup
	for worker := 0; worker < 32; worker++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for round := 0; round < 50; round++ {
				if err := asUser(sandbox, open); err != syscall.EACCES {
					t.Errorf("the user was answered %v", err)
				}
				if err := asUser(sandbox, func() error { return errOwn }); err != errOwn {
					t.Errorf("a failure became %v", err)
				}
				if err := open(); err != nil {
					t.Errorf("the agent was answered %v", err)
				}
				if err := asUser(users["root"], open); err != nil {
					t.Errorf("root was answered %v", err)
				}
			}
		}()
	}
	group.Wait()
	capabilities := func() (now [2]unix.CapUserData) {
		if err := unix.Capget(capabilityHeader(), &now[0]); err != nil {
			t.Error(err)
		}
		return now
	}
	_ = asUser(sandbox, func() error {
		if now := capabilities(); now[0].Effective|now[1].Effective != 0 {
			t.Errorf("the user can do %x", now)
		}
		return nil
	})
	if now, own := capabilities(), agentRightsRead.capabilities; now != own {
		t.Errorf("the agent can do %x of %x", now, own)
	}
}
