package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/rand"
	"testing"
	"time"
)

func writeOutput(r *ring, kind frameType, text string) {
	buffer := append(make([]byte, frameHeaderBytes), text...)
	r.write(kind, buffer, len(text))
}

// heard is what a reader makes of the frames that it took.
type heard struct {
	streams [2]bytes.Buffer
	lost    lostOutput
	isEnded bool
}

func (h *heard) parse(t *testing.T, frames []byte) {
	t.Helper()
	for len(frames) > 0 {
		kind, length := frameType(frames[0]), binary.BigEndian.Uint32(frames[1:])
		payload := frames[frameHeaderBytes:][:length]
		frames = frames[frameHeaderBytes+int(length):]
		switch kind {
		case frameStdout, frameStderr:
			h.streams[streamIndex(kind)].Write(payload[outputMarkBytes:])
		case frameLost:
			var lost lostOutput
			if err := json.Unmarshal(payload, &lost); err != nil {
				t.Fatal(err)
			}
			h.lost.StdoutBytes += lost.StdoutBytes
			h.lost.StderrBytes += lost.StderrBytes
		case frameExited:
			h.isEnded = true
		default:
			t.Fatalf("a frame of type %d", kind)
		}
	}
}

func (h *heard) takeAll(t *testing.T, r *ring, reader *ringReader) {
	t.Helper()
	buffer := make([]byte, outputBufferBytes)
	for !h.isEnded {
		count, _, more := r.take(reader, buffer)
		if more != nil {
			return
		}
		h.parse(t, buffer[:count])
	}
}

// Whatever the sizes, a reader hears the newest output exactly, and the number of bytes before it that it will never hear.
func TestAReaderHearsWhatIsKeptAndHowMuchIsLost(t *testing.T) {
	seed := time.Now().UnixNano()
	random := rand.New(rand.NewSource(seed))
	for round := 0; round < 50; round++ {
		r := newRing()
		var said [2][]byte
		early := r.attach([2]int64{}, false)
		var earlyHeard heard
		for chunk := 0; chunk < random.Intn(400); chunk++ {
			text := make([]byte, 1+random.Intn(1<<uint(random.Intn(15))))
			random.Read(text)
			stream := random.Intn(2)
			said[stream] = append(said[stream], text...)
			writeOutput(r, frameStdout+frameType(stream), string(text))
			if random.Intn(10) == 0 {
				earlyHeard.takeAll(t, r, early)
			}
		}
		cursor := [2]int64{random.Int63n(int64(len(said[0])) + 1), random.Int63n(int64(len(said[1])) + 1)}
		late := r.attach(cursor, false)
		var lateHeard heard
		lateHeard.takeAll(t, r, late)
		earlyHeard.takeAll(t, r, early)
		for stream, lost := range []int64{lateHeard.lost.StdoutBytes, lateHeard.lost.StderrBytes} {
			if want := said[stream][cursor[stream]+lost:]; !bytes.Equal(lateHeard.streams[stream].Bytes(), want) {
				t.Fatalf("seed %d: from %d, with %d lost, %d bytes came", seed, cursor[stream], lost, lateHeard.streams[stream].Len())
			}
		}
		for stream, lost := range []int64{earlyHeard.lost.StdoutBytes, earlyHeard.lost.StderrBytes} {
			if int64(earlyHeard.streams[stream].Len())+lost != int64(len(said[stream])) {
				t.Fatalf("seed %d: %d bytes and %d lost are not %d", seed, earlyHeard.streams[stream].Len(), lost, len(said[stream]))
			}
		}
	}
}

// Years of output must not cost more than the ring.
func TestARingNeverGrowsBeyondItsBound(t *testing.T) {
	r := newRing()
	for chunk := 0; chunk < 100; chunk++ {
		writeOutput(r, frameStdout, string(make([]byte, frameChunkBytes)))
	}
	if len(r.bytes) > ringBytesMax || r.used() > ringBytesMax {
		t.Fatalf("%d bytes, %d used", len(r.bytes), r.used())
	}
}

// Output that was never written cannot have been read: such a cursor comes from another process.
func TestACursorBeyondTheEndIsRefused(t *testing.T) {
	r := newRing()
	writeOutput(r, frameStdout, "abc")
	if r.attach([2]int64{4, 0}, false) != nil || r.attach([2]int64{0, 1}, false) != nil || r.attach([2]int64{-1, 0}, false) != nil {
		t.Fatal("it was taken")
	}
	if r.attach([2]int64{3, 0}, false) == nil {
		t.Fatal("the end was refused")
	}
}

// Who started a process for itself hears every byte, however slow it is, and nobody else is waited for.
func TestAProcessWaitsForItsCallerAndForNobodyElse(t *testing.T) {
	r := newRing()
	caller := r.attach([2]int64{}, true)
	idler := r.attach([2]int64{}, false)
	const chunks, chunkBytes = 64, 8 << 10
	done := make(chan struct{})
	go func() {
		defer close(done)
		for chunk := 0; chunk < chunks; chunk++ {
			writeOutput(r, frameStdout, string(make([]byte, chunkBytes)))
		}
		r.end(encodeFrame(frameExited, []byte("{}")))
	}()
	select {
	case <-done:
		t.Fatal("it did not wait")
	case <-time.After(20 * time.Millisecond):
	}
	var all heard
	buffer := make([]byte, outputBufferBytes)
	for !all.isEnded {
		count, _, more := r.take(caller, buffer)
		if more != nil {
			<-more
		}
		all.parse(t, buffer[:count])
	}
	if all.lost != (lostOutput{}) || all.streams[0].Len() != chunks*chunkBytes {
		t.Fatalf("%d bytes came, %v lost", all.streams[0].Len(), all.lost)
	}
	var rest heard
	rest.takeAll(t, r, idler)
	if rest.lost.StdoutBytes == 0 || !rest.isEnded {
		t.Fatal("the one that did not read was waited for")
	}
}

// A caller that is gone must not stand in the way of its process.
func TestAProcessGoesOnWhenItsCallerHasLeft(t *testing.T) {
	r := newRing()
	caller := r.attach([2]int64{}, true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for chunk := 0; chunk < 64; chunk++ {
			writeOutput(r, frameStderr, string(make([]byte, 8<<10)))
		}
	}()
	r.leave(caller)
	select {
	case <-done:
	case <-time.After(testWait):
		t.Fatal("it still waits")
	}
}
