package main

import (
	"context"
	"net/http"
	"strconv"
	"strings"
)

const terminalsPath = "/v1/terminals"

// handle answers what a host asks about terminals; the routes and words stand in shared/contracts/guest-terminals.ts.
func (t *terminals) handle(response http.ResponseWriter, request *http.Request) {
	id, deed, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(request.URL.Path, terminalsPath), "/"), "/")
	switch {
	case id == "" && request.Method == http.MethodPost:
		t.handleStart(response, request)
	case id == "" && request.Method == http.MethodGet:
		writeJSON(response, http.StatusOK, map[string]any{"terminals": t.list()})
	case id != "" && deed == "" && request.Method == http.MethodDelete:
		t.handleRemove(response, id)
	case id != "" && deed == "attach" && request.Method == http.MethodPost:
		t.handleAttach(response, request, id)
	default:
		http.Error(response, "There is no such route.", http.StatusNotFound)
	}
}

func (t *terminals) handleStart(response http.ResponseWriter, request *http.Request) {
	var order terminalOrder
	if !readJSON(response, request, &order) {
		return
	}
	if !order.isUsable() || order.Shell == "" || len(order.Shell) > terminalShellBytesMax {
		http.Error(response, "cols, rows and shell must be given.", http.StatusBadRequest)
		return
	}
	made, refused := t.start(order)
	if refused != nil {
		writeJSON(response, terminalStatus(refused.Code), refused)
		return
	}
	writeJSON(response, http.StatusCreated, made.facts())
}

func terminalStatus(code string) int {
	if code == "terminal_limit" {
		return http.StatusTooManyRequests
	}
	return http.StatusUnprocessableEntity
}

func (t *terminals) handleRemove(response http.ResponseWriter, id string) {
	if !t.remove(id) {
		writeJSON(response, http.StatusNotFound, noSuchTerminal())
		return
	}
	response.WriteHeader(http.StatusNoContent)
}

// handleAttach joins a viewer to a terminal: the request's body is what they type, the answer's what they see.
func (t *terminals) handleAttach(response http.ResponseWriter, request *http.Request, id string) {
	place, err := strconv.ParseUint(request.URL.Query().Get("place"), 10, 64)
	if err != nil {
		http.Error(response, "place must be given.", http.StatusBadRequest)
		return
	}
	found := t.find(id)
	if found == nil {
		writeJSON(response, http.StatusNotFound, noSuchTerminal())
		return
	}
	viewer := &viewer{terminal: found, place: place}
	if !found.join(viewer) {
		writeJSON(response, http.StatusTooManyRequests, refuse("terminal_limit", "As many look at this terminal as may."))
		return
	}
	defer found.leave(viewer)
	response.Header().Set("content-type", "application/x-atoll-frames")
	response.WriteHeader(http.StatusOK)
	viewer.stay(response, request)
}

// stay returns when the shell has ended or the viewer has nothing more to say. Any other end is no end of what there is to see.
func (v *viewer) stay(response http.ResponseWriter, request *http.Request) {
	ctx, leave := context.WithCancel(request.Context())
	defer leave()
	goodbye := make(chan error, 1)
	go func() {
		goodbye <- v.hear(ctx, request.Body)
		leave()
	}()
	if v.see(ctx, response) == nil {
		return
	}
	select {
	case err := <-goodbye:
		if err == nil {
			return
		}
	default:
	}
	panic(http.ErrAbortHandler)
}

func noSuchTerminal() *refusal {
	return refuse("terminal_not_found", "There is no such terminal in this sandbox.")
}
