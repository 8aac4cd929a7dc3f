package main

import "net/http"

// turns bound how many requests of one kind are under way, where each holds megabytes of the agent's memory: all that a host may
// send at a time would be more than the agent has.
type turns chan struct{}

var (
	// wholeTurns are for requests that are in memory as a whole, which takes a moment each: the next one waits.
	wholeTurns = make(turns, wholeAtOnceMax)
	// archiveTurns are for archives, each of which takes as long as its sender or reader likes: nobody waits for those.
	archiveTurns = make(turns, archivesAtOnceMax)
)

func (t turns) wait(next fileHandler) fileHandler {
	return func(response http.ResponseWriter, request *http.Request) error {
		select {
		case t <- struct{}{}:
		case <-request.Context().Done():
			return errBrokenOff
		}
		defer t.giveBack()
		return next(response, request)
	}
}

func (t turns) orRefuse(next fileHandler) fileHandler {
	return func(response http.ResponseWriter, request *http.Request) error {
		select {
		case t <- struct{}{}:
		default:
			return refuseFile("sandbox_busy", "%d archives are under way, as many as there may be at a time.", cap(t))
		}
		defer t.giveBack()
		return next(response, request)
	}
}

func (t turns) giveBack() { <-t }
