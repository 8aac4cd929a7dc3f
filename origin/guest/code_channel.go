package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
)

// What a driver and the agent say to each other: frames of a kind (1 byte), a length (4 bytes, big endian) and JSON. The
// drivers (interpreters/) say what is in each. Their processes run the sandbox's code, so none of it is believed.
const (
	driverCallKind = 1

	driverResult = 1
	driverError  = 2
	driverDone   = 3
)

// codeMessages are those of one call: they go on as they are, in pieces, and nothing of them is kept here.
type codeMessages struct {
	frames    *frameWriter
	left      int64
	count     int
	truncated bool
	done      chan int
}

// codeChannel is the agent's end of one driver's channel.
type codeChannel struct {
	socket *os.File
	mutex  sync.Mutex
	now    *codeMessages
}

// begin gives what the driver says from now on to a call.
func (c *codeChannel) begin(messages *codeMessages) { c.set(messages) }

// end drops what is said from now on.
func (c *codeChannel) end() { c.set(nil) }

func (c *codeChannel) set(messages *codeMessages) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.now = messages
}

func (c *codeChannel) current() *codeMessages {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.now
}

// follow returns when the driver has hung up or has said something that no driver says.
func (c *codeChannel) follow() error {
	header := make([]byte, frameHeaderBytes)
	buffer := make([]byte, frameHeaderBytes+frameChunkBytes)
	for {
		if _, err := io.ReadFull(c.socket, header); err != nil {
			return err
		}
		kind, length := header[0], int(binary.BigEndian.Uint32(header[1:]))
		if length > codeMessageBytesMax {
			return fmt.Errorf("a message of %d bytes", length)
		}
		var err error
		switch kind {
		case driverResult:
			err = c.pass(frameResult, length, buffer)
		case driverError:
			err = c.pass(frameFailure, length, buffer)
		case driverDone:
			err = c.finish(length, buffer)
		default:
			err = fmt.Errorf("a message of kind %d", kind)
		}
		if err != nil {
			return err
		}
	}
}

// pass sends a message on in frames: pieces, and a last one whose type says what it was.
func (c *codeChannel) pass(last frameType, length int, buffer []byte) error {
	to := c.current()
	if to != nil && !to.takes(int64(length)) {
		to = nil
	}
	for {
		piece := min(length, frameChunkBytes)
		if _, err := io.ReadFull(c.socket, buffer[frameHeaderBytes:frameHeaderBytes+piece]); err != nil {
			return err
		}
		length -= piece
		kind := frameType(framePiece)
		if length == 0 {
			kind = last
		}
		if to != nil {
			to.frames.write(kind, buffer, piece)
		}
		if length == 0 {
			return nil
		}
	}
}

// takes is false when the call has shown as much as it may.
func (m *codeMessages) takes(length int64) bool {
	if length > m.left || m.count >= codeResultsMax {
		m.truncated = true
		return false
	}
	m.left -= length
	m.count++
	return true
}

func (c *codeChannel) finish(length int, buffer []byte) error {
	if length > frameChunkBytes {
		return fmt.Errorf("an end of %d bytes", length)
	}
	if _, err := io.ReadFull(c.socket, buffer[:length]); err != nil {
		return err
	}
	var said struct {
		ExitCode int `json:"exit_code"`
	}
	if err := json.Unmarshal(buffer[:length], &said); err != nil {
		return err
	}
	if to := c.current(); to != nil {
		select {
		case to.done <- said.ExitCode & 255:
		default:
			// It has said so before.
		}
	}
	return nil
}
