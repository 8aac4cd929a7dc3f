package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// askTunnel posts to a port through a real HTTP/2 server, as a host does.
func askTunnel(t *testing.T, port string, body io.Reader) *http.Response {
	t.Helper()
	server := httptest.NewUnstartedServer(newRoutes(nil, newEgressDoor()))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client := server.Client()
	if err := http2.ConfigureTransport(client.Transport.(*http.Transport)); err != nil {
		t.Fatal(err)
	}
	response, err := client.Post(server.URL+portsPath+port, "application/octet-stream", body)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// listenOnce serves one connection on a free port of the address.
func listenOnce(t *testing.T, address string, serve func(*net.TCPConn)) (port string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("there is no %s here: %v", address, err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		connection, err := listener.Accept()
		if err == nil {
			serve(connection.(*net.TCPConn))
			connection.Close()
		}
	}()
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	return port
}

// A server speaks before it has heard everything, and hears the end of what it is told.
func TestATunnelCarriesBothDirectionsAtOnce(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		port := listenOnce(t, address, func(connection *net.TCPConn) {
			io.WriteString(connection, "hello ")
			heard, _ := io.ReadAll(connection)
			connection.Write(heard)
		})
		reader, writer := io.Pipe()
		response := askTunnel(t, port, reader)
		first := make([]byte, len("hello "))
		if _, err := io.ReadFull(response.Body, first); err != nil || string(first) != "hello " {
			t.Fatalf("first %q, %v", first, err)
		}
		io.WriteString(writer, "world")
		writer.Close()
		rest, err := io.ReadAll(response.Body)
		if err != nil || string(rest) != "world" {
			t.Fatalf("rest %q, %v", rest, err)
		}
	}
}

// What a server said before it broke off must not be taken for all that it had to say.
func TestAConnectionThatIsResetIsNotTakenForItsEnd(t *testing.T) {
	port := listenOnce(t, "127.0.0.1:0", func(connection *net.TCPConn) {
		// By the end of the request it is sure to be connected; broken off before, it would be a port on which nothing listens.
		io.ReadAll(connection)
		io.WriteString(connection, "half")
		connection.SetLinger(0)
	})
	response := askTunnel(t, port, strings.NewReader(""))
	if said, err := io.ReadAll(response.Body); err == nil {
		t.Fatalf("%q was taken for the whole", said)
	}
}

func TestAPortOnWhichNothingListensIsABadGateway(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	for port, status := range map[string]int{port: 502, "0": 400, "65536": 400, "x": 400, "": 400} {
		if response := askTunnel(t, port, nil); response.StatusCode != status {
			t.Errorf("port %q: %d", port, response.StatusCode)
		}
	}
}
