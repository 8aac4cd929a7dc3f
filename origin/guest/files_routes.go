package main

import (
	"context"
	"encoding/json"
	"net/http"
)

const filesPath = "/v1/files"

// fileHandler answers, or returns why not. errBrokenOff ends an answer that has begun.
type fileHandler func(response http.ResponseWriter, request *http.Request) error

// fileRoutes are the routes of shared/contracts/guest-files.ts, by path below /v1/files and by method.
var fileRoutes = map[string]map[string]fileHandler{
	"":            {"GET": ofPath(handleFileRead), "HEAD": ofPath(handleFileRead), "PUT": ofPath(handleFileWrite)},
	"/stat":       {"GET": ofPath(handleFileStat)},
	"/list":       {"GET": wholeTurns.wait(ofPath(handleFileList))},
	"/search":     {"GET": wholeTurns.wait(ofPath(handleFileSearch))},
	"/watch":      {"GET": ofPath(handleWatch)},
	"/unpack":     {"PUT": archiveTurns.orRefuse(ofPath(handleUnpack))},
	"/pack":       {"POST": archiveTurns.orRefuse(ofOrder(handlePack))},
	"/mkdir":      {"POST": ofOrder(handleMkdir)},
	"/move":       {"POST": ofOrder(handleMove)},
	"/copy":       {"POST": ofOrder(handleCopy)},
	"/remove":     {"POST": ofOrder(handleRemove)},
	"/chmod":      {"POST": ofOrder(handleChmod)},
	"/write-many": {"POST": wholeTurns.wait(ofOrder(handleWriteMany))},
}

func addFileRoutes(routes *http.ServeMux) {
	for path, methods := range fileRoutes {
		methods := methods
		routes.HandleFunc(filesPath+path, func(response http.ResponseWriter, request *http.Request) {
			handle, isKnown := methods[request.Method]
			if !isKnown {
				http.Error(response, "No such route.", http.StatusMethodNotAllowed)
				return
			}
			if err := handle(response, request); err != nil {
				answerRefusal(response, err)
			}
		})
	}
}

// ofPath reads from the query who asks about which path.
func ofPath(do func(http.ResponseWriter, *http.Request, user, filePath) error) fileHandler {
	return func(response http.ResponseWriter, request *http.Request) error {
		query := request.URL.Query()
		who, err := fileUser(query.Get("user"))
		if err != nil {
			return err
		}
		path, err := pathOfQuery(query)
		if err != nil {
			return err
		}
		return do(response, request, who, path)
	}
}

// ofOrder reads what is to be done from the body.
func ofOrder[Order any](do func(context.Context, http.ResponseWriter, *Order) error) fileHandler {
	return func(response http.ResponseWriter, request *http.Request) error {
		order := new(Order)
		body := http.MaxBytesReader(response, request.Body, requestBytesMax)
		if err := json.NewDecoder(body).Decode(order); err != nil {
			return refuseFile("file_refused", "The body is not the JSON that this route takes: %v.", err)
		}
		return do(request.Context(), response, order)
	}
}

func handleFileStat(response http.ResponseWriter, request *http.Request, who user, path filePath) error {
	return answerFacts(response, who, path, request.URL.Query().Get("follow") != "false", nil)
}
