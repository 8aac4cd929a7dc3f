package main

import (
	"syscall"
	"testing"
)

// The codes are a contract (shared/contracts/guest.ts), and a shell's exit code stands behind each.
func TestEveryFailureToStartHasItsWordAndItsExitCode(t *testing.T) {
	cases := []struct {
		failed   launchFailure
		code     string
		exitCode int
	}{
		{launchFailure{stageProgram, syscall.ENOENT}, "program_not_found", 127},
		{launchFailure{stageProgram, syscall.EACCES}, "program_not_executable", 126},
		{launchFailure{stageProgram, syscall.ENOEXEC}, "program_not_executable", 126},
		{launchFailure{stageProgram, syscall.E2BIG}, "arguments_too_long", 126},
		{launchFailure{stageProgram, syscall.EIO}, "start_failed", 126},
		{launchFailure{stageCwd, syscall.ENOENT}, "cwd_not_usable", 126},
		{launchFailure{stageCwd, syscall.EACCES}, "cwd_not_usable", 126},
		{launchFailure{stageClone, syscall.EAGAIN}, "process_limit", 126},
		{launchFailure{stageProgram, syscall.ENOMEM}, "process_limit", 126},
		{launchFailure{stageUser, syscall.EPERM}, "start_failed", 126},
	}
	for _, each := range cases {
		got := refuseLaunch(command{Argv: []string{"program"}, Cwd: "/somewhere"}, each.failed)
		if got.Code != each.code || got.ExitCode != each.exitCode {
			t.Errorf("%v gave %s %d, want %s %d", each.failed, got.Code, got.ExitCode, each.code, each.exitCode)
		}
	}
}

func TestAnEnvironmentIsLayeredFromUserToMachineToCommand(t *testing.T) {
	machine := newEnvironment(newEgressDoor())
	machine.set(map[string]string{"HOME": "/machine", "A": "machine", "B": "machine"})
	all := machine.of(users["sandbox"], map[string]string{"B": "command"})
	for name, want := range map[string]string{"USER": "sandbox", "HOME": "/machine", "A": "machine", "B": "command"} {
		if all[name] != want {
			t.Errorf("%s is %q, want %q", name, all[name], want)
		}
	}
}

func TestExitCodesAreThoseOfAShell(t *testing.T) {
	exited := syscall.WaitStatus(7 << 8)
	killed := syscall.WaitStatus(syscall.SIGKILL)
	for want, got := range map[int]int{
		7:   exitCode(reasonExit, exited),
		137: exitCode(reasonSignal, killed),
		124: exitCode(reasonTimeout, killed),
	} {
		if got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
}
