package main

import (
	"net/http"
	"syscall"
	"time"
)

// command is a host's order to run something; shared/contracts/guest.ts says what each field means.
type command struct {
	Argv           []string          `json:"argv"`
	Cwd            string            `json:"cwd"`
	Env            map[string]string `json:"env"`
	User           string            `json:"user"`
	Stdin          string            `json:"stdin"`
	TimeoutMs      int64             `json:"timeout_ms"`
	OutputBytesMax int64             `json:"output_bytes_max"`
	Wake           *wake             `json:"wake"`
}

type execStarted struct {
	Pid int `json:"pid"`
}

type execExit struct {
	ExitCode        int    `json:"exit_code"`
	Reason          string `json:"reason"`
	DurationMs      int64  `json:"duration_ms"`
	StdoutTruncated bool   `json:"stdout_truncated"`
	StderrTruncated bool   `json:"stderr_truncated"`
}

func handleExec(response http.ResponseWriter, request *http.Request, environment *environment, table *processTable) {
	processes := table.children
	var order command
	if !readJSON(response, request, &order) {
		return
	}
	user, isKnown := users[order.User]
	if !isKnown || len(order.Argv) == 0 || order.TimeoutMs <= 0 {
		http.Error(response, "argv, user and timeout_ms must be given.", http.StatusBadRequest)
		return
	}
	if order.Wake != nil {
		if err := order.Wake.apply(environment, table); err != nil {
			http.Error(response, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	defer processes.countCommand(sessionOf(request.Context()))()
	began := time.Now()
	running, refused := processes.spawn(order, user, environment.of(user, order.Env), openPipes(order.Stdin != ""))
	if refused != nil {
		writeJSON(response, http.StatusUnprocessableEntity, refused)
		return
	}
	defer func() { go processes.free(running) }()

	frames := newFrameWriter(response)
	frames.writeStarted(execStarted{running.pid})
	go running.streams.feed(order.Stdin)
	stdout := pump(running.streams.ours[1], frames, frameStdout, order.OutputBytesMax)
	stderr := pump(running.streams.ours[2], frames, frameStderr, order.OutputBytesMax)

	reason, status := running.wait(request.Context(), time.Duration(order.TimeoutMs)*time.Millisecond)
	duration := time.Since(began)
	drain(stdout, stderr)
	frames.writeExited(execExit{
		exitCode(reason, status), reason, duration.Milliseconds(), stdout.isTruncated(), stderr.isTruncated(),
	})
}

const (
	reasonExit        = "exit"
	reasonSignal      = "signal"
	reasonTimeout     = "timeout"
	reasonOutOfMemory = "out_of_memory"

	exitTimedOut = 124
)

// exitCode is what a shell would say: the process's own code, 128 + n for signal n, 124 for a timeout.
func exitCode(reason string, status syscall.WaitStatus) int {
	switch {
	case reason == reasonTimeout:
		return exitTimedOut
	case status.Signaled():
		return 128 + int(status.Signal())
	default:
		return status.ExitStatus()
	}
}
