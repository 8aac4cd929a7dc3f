package main

import (
	"context"
	"net/http"
	"strings"
	"time"
)

const codeContextsPath = "/v1/code/contexts/"

// addCodeRoutes serves code; shared/contracts/guest-code.ts is the wire.
func addCodeRoutes(routes *http.ServeMux, contexts *codeContexts, processes *processes) {
	routes.HandleFunc("/v1/code", func(response http.ResponseWriter, request *http.Request) {
		handleCode(response, request, contexts, processes)
	})
	routes.HandleFunc("/v1/code/warm", func(response http.ResponseWriter, request *http.Request) {
		handleWarmUp(response, request, contexts)
	})
	routes.HandleFunc(strings.TrimSuffix(codeContextsPath, "/"), func(response http.ResponseWriter, request *http.Request) {
		handleContexts(response, request, contexts)
	})
	routes.HandleFunc(codeContextsPath, func(response http.ResponseWriter, request *http.Request) {
		handleContext(response, request, contexts)
	})
}

type codeOrder struct {
	Code           string            `json:"code"`
	Language       string            `json:"language"`
	ContextID      string            `json:"context_id"`
	IsPassing      bool              `json:"is_passing"`
	IsSerial       bool              `json:"is_serial"`
	Env            map[string]string `json:"env"`
	Cwd            *string           `json:"cwd"`
	TimeoutMs      int64             `json:"timeout_ms"`
	OutputBytesMax int64             `json:"output_bytes_max"`
}

func (o codeOrder) call() codeCall {
	return codeCall{
		code: o.Code, env: o.Env, cwd: o.Cwd,
		timeout: time.Duration(o.TimeoutMs) * time.Millisecond, outputBytesMax: o.OutputBytesMax,
	}
}

func handleCode(response http.ResponseWriter, request *http.Request, contexts *codeContexts, processes *processes) {
	var order codeOrder
	if !readJSON(response, request, &order) {
		return
	}
	if order.TimeoutMs <= 0 || len(order.Code) > codeBytesMax || strings.Contains(order.Code, "\x00") {
		refuseCode(response, &codeRefusal{"invalid_request", "code and timeout_ms must be given; code has a bound and no NUL."})
		return
	}
	defer processes.countCommand(sessionOf(request.Context()))()
	if order.IsSerial {
		if refused := contexts.serial.take(request.Context()); refused != nil {
			refuseCode(response, refused)
			return
		}
		defer contexts.serial.giveBack()
	}
	context, refused := contextOf(order, contexts)
	if refused != nil {
		refuseCode(response, refused)
		return
	}
	if order.IsPassing {
		defer context.delete()
	}
	frames := newFrameWriter(response)
	end, refused := runInTurn(request.Context(), context, order.call(), frames)
	if refused != nil {
		refuseCode(response, refused)
		return
	}
	frames.writeExited(end)
}

func contextOf(order codeOrder, contexts *codeContexts) (*codeContext, *codeRefusal) {
	if order.IsPassing {
		return contexts.passing(order.Language, order.Cwd)
	}
	return contexts.find(order.ContextID, order.Language)
}

func runInTurn(ctx context.Context, in *codeContext, call codeCall, frames *frameWriter) (codeEnd, *codeRefusal) {
	if refused := in.turn.take(ctx); refused != nil {
		return codeEnd{}, refused
	}
	defer in.turn.giveBack()
	return in.run(ctx, call, frames)
}

// handleWarmUp runs code that nobody sees in the default context of a language, so that whoever has the machine later finds it quick.
func handleWarmUp(response http.ResponseWriter, request *http.Request, contexts *codeContexts) {
	var order codeOrder
	if !readJSON(response, request, &order) {
		return
	}
	context, refused := contexts.find("", order.Language)
	if refused != nil {
		refuseCode(response, refused)
		return
	}
	call := order.call()
	call.isWarmUp = true
	frames := newFrameWriter(&unheard{http.Header{}})
	end, refused := runInTurn(request.Context(), context, call, frames)
	frames.writeExited(end)
	switch {
	case refused != nil:
		refuseCode(response, refused)
	case end.ExitCode != 0:
		refuseCode(response, &codeRefusal{"process_not_started", "What should have made it quick has failed."})
	default:
		response.WriteHeader(http.StatusNoContent)
	}
}

// unheard is an answer that nobody reads.
type unheard struct{ header http.Header }

func (u *unheard) Header() http.Header             { return u.header }
func (u *unheard) Write(bytes []byte) (int, error) { return len(bytes), nil }
func (u *unheard) WriteHeader(int)                 {}

var statusOfCodeRefusal = map[string]int{
	"invalid_request": http.StatusUnprocessableEntity, "context_not_found": http.StatusNotFound,
	"sandbox_busy": http.StatusTooManyRequests, "context_limit": http.StatusConflict, "state_conflict": http.StatusConflict,
	"process_not_started": http.StatusUnprocessableEntity,
}

func refuseCode(response http.ResponseWriter, refused *codeRefusal) {
	refuseRequest(response, statusOfCodeRefusal[refused.Code], refused.Code, refused.Message)
}
