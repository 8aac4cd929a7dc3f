package main

import (
	"os"
	"sync"
)

// codeOutput is stdout or stderr of an interpreter, which lives longer than the calls that it belongs to. What is printed
// between two calls waits for the next one; there is a bound to that, behind which it is dropped.
type codeOutput struct {
	pipe *os.File
	kind frameType
	done chan struct{}

	// mutex is held from taking something out of the pipe until it is delivered, so that who holds it knows that nothing is on
	// its way. A reader that is slow therefore holds up the pipe, and with it the code that prints.
	mutex     sync.Mutex
	buffer    []byte
	frames    *frameWriter
	left      int64
	truncated bool
	between   []byte
}

func followOutput(pipe *os.File, kind frameType) *codeOutput {
	o := &codeOutput{pipe: pipe, kind: kind, done: make(chan struct{}), buffer: make([]byte, frameHeaderBytes+frameChunkBytes)}
	go func() {
		defer close(o.done)
		raw, err := pipe.SyscallConn()
		if err == nil {
			_ = raw.Read(func(fd uintptr) bool {
				for {
					if count, isOver := o.takeOnce(int(fd)); count <= 0 {
						return isOver
					}
				}
			})
		}
	}()
	return o
}

// begin gives the output to a call, with what was printed since the one before.
func (o *codeOutput) begin(frames *frameWriter, bytesMax int64) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.frames, o.left, o.truncated = frames, bytesMax, false
	between := o.between
	o.between = nil
	for len(between) > 0 {
		count := copy(o.buffer[frameHeaderBytes:], between)
		between = between[count:]
		o.deliver(count)
	}
}

// end delivers what is in the pipe by now and takes the output away from the call.
func (o *codeOutput) end() (truncated bool) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	passRest(o.pipe, o.buffer[frameHeaderBytes:], o.deliver)
	o.frames = nil
	return o.truncated
}

func (o *codeOutput) takeOnce(fd int) (count int, isOver bool) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if count = readNow(fd, o.buffer[frameHeaderBytes:]); count > 0 {
		o.deliver(count)
	}
	return count, count == 0
}

func (o *codeOutput) deliver(count int) {
	if o.frames == nil {
		room := min(count, codeBetweenBytesMax-len(o.between))
		o.between = append(o.between, o.buffer[frameHeaderBytes:frameHeaderBytes+room]...)
		return
	}
	if int64(count) > o.left {
		o.truncated = true
		count = int(o.left)
	}
	o.left -= int64(count)
	if count > 0 {
		o.frames.write(o.kind, o.buffer, count)
	}
}
