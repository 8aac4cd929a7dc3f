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
	IsPrelude      bool              `json:"is_prelude"`
	IsLazy         bool              `json:"is_lazy"`
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
		refuseCode(response, invalidField("code", "code and timeout_ms must be given; code has a bound and no NUL."))
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
	wasLost := false
	if prelude := in.prelude(); prelude != nil && !in.hasBegun() {
		end, _ := runUnheard(ctx, in, *prelude)
		wasLost = end.ContextRestarted
	}
	end, refused := in.run(ctx, call, frames)
	end.ContextRestarted = end.ContextRestarted || wasLost
	return end, refused
}

func runUnheard(ctx context.Context, in *codeContext, call codeCall) (codeEnd, *codeRefusal) {
	frames := newFrameWriter(&unheard{http.Header{}})
	end, refused := in.run(ctx, call, frames)
	frames.writeExited(end)
	return end, refused
}

// handleWarmUp runs code that nobody sees in the default context of a language, so that whoever has the machine later finds it
// quick. A prelude is run again whenever that context begins anew; a lazy one is run only then.
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
	if order.IsPrelude {
		contexts.setPrelude(order.Language, call)
	}
	if !order.IsLazy {
		refused = warmUp(request.Context(), context, call)
	}
	if refused != nil {
		refuseCode(response, refused)
		return
	}
	response.WriteHeader(http.StatusNoContent)
}

func warmUp(ctx context.Context, in *codeContext, call codeCall) *codeRefusal {
	if refused := in.turn.take(ctx); refused != nil {
		return refused
	}
	defer in.turn.giveBack()
	end, refused := runUnheard(ctx, in, call)
	if refused == nil && end.ExitCode != 0 {
		refused = &codeRefusal{Code: "process_not_started", Message: "What should have made it quick has failed."}
	}
	return refused
}

// unheard is an answer that nobody reads.
type unheard struct{ header http.Header }

func (u *unheard) Header() http.Header             { return u.header }
func (u *unheard) Write(bytes []byte) (int, error) { return len(bytes), nil }
func (u *unheard) WriteHeader(int)                 {}

var statusOfCodeRefusal = map[string]int{
	"context_not_found": http.StatusNotFound,
	"sandbox_busy":      http.StatusTooManyRequests, "context_limit": http.StatusConflict, "state_conflict": http.StatusConflict,
	"process_not_started": http.StatusUnprocessableEntity,
}

func refuseCode(response http.ResponseWriter, refused *codeRefusal) {
	if refused.Field != "" {
		refuseField(response, refused.Field, refused.Message)
		return
	}
	refuseRequest(response, statusOfCodeRefusal[refused.Code], refused.Code, refused.Message)
}
