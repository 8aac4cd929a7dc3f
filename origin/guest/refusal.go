package main

import (
	"net/http"
	"syscall"
)

// refusal is why nothing ran. The codes and what a shell exits with for them stand in shared/contracts/guest.ts.
type refusal struct {
	Code     string `json:"code"`
	Message  string `json:"message"`
	ExitCode int    `json:"exit_code"`
}

const (
	shellExitNotFound     = 127
	shellExitNotStartable = 126
)

func refuse(code, message string) *refusal {
	if code == "program_not_found" {
		return &refusal{code, message, shellExitNotFound}
	}
	return &refusal{code, message, shellExitNotStartable}
}

// refuseLaunch says in the caller's terms what the kernel said to the child.
func refuseLaunch(order command, failed launchFailure) *refusal {
	program := order.Argv[0]
	switch {
	case failed.errno == syscall.EAGAIN || failed.errno == syscall.ENOMEM:
		return refuse("process_limit", program+": no room for another process: "+failed.errno.Error())
	case failed.stage == stageCwd:
		return refuse("cwd_not_usable", order.Cwd+": "+failed.errno.Error())
	case failed.stage != stageProgram:
		return refuse("start_failed", program+": "+failed.errno.Error())
	}
	switch failed.errno {
	case syscall.ENOENT, syscall.ENOTDIR:
		return refuse("program_not_found", program+": "+failed.errno.Error())
	case syscall.EACCES, syscall.ENOEXEC, syscall.ELOOP, syscall.EISDIR, syscall.EPERM:
		return refuse("program_not_executable", program+": "+failed.errno.Error())
	case syscall.E2BIG:
		return refuse("arguments_too_long", program+": "+failed.errno.Error())
	default:
		return refuse("start_failed", program+": "+failed.errno.Error())
	}
}

// refuseRequest answers a host's question with a refusal; shared/contracts/guest-refusals.ts lists the codes.
func refuseRequest(response http.ResponseWriter, status int, code, message string) {
	writeJSON(response, status, map[string]string{"code": code, "message": message})
}

// refuseField names what of a request is not valid; the names are those of shared/contracts/guest-refusals.ts.
func refuseField(response http.ResponseWriter, field, message string) {
	refused := map[string]string{"code": "invalid_request", "message": message, "field": field}
	writeJSON(response, http.StatusUnprocessableEntity, refused)
}

func refuseMethod(response http.ResponseWriter) {
	http.Error(response, "This is not asked in that way.", http.StatusMethodNotAllowed)
}
