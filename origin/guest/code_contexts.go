package main

import (
	"crypto/rand"
	"encoding/hex"
	"sort"
	"sync"
	"time"
)

// codeContexts are the interpreters of this machine. Each language has a default one, which is made when it is first used; it has
// the same id in every machine.
type codeContexts struct {
	start       startDriver
	environment *environment
	// folder is where a context begins whose maker has said nothing else.
	folder string
	// serial is the turn of calls of which only one may run in the whole machine.
	serial *codeTurn

	mutex sync.Mutex
	all   map[string]*codeContext
	// preludes are what the default context of a language runs first, by the language.
	preludes map[string]codeCall
}

func newCodeContexts(start startDriver, environment *environment) *codeContexts {
	return &codeContexts{
		start: start, environment: environment, folder: "/workspace", serial: newCodeTurn(), all: map[string]*codeContext{}, preludes: map[string]codeCall{},
	}
}

// codeRefusal is what is refused, with a code of the error table (shared/contracts/guest-refusals.ts).
type codeRefusal struct {
	Code    string
	Message string
	// What of the request is meant, where its caller can name it.
	Field string
}

func invalidField(field, message string) *codeRefusal {
	return &codeRefusal{Code: "invalid_request", Message: message, Field: field}
}

func contextNotFound() *codeRefusal {
	return &codeRefusal{Code: "context_not_found", Message: "There is no such context in this sandbox."}
}

// refuseStart says in the error table's words why a process could not be started.
func refuseStart(refused *refusal) *codeRefusal {
	if refused.Code == "cwd_not_usable" {
		return invalidField("cwd", refused.Message)
	}
	return &codeRefusal{Code: "process_not_started", Message: refused.Message}
}

// defaultContextID names the context of a language that nobody has made.
func defaultContextID(language string) string { return "ctx_" + language }

// find returns the context with this id, or the default one of the language when there is no id.
func (a *codeContexts) find(id, language string) (*codeContext, *codeRefusal) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if id == "" {
		id = defaultContextID(language)
	}
	if found, isThere := a.all[id]; isThere {
		if language != "" && found.language.name != language {
			return nil, invalidField("language", "This context is of the language "+found.language.name+".")
		}
		return found, nil
	}
	if id != defaultContextID(language) {
		return nil, contextNotFound()
	}
	return a.add(id, language, a.folder)
}

// known returns a context that has been made.
func (a *codeContexts) known(id string) (*codeContext, *codeRefusal) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if found, isThere := a.all[id]; isThere {
		return found, nil
	}
	return nil, contextNotFound()
}

// create makes a context. Its process starts with its first call.
func (a *codeContexts) create(language, cwd string) (*codeContext, *codeRefusal) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, &codeRefusal{Code: "process_not_started", Message: err.Error()}
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.add("ctx_"+hex.EncodeToString(random[:]), language, cwd)
}

func (a *codeContexts) add(id, language, cwd string) (*codeContext, *codeRefusal) {
	known, isKnown := codeLanguages[language]
	if !isKnown {
		return nil, invalidField("language", "There is no such language.")
	}
	if len(a.all) >= codeContextsMax {
		return nil, &codeRefusal{Code: "context_limit", Message: "This sandbox has as many contexts as it may."}
	}
	made := a.make(id, known, cwd)
	a.all[id] = made
	return made, nil
}

func (a *codeContexts) setPrelude(language string, call codeCall) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.preludes[language] = call
}

// preludeOf is nil for a context that somebody has made.
func (a *codeContexts) preludeOf(id string, language codeLanguage) *codeCall {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if prelude, isThere := a.preludes[language.name]; isThere && id == defaultContextID(language.name) {
		return &prelude
	}
	return nil
}

func (a *codeContexts) make(id string, language codeLanguage, cwd string) *codeContext {
	return &codeContext{
		id:          id,
		language:    language,
		cwd:         cwd,
		isDefault:   id == defaultContextID(language.name),
		createdAt:   time.Now(),
		start:       a.start,
		environment: func() map[string]string { return a.environment.of(users["sandbox"], nil) },
		prelude:     func() *codeCall { return a.preludeOf(id, language) },
		turn:        newCodeTurn(),
	}
}

// passing makes a context that nobody can name, for one call; the caller deletes it.
func (a *codeContexts) passing(language string, cwd *string) (*codeContext, *codeRefusal) {
	known, isKnown := codeLanguages[language]
	if !isKnown {
		return nil, invalidField("language", "There is no such language.")
	}
	if cwd == nil {
		cwd = &a.folder
	}
	return a.make("", known, *cwd), nil
}

func (a *codeContexts) remove(id string) *codeRefusal {
	a.mutex.Lock()
	found, isThere := a.all[id]
	delete(a.all, id)
	a.mutex.Unlock()
	if !isThere {
		return contextNotFound()
	}
	found.delete()
	return nil
}

// list is in the order in which they were made.
func (a *codeContexts) list() []*codeContext {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	all := make([]*codeContext, 0, len(a.all))
	for _, each := range a.all {
		all = append(all, each)
	}
	sort.Slice(all, func(i, j int) bool {
		if !all[i].createdAt.Equal(all[j].createdAt) {
			return all[i].createdAt.Before(all[j].createdAt)
		}
		return all[i].id < all[j].id
	})
	return all
}
