package main

import (
	"net/http"
	"strings"
)

type codeContextRecord struct {
	ID             string `json:"id"`
	Language       string `json:"language"`
	Cwd            string `json:"cwd"`
	IsDefault      bool   `json:"is_default"`
	CreatedAtMs    int64  `json:"created_at_ms"`
	ExecutionCount int64  `json:"execution_count"`
	IsRunning      bool   `json:"is_running"`
}

func (c *codeContext) record() codeContextRecord {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return codeContextRecord{
		c.id, c.language.name, c.cwd, c.isDefault, c.createdAt.UnixMilli(), c.calls, c.interrupt != nil,
	}
}

func handleContexts(response http.ResponseWriter, request *http.Request, contexts *codeContexts) {
	switch request.Method {
	case http.MethodGet:
		records := []codeContextRecord{}
		for _, each := range contexts.list() {
			records = append(records, each.record())
		}
		writeJSON(response, http.StatusOK, map[string]any{"contexts": records})
	case http.MethodPost:
		var order struct{ Language, Cwd string }
		if !readJSON(response, request, &order) {
			return
		}
		made, refused := contexts.create(order.Language, order.Cwd)
		if refused != nil {
			refuseCode(response, refused)
			return
		}
		writeJSON(response, http.StatusCreated, made.record())
	default:
		refuseMethod(response)
	}
}

// handleContext serves DELETE of one context, and its verbs: restart and interrupt.
func handleContext(response http.ResponseWriter, request *http.Request, contexts *codeContexts) {
	id, verb, _ := strings.Cut(strings.TrimPrefix(request.URL.Path, codeContextsPath), "/")
	if request.Method == http.MethodDelete && verb == "" {
		if refused := contexts.remove(id); refused != nil {
			refuseCode(response, refused)
			return
		}
		response.WriteHeader(http.StatusNoContent)
		return
	}
	found, refused := contexts.known(id)
	if refused != nil {
		refuseCode(response, refused)
		return
	}
	switch request.Method + " " + verb {
	case "POST restart":
		found.restart()
	case "POST interrupt":
		found.interruptNow()
	default:
		response.WriteHeader(http.StatusNotFound)
		return
	}
	writeJSON(response, http.StatusOK, found.record())
}
