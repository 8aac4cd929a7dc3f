package main

import (
	"encoding/binary"
	"sync"
	"time"
)

// ring keeps the newest output of one process, as the frames in which it is sent:
//
//	type (1 byte) | length (4 bytes) | position (8) | Unix milliseconds (8) | bytes
//
// The position counts the bytes of that stream before these. Whoever reads has a place of its own, so that readers know nothing
// of each other, and hears how much it missed. When the ring is full the oldest output goes; a process that was started for one
// caller waits for that caller instead, as it would for a pipe.
type ring struct {
	mutex sync.Mutex
	bytes []byte
	// Of all bytes that were ever put in: where the oldest frame begins, and where the newest ends.
	tail, head       int64
	written, dropped [2]int64
	// The frame that follows all output, once the process has ended.
	last []byte

	changed chan struct{}
	holder  *ringReader
	taken   *sync.Cond
}

const (
	outputMarkBytes   = 16
	outputHeaderBytes = frameHeaderBytes + outputMarkBytes
	ringBytesLeast    = 4 << 10
)

func newRing() *ring {
	made := &ring{bytes: make([]byte, ringBytesLeast)}
	made.taken = sync.NewCond(&made.mutex)
	return made
}

func streamIndex(kind frameType) int { return int(kind - frameStdout) }

// write puts in one chunk of output, as pump calls it. A process that prints much is not read again at once: read after each of its
// writes it would get less of the processor than one whose pipe is always full, and its output would cost more.
func (r *ring) write(kind frameType, buffer []byte, payloadBytes int) {
	r.add(kind, buffer[frameHeaderBytes:][:payloadBytes])
	if payloadBytes >= bulkBytesLeast && payloadBytes < frameChunkBytes {
		time.Sleep(outputFlushWait)
	}
}

func (r *ring) add(kind frameType, payload []byte) {
	now := time.Now().UnixMilli()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.makeRoom(outputHeaderBytes + len(payload))
	var header [outputHeaderBytes]byte
	position := &r.written[streamIndex(kind)]
	encodeOutputHeader(header[:], kind, len(payload), *position, now)
	*position += int64(len(payload))
	r.put(header[:])
	r.put(payload)
	r.tell()
}

// end puts in the last frame, which is never dropped.
func (r *ring) end(last []byte) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.last = last
	r.tell()
}

func (r *ring) makeRoom(size int) {
	for r.used()+size > ringBytesMax {
		if r.holder != nil && r.holder.next <= r.tail {
			r.taken.Wait()
		} else {
			r.dropOldest()
		}
	}
	if needed := r.used() + size; needed > len(r.bytes) {
		r.growTo(needed)
	}
}

func (r *ring) used() int { return int(r.head - r.tail) }

func (r *ring) dropOldest() {
	kind, length, position, _ := r.headerAt(r.tail)
	r.dropped[streamIndex(kind)] = position + int64(length)
	r.tail += int64(outputHeaderBytes + length)
}

func (r *ring) growTo(needed int) {
	size := len(r.bytes)
	for size < needed {
		size *= 2
	}
	grown := make([]byte, min(size, ringBytesMax))
	kept := make([]byte, r.used())
	r.copyOut(kept, r.tail)
	r.bytes = grown
	head := r.head
	r.head = r.tail
	r.put(kept)
	r.head = head
}

func (r *ring) put(bytes []byte) {
	start := int(r.head % int64(len(r.bytes)))
	count := copy(r.bytes[start:], bytes)
	copy(r.bytes, bytes[count:])
	r.head += int64(len(bytes))
}

func (r *ring) copyOut(into []byte, from int64) {
	start := int(from % int64(len(r.bytes)))
	count := copy(into, r.bytes[start:])
	copy(into[count:], r.bytes)
}

func (r *ring) headerAt(offset int64) (kind frameType, length int, position, at int64) {
	var header [outputHeaderBytes]byte
	r.copyOut(header[:], offset)
	length = int(binary.BigEndian.Uint32(header[1:])) - outputMarkBytes
	position = int64(binary.BigEndian.Uint64(header[frameHeaderBytes:]))
	at = int64(binary.BigEndian.Uint64(header[frameHeaderBytes+8:]))
	return frameType(header[0]), length, position, at
}

func encodeOutputHeader(into []byte, kind frameType, length int, position, at int64) {
	into[0] = byte(kind)
	binary.BigEndian.PutUint32(into[1:], uint32(outputMarkBytes+length))
	binary.BigEndian.PutUint64(into[frameHeaderBytes:], uint64(position))
	binary.BigEndian.PutUint64(into[frameHeaderBytes+8:], uint64(at))
}

// tell wakes the readers that wait.
func (r *ring) tell() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// lostOutput is how much of each stream a reader will never see.
type lostOutput struct {
	StdoutBytes int64 `json:"stdout_bytes"`
	StderrBytes int64 `json:"stderr_bytes"`
}
