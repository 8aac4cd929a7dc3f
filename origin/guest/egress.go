package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const egressAcceptPath = "/v1/egress/accept"

// The doors at which processes find a proxy; environment.go tells them of the first.
var egressAddresses = []string{"127.0.0.1:3128", "[::1]:3128"}

// egressOrder is what the host says of the way out when the machine wakes.
type egressOrder struct {
	CaPem string            `json:"ca_pem"`
	Env   map[string]string `json:"env"`
}

// egressDoor hands connections of processes to the host, which asks for each one with a request that waits, and lets through or
// refuses what each asks for. While it comes for them nothing of them is read here. What is exposed is remembered in memory alone: a
// clone of this machine is told anew.
type egressDoor struct {
	trust    *egressTrust
	arrivals chan *net.TCPConn
	places   chan struct{}
	// How long a connection waits for the host.
	patience time.Duration

	mutex sync.Mutex
	// Where processes find the placeholders of secrets. It is replaced, and never changed.
	exposed map[string]string
}

func newEgressDoor() *egressDoor {
	return &egressDoor{
		trust:    newEgressTrust("/"),
		arrivals: make(chan *net.TCPConn),
		places:   make(chan struct{}, egressConnectionsMax),
		patience: egressAcceptWait,
	}
}

// obey never fails: an authority that cannot be written (the disk is full) must not keep a machine from waking.
func (d *egressDoor) obey(order egressOrder) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.exposed = order.Env
	if err := d.trust.set(order.CaPem); err != nil {
		log.Printf("egress trust: %v", err)
	}
}

// variables are what every process is told of the way out.
func (d *egressDoor) variables() map[string]string {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.exposed
}

// listenForEgress opens the doors for as long as the machine lives. A kernel without IPv6 has one of them.
func listenForEgress(door *egressDoor) error {
	for index, address := range egressAddresses {
		listener, err := net.Listen("tcp", address)
		if err == nil {
			go door.takeFrom(listener)
		} else if index == 0 {
			return err
		}
	}
	return nil
}

func (d *egressDoor) takeFrom(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			// Out of descriptors for a moment; a listener of ours is never closed.
			time.Sleep(egressRetryPause)
			continue
		}
		select {
		case d.places <- struct{}{}:
			go d.admit(connection.(*net.TCPConn))
		default:
			_ = connection.Close()
		}
	}
}

// admit holds its place until the connection is handed over; what the host has taken counts there. Nobody comes for one while the
// host's daemon is away, or has as many of this sandbox as it takes.
func (d *egressDoor) admit(connection *net.TCPConn) {
	defer func() { <-d.places }()
	patience := time.NewTimer(d.patience)
	defer patience.Stop()
	select {
	case d.arrivals <- connection:
	case <-patience.C:
		sendAway(connection)
	}
}

// sendAway answers one request, whatever it is. It is read first: a connection that is closed with something unread is reset, and
// takes the answer with it.
func sendAway(connection *net.TCPConn) {
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(egressRefusalWait))
	head := bufio.NewReader(io.LimitReader(connection, egressHeadBytesMax))
	for line := "-"; strings.TrimRight(line, "\r\n") != ""; {
		var err error
		if line, err = head.ReadString('\n'); err != nil {
			return
		}
	}
	const text = "The host of this sandbox takes no connections at the moment. Try again.\n"
	fmt.Fprintf(connection, "HTTP/1.1 %d %s\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s",
		http.StatusServiceUnavailable, http.StatusText(http.StatusServiceUnavailable), len(text), text)
	_ = connection.CloseWrite()
	_, _ = io.Copy(io.Discard, head)
}

// handleEgressAccept waits for a process to connect and becomes that connection. It ends when the host leaves.
func handleEgressAccept(response http.ResponseWriter, request *http.Request, door *egressDoor) {
	if request.Method != http.MethodPost {
		http.Error(response, "A connection is posted for.", http.StatusBadRequest)
		return
	}
	select {
	case <-request.Context().Done():
	case connection := <-door.arrivals:
		carryEgress(request.Context(), connection, response, request.Body)
	}
}

// carryEgress joins the two directions. The process that ends its side before it has heard anything waits for its answer.
func carryEgress(ctx context.Context, process *net.TCPConn, response http.ResponseWriter, fromHost io.Reader) {
	defer process.Close()
	go func() {
		<-ctx.Done()
		_ = process.Close()
	}()
	response.WriteHeader(http.StatusOK)
	response.(http.Flusher).Flush()
	heard := &firstWord{reader: fromHost, came: make(chan struct{})}
	isFed := make(chan struct{})
	go func() {
		defer close(isFed)
		feedServer(process, heard)
	}()
	copyAtOnce(response, process)
	patience := time.NewTimer(egressAnswerWait)
	defer patience.Stop()
	select {
	case <-heard.came:
		return
	default:
	}
	select {
	case <-isFed:
	case <-ctx.Done():
	case <-patience.C:
	}
}

// firstWord tells when the first byte has been read.
type firstWord struct {
	reader io.Reader
	once   sync.Once
	came   chan struct{}
}

func (w *firstWord) Read(into []byte) (int, error) {
	count, err := w.reader.Read(into)
	if count > 0 {
		w.once.Do(func() { close(w.came) })
	}
	return count, err
}
