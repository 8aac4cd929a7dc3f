package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// process is a command that runs.
type process struct {
	pid                   int
	ended                 <-chan syscall.WaitStatus
	stdin, stdout, stderr *os.File
}

func spawn(processes *processes, order command, user user, variables map[string]string) (*process, *refusal) {
	program, refused := findProgram(order.Argv[0], variables["PATH"])
	if refused != nil {
		return nil, refused
	}
	pipes, err := openPipes()
	if err != nil {
		return nil, refuseStart(order.Argv[0], err)
	}
	defer pipes.closeTheirs()
	attributes := &syscall.ProcAttr{
		Dir:   order.Cwd,
		Env:   asList(variables),
		Files: pipes.theirs(),
		Sys: &syscall.SysProcAttr{
			Setsid:     true,
			Credential: &syscall.Credential{Uid: user.id, Gid: user.id, Groups: []uint32{user.id}},
		},
	}
	pid, ended, err := processes.start(func() (int, error) { return syscall.ForkExec(program, order.Argv, attributes) })
	if err != nil {
		pipes.closeOurs()
		return nil, refuseStart(order.Argv[0], err)
	}
	return &process{pid, ended, pipes.stdin[1], pipes.stdout[0], pipes.stderr[0]}, nil
}

// findProgram looks where a shell would, and takes a name with a slash as it is.
func findProgram(name, path string) (string, *refusal) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(path) {
		candidate := filepath.Join(dir, name)
		info, err := os.Stat(candidate)
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return candidate, nil
		}
	}
	return "", refuse("program_not_found", shellExitNotFound, name+": command not found")
}

func asList(variables map[string]string) []string {
	list := make([]string, 0, len(variables))
	for name, value := range variables {
		list = append(list, name+"="+value)
	}
	return list
}

// feed writes the text and closes stdin. A process that does not read it is its own affair: the pipe breaks when it ends.
func (p *process) feed(text string) {
	_, _ = p.stdin.WriteString(text)
	_ = p.stdin.Close()
}

func (p *process) wait(ctx context.Context, timeout time.Duration) (reason string, status syscall.WaitStatus) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case status = <-p.ended:
		if status.Signaled() {
			return reasonSignal, status
		}
		return reasonExit, status
	case <-timer.C:
		p.kill()
		return reasonTimeout, <-p.ended
	case <-ctx.Done():
		p.kill()
		return reasonSignal, <-p.ended
	}
}

func (p *process) kill() { _ = syscall.Kill(-p.pid, syscall.SIGKILL) }

// drain waits for what is still in the pipes. Someone else may hold them open, so there is an end to it.
func (p *process) drain(outputs ...*output) {
	deadline := time.Now().Add(drainWait)
	for _, output := range outputs {
		_ = output.pipe.SetReadDeadline(deadline)
	}
	for _, output := range outputs {
		<-output.done
	}
}

func (p *process) free() {
	for _, file := range []*os.File{p.stdin, p.stdout, p.stderr} {
		_ = file.Close()
	}
}

// pipes are the three streams: what the agent keeps and what the process gets, by the ends of os.Pipe.
type pipes struct{ stdin, stdout, stderr [2]*os.File }

func openPipes() (*pipes, error) {
	var made pipes
	for _, ends := range []*[2]*os.File{&made.stdin, &made.stdout, &made.stderr} {
		read, write, err := os.Pipe()
		if err != nil {
			made.closeOurs()
			made.closeTheirs()
			return nil, err
		}
		ends[0], ends[1] = read, write
	}
	return &made, nil
}

func (p *pipes) theirs() []uintptr {
	return []uintptr{p.stdin[0].Fd(), p.stdout[1].Fd(), p.stderr[1].Fd()}
}

func (p *pipes) closeOurs()   { closeFiles(p.stdin[1], p.stdout[0], p.stderr[0]) }
func (p *pipes) closeTheirs() { closeFiles(p.stdin[0], p.stdout[1], p.stderr[1]) }

func closeFiles(files ...*os.File) {
	for _, file := range files {
		if file != nil {
			_ = file.Close()
		}
	}
}

// refusal is why nothing ran; shared/contracts/guest.ts has the table.
type refusal struct {
	Code     string `json:"code"`
	Message  string `json:"message"`
	ExitCode int    `json:"exit_code"`
}

func refuse(code string, exitCode int, message string) *refusal {
	return &refusal{code, message, exitCode}
}

func refuseStart(program string, err error) *refusal {
	message := program + ": " + err.Error()
	switch {
	case errors.Is(err, syscall.ENOENT):
		return refuse("program_not_found", shellExitNotFound, message)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.ENOEXEC):
		return refuse("program_not_executable", shellExitNotStartable, message)
	default:
		return refuse("start_failed", shellExitNotStartable, message)
	}
}
