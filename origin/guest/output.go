package main

import (
	"os"
	"sync/atomic"
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
		for {
			count, err := pipe.Read(buffer[frameHeaderBytes:])
			if int64(count) > left {
				o.truncated.Store(true)
				count = int(left)
			}
			left -= int64(count)
			if count > 0 {
				sink.write(kind, buffer, count)
			}
			if err != nil {
				return
			}
		}
	}()
	return o
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
