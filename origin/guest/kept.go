package main

import (
	"net/http"
	"time"
)

// countCommand counts one command in its session and among all; what it returns is called when the command has ended.
func (p *processes) countCommand(session *session) (ended func()) {
	p.commands.Add(1)
	session.commands.Add(1)
	return func() {
		p.commands.Add(-1)
		session.commands.Add(-1)
	}
}

// handleKept answers when no command of an earlier session runs any more, so that a host knows for how long its machine is busy
// with what nobody hears.
func handleKept(response http.ResponseWriter, request *http.Request, processes *processes) {
	session := sessionOf(request.Context())
	looks := time.NewTicker(keptLookPause)
	defer looks.Stop()
	for processes.commands.Load() > session.commands.Load() {
		select {
		case <-looks.C:
		case <-request.Context().Done():
			return
		}
	}
	response.WriteHeader(http.StatusNoContent)
}
