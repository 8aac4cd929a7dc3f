package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
)

const portsPath = "/v1/ports/"

// handleTunnel joins the two directions of a request to a connection to one of the machine's own ports: what the host sends
// goes to the server there, and what that says is the answer. Nothing of it is read here.
func handleTunnel(response http.ResponseWriter, request *http.Request) {
	port, err := strconv.ParseUint(strings.TrimPrefix(request.URL.Path, portsPath), 10, 16)
	if err != nil || port == 0 || request.Method != http.MethodPost {
		http.Error(response, "A port is a number from 1 to 65535, and is posted to.", http.StatusBadRequest)
		return
	}
	server, err := dialPort(strconv.FormatUint(port, 10))
	if err != nil {
		http.Error(response, err.Error(), http.StatusBadGateway)
		return
	}
	defer server.Close()
	// The host is told that somebody listens before a byte is exchanged.
	response.WriteHeader(http.StatusOK)
	response.(http.Flusher).Flush()
	go feedServer(server, request.Body)
	copyAtOnce(response, server)
}

// dialPort tries the addresses on which a server may listen that means to be reached from its own machine.
func dialPort(port string) (server *net.TCPConn, err error) {
	dialer := net.Dialer{Timeout: portDialWait}
	for _, host := range []string{"127.0.0.1", "::1"} {
		connection, failed := dialer.Dial("tcp", net.JoinHostPort(host, port))
		if failed == nil {
			return connection.(*net.TCPConn), nil
		}
		err = failed
	}
	return nil, err
}

// feedServer ends with the request. A host that is done sending still listens; one that has gone cuts the connection.
func feedServer(server *net.TCPConn, body io.Reader) {
	if _, err := io.Copy(server, body); err != nil {
		_ = server.Close()
		return
	}
	_ = server.CloseWrite()
}

// copyAtOnce holds nothing back: what is here goes out, however little it is. A server that breaks the connection off ends the
// stream with an error, so that what it said is not taken for the whole.
func copyAtOnce(response http.ResponseWriter, server *net.TCPConn) {
	chunk := make([]byte, frameChunkBytes)
	for {
		count, err := server.Read(chunk)
		if count > 0 {
			if _, failed := response.Write(chunk[:count]); failed != nil {
				return
			}
			response.(http.Flusher).Flush()
		}
		if errors.Is(err, syscall.ECONNRESET) {
			panic(http.ErrAbortHandler)
		}
		if err != nil {
			return
		}
	}
}
