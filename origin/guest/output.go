package main

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// output is one stream of a command on its way to the host.
type output struct {
	pipe      *os.File
	truncated atomic.Bool
	done      chan struct{}
}

// outputSink takes chunks of output, each in a buffer that has room for a frame's header before it.
type outputSink interface {
	write(kind frameType, buffer []byte, payloadBytes int)
}

// pump passes on what comes out of a pipe, at most `bytesMax` bytes; the rest is read and dropped, so that the command never
// waits for a reader.
func pump(pipe *os.File, sink outputSink, kind frameType, bytesMax int64) *output {
	o := &output{pipe: pipe, done: make(chan struct{})}
	go func() {
		defer close(o.done)
		buffer := make([]byte, frameHeaderBytes+frameChunkBytes)
		left := bytesMax
		passAll(pipe, buffer[frameHeaderBytes:], func(count int) {
			if int64(count) > left {
				o.truncated.Store(true)
				count = int(left)
			}
			left -= int64(count)
			if count > 0 {
				sink.write(kind, buffer, count)
			}
		})
	}()
	return o
}

// passAll passes on what can be read until the end, or until the reader's deadline: then with what is there, which a slow taker
// has kept from being read before.
func passAll(from *os.File, into []byte, pass func(count int)) {
	for {
		count, err := from.Read(into)
		if count > 0 {
			pass(count)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			passRest(from, into, pass)
		}
		if err != nil {
			return
		}
	}
}

// passRest passes on what is there by now, and waits for no more. Somebody may go on writing and fill a pipe again and again; one
// that was full was at most so large.
func passRest(from *os.File, into []byte, pass func(count int)) {
	raw, err := from.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		for taken := 0; taken < pipeBytesMax; {
			count := readNow(int(fd), into)
			if count <= 0 {
				return
			}
			pass(count)
			taken += count
		}
	})
}

// readNow is negative when there is nothing to read now, and 0 when there never will be again.
func readNow(fd int, into []byte) int {
	for {
		count, err := syscall.Read(fd, into)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return -1
		case err != nil || count <= 0:
			return 0
		}
		return count
	}
}

// drain waits for what is still in the pipes. Someone else may hold them open, so there is an end to it.
func drain(outputs ...*output) {
	deadline := time.Now().Add(drainWait)
	for _, output := range outputs {
		_ = output.pipe.SetReadDeadline(deadline)
	}
	for _, output := range outputs {
		<-output.done
	}
}

func (o *output) isTruncated() bool { return o.truncated.Load() }
