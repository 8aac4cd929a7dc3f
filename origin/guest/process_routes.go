package main

import (
	"errors"
	"net/http"
	"strings"
)

const processesPath = "/v1/processes"

// processRecord is what a host hears about one process.
type processRecord struct {
	ID          string      `json:"id"`
	Pid         int         `json:"pid"`
	Name        string      `json:"name"`
	Shown       string      `json:"shown"`
	Cwd         string      `json:"cwd"`
	User        string      `json:"user"`
	StartedAtMs int64       `json:"started_at_ms"`
	StdinOpen   bool        `json:"stdin_open"`
	End         *processEnd `json:"end"`
}

func (h *heldProcess) record() processRecord {
	return processRecord{
		h.id, h.pid, h.name, h.shown, h.cwd, h.user, h.startedAt.UnixMilli(), h.input.isOpenNow(), h.ending(),
	}
}

// handleProcesses serves the table as a whole.
func handleProcesses(response http.ResponseWriter, request *http.Request, table *processTable) {
	switch request.Method {
	case http.MethodGet:
		records := []processRecord{}
		for _, held := range table.list() {
			records = append(records, held.record())
		}
		writeJSON(response, http.StatusOK, map[string]any{"processes": records})
	case http.MethodPost:
		var order processStart
		if !readJSON(response, request, &order) {
			return
		}
		held, refused := table.startWithPipes(order, false)
		if refused != nil {
			refuseRequest(response, http.StatusUnprocessableEntity, startRefusal(refused), cut(refused.Message, shownBytesMax))
			return
		}
		writeJSON(response, http.StatusOK, held.record())
	default:
		refuseMethod(response)
	}
}

// startRefusal is what a host hears: why a program did not start stands in the message.
func startRefusal(refused *refusal) string {
	if refused.Code == "idempotency_key_reused" {
		return refused.Code
	}
	return "process_not_started"
}

// handleProcess serves /v1/processes/ID and what is below it.
func handleProcess(response http.ResponseWriter, request *http.Request, table *processTable) {
	id, verb, _ := strings.Cut(strings.TrimPrefix(request.URL.Path, processesPath+"/"), "/")
	if id == "run" && verb == "" && request.Method == http.MethodPost {
		handleRun(response, request, table)
		return
	}
	held := table.get(id)
	if held == nil {
		refuseRequest(response, http.StatusNotFound, "process_not_found", "There is no such process, or none any more.")
		return
	}
	switch request.Method + " " + verb {
	case "GET ":
		writeJSON(response, http.StatusOK, held.record())
	case "DELETE ":
		table.remove(held)
		response.WriteHeader(http.StatusNoContent)
	case "GET output":
		handleOutput(response, request, table, held)
	case "POST signal":
		handleSignal(response, request, held)
	case "POST stdin":
		handleStdin(response, request, held)
	case "DELETE stdin":
		held.input.close()
		response.WriteHeader(http.StatusNoContent)
	default:
		refuseMethod(response)
	}
}

func handleSignal(response http.ResponseWriter, request *http.Request, held *heldProcess) {
	var order struct {
		Signal string `json:"signal"`
	}
	if !readJSON(response, request, &order) {
		return
	}
	number, isKnown := signalNamed(order.Signal)
	if !isKnown {
		refuseField(response, "signal", "There is no signal "+cut(order.Signal, nameBytesMax)+".")
		return
	}
	if !held.signal(number) {
		refuseEnded(response)
		return
	}
	response.WriteHeader(http.StatusNoContent)
}

// handleStdin writes the whole body. A process that stops reading in the middle has got a part of it, and the message says how much.
func handleStdin(response http.ResponseWriter, request *http.Request, held *heldProcess) {
	written, err := held.input.writeFrom(request.Body, request.Context().Done())
	switch {
	case err == nil:
		writeJSON(response, http.StatusOK, map[string]int64{"written": written})
	case held.ending() != nil:
		refuseEnded(response)
	case errors.Is(err, errInputClosed):
		refuseRequest(response, http.StatusConflict, "stdin_closed", "The stdin of this process is closed.")
	case errors.Is(err, errInputFull):
		refuseRequest(response, http.StatusConflict, "stdin_full", stdinFullMessage(written))
	default:
		// The host broke off in the middle of the body.
		panic(http.ErrAbortHandler)
	}
}

func refuseEnded(response http.ResponseWriter) {
	refuseRequest(response, http.StatusConflict, "process_ended", "This process has ended.")
}
