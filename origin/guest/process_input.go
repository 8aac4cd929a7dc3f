package main

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// processInput is the stdin of a process. Writers take turns; each gives up when the process does not read for a while.
type processInput struct {
	turn   chan struct{}
	mutex  sync.Mutex
	stream *os.File
	isOpen bool
}

var (
	errInputClosed = errors.New("its stdin is closed")
	errInputFull   = errors.New("it does not read its stdin")
)

// newProcessInput takes over a stream; nil is a stdin that was never open.
func newProcessInput(stream *os.File) *processInput {
	return &processInput{turn: make(chan struct{}, 1), stream: stream, isOpen: stream != nil}
}

// feed writes the text that came with the order, and closes stdin unless more may follow. A process that does not read is its
// own affair: the pipe breaks when it ends.
func (h *heldProcess) feed(order processStart) {
	if order.Stdin != "" {
		h.input.turn <- struct{}{}
		_, _ = h.input.stream.WriteString(order.Stdin)
		<-h.input.turn
	}
	if !order.StdinOpen {
		h.input.close()
	}
}

// writeFrom writes all of a body, piece by piece, and says how much of it the process's pipe has taken.
func (i *processInput) writeFrom(body io.Reader, given <-chan struct{}) (written int64, err error) {
	select {
	case i.turn <- struct{}{}:
		defer func() { <-i.turn }()
	case <-given:
		return 0, errInputFull
	case <-time.After(inputWait):
		return 0, errInputFull
	}
	chunk := make([]byte, inputChunkBytes)
	for {
		count, readErr := body.Read(chunk)
		if count > 0 {
			taken, err := i.write(chunk[:count])
			written += int64(taken)
			if err != nil {
				return written, err
			}
		}
		if readErr == io.EOF {
			return written, nil
		}
		if readErr != nil {
			return written, readErr
		}
	}
}

func (i *processInput) write(bytes []byte) (taken int, err error) {
	if !i.isOpenNow() {
		return 0, errInputClosed
	}
	_ = i.stream.SetWriteDeadline(time.Now().Add(inputWait))
	taken, err = i.stream.Write(bytes)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return taken, errInputFull
	case err != nil:
		return taken, errInputClosed
	}
	return taken, nil
}

func (i *processInput) isOpenNow() bool {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return i.isOpen
}

// close is the end of the input; a writer that waits hears that it is closed. It may be called again.
func (i *processInput) close() {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if i.isOpen {
		i.isOpen = false
		_ = i.stream.Close()
	}
}
