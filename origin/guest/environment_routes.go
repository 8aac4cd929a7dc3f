package main

import (
	"net/http"
	"sort"
	"strings"
)

const environmentPath = "/v1/environment"

type variable struct {
	Key       string  `json:"key"`
	Value     *string `json:"value,omitempty"`
	Encrypted bool    `json:"encrypted"`
}

type variables struct {
	Variables []variable `json:"variables"`
}

// handleEnvironment lists the variables, replaces them all, or removes one.
func handleEnvironment(response http.ResponseWriter, request *http.Request, environment *environment) {
	switch request.Method {
	case http.MethodGet:
		writeJSON(response, http.StatusOK, environment.list())
	case http.MethodPut:
		var order variables
		if !readJSON(response, request, &order) {
			return
		}
		environment.replace(order.Variables)
		writeJSON(response, http.StatusOK, environment.list())
	case http.MethodDelete:
		environment.remove(strings.TrimPrefix(request.URL.Path, environmentPath+"/"))
		response.WriteHeader(http.StatusNoContent)
	default:
		refuseMethod(response)
	}
}

// list gives them by name, and the values of those that may be told.
func (e *environment) list() (all variables) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	all.Variables = make([]variable, 0, len(e.variables))
	for key, value := range e.variables {
		value := value
		each := variable{key, &value, e.encrypted[key]}
		if each.Encrypted {
			each.Value = nil
		}
		all.Variables = append(all.Variables, each)
	}
	sort.Slice(all.Variables, func(a, b int) bool { return all.Variables[a].Key < all.Variables[b].Key })
	return all
}

// replace sets all of them. One that is encrypted and comes without a value keeps the value that it has: its owner was never told it.
func (e *environment) replace(all []variable) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	values, encrypted := map[string]string{}, map[string]bool{}
	for _, each := range all {
		kept, isKept := e.variables[each.Key]
		switch {
		case each.Value != nil:
			values[each.Key] = *each.Value
		case isKept:
			values[each.Key] = kept
		default:
			continue
		}
		encrypted[each.Key] = each.Encrypted || each.Value == nil && e.encrypted[each.Key]
	}
	e.variables, e.encrypted = values, encrypted
}

func (e *environment) remove(key string) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	left := make(map[string]string, len(e.variables))
	for name, value := range e.variables {
		if name != key {
			left[name] = value
		}
	}
	e.variables = left
}
