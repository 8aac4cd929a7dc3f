package main

import (
	"bufio"
	"net"
	"os"
)

// sessionConn is a session's use of the data port: what it read ahead comes first, and closing it leaves the port open.
type sessionConn struct {
	*port
	session  *session
	incoming *bufio.Reader
}

func (c sessionConn) Read(into []byte) (int, error) { return c.incoming.Read(into) }

func (c sessionConn) Write(bytes []byte) (int, error) {
	c.session.writing.Lock()
	defer c.session.writing.Unlock()
	if c.session.isOver {
		return 0, os.ErrDeadlineExceeded
	}
	return c.port.Write(bytes)
}

func (c sessionConn) Close() error { return nil }

func (c sessionConn) LocalAddr() net.Addr  { return portAddr("guest") }
func (c sessionConn) RemoteAddr() net.Addr { return portAddr("host") }

type portAddr string

func (portAddr) Network() string  { return "virtio-serial" }
func (a portAddr) String() string { return string(a) }
