package main

import (
	"encoding/json"
	"net/http"
)

// newRoutes are what a host may ask. A request that is not one of them is answered 404, a body that cannot be read 400.
func newRoutes(processes *processes, egress *egressDoor) http.Handler {
	environment := newEnvironment(egress)
	table := newProcessTable(processes, environment)
	routes := http.NewServeMux()
	routes.HandleFunc("/v1/health", handleHealth)
	routes.HandleFunc("/v1/wake", func(response http.ResponseWriter, request *http.Request) {
		handleWake(response, request, environment, table)
	})
	routes.HandleFunc("/v1/exec", func(response http.ResponseWriter, request *http.Request) {
		handleExec(response, request, environment, table)
	})
	routes.HandleFunc("/v1/kept", func(response http.ResponseWriter, request *http.Request) {
		handleKept(response, request, processes)
	})
	environmentRoute := func(response http.ResponseWriter, request *http.Request) {
		handleEnvironment(response, request, environment)
	}
	routes.HandleFunc(environmentPath, environmentRoute)
	routes.HandleFunc(environmentPath+"/", environmentRoute)
	routes.HandleFunc(processesPath, func(response http.ResponseWriter, request *http.Request) {
		handleProcesses(response, request, table)
	})
	routes.HandleFunc(processesPath+"/", func(response http.ResponseWriter, request *http.Request) {
		handleProcess(response, request, table)
	})
	addCodeRoutes(routes, newCodeContexts(driverStarter(processes, interpretersDir), environment), processes)
	routes.HandleFunc(portsPath, handleTunnel)
	routes.HandleFunc(egressAcceptPath, func(response http.ResponseWriter, request *http.Request) {
		handleEgressAccept(response, request, egress)
	})
	terminals := newTerminals(users[terminalUser], processes.shellsIn(environment))
	routes.HandleFunc(terminalsPath, terminals.handle)
	routes.HandleFunc(terminalsPath+"/", terminals.handle)
	addFileRoutes(routes)
	return routes
}

func readJSON(response http.ResponseWriter, request *http.Request, into any) bool {
	body := http.MaxBytesReader(response, request.Body, requestBytesMax)
	if err := json.NewDecoder(body).Decode(into); err != nil {
		http.Error(response, "The body is not the JSON that this route takes: "+err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func writeJSON(response http.ResponseWriter, status int, value any) {
	response.Header().Set("content-type", "application/json")
	response.WriteHeader(status)
	// The only failure left is a host that is gone, and there is nobody to tell.
	_ = json.NewEncoder(response).Encode(value)
}
