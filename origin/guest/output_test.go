package main

import (
	"os"
	"testing"
	"time"
)

// slowSink takes one chunk, and then nothing for longer than a drain waits.
type slowSink struct{ bytes int }

func (s *slowSink) write(_ frameType, _ []byte, payloadBytes int) {
	if s.bytes == 0 {
		time.Sleep(2 * drainWait)
	}
	s.bytes += payloadBytes
}

// Whoever reads slowly would take the beginning of an output for the whole: the end of a process says nothing of what is missing.
func TestWhatWasSaidBeforeTheEndReachesASlowReaderWhole(t *testing.T) {
	ours, theirs := pipeOf(t)
	sink := &slowSink{}
	output := pump(ours, sink, frameStdout, 1<<30)
	said, err := theirs.Write(make([]byte, 60_000))
	check(t, err)
	drain(output)
	if sink.bytes != said || output.isTruncated() {
		t.Fatalf("%d of %d bytes", sink.bytes, said)
	}
}

func TestSomebodyWhoGoesOnWritingKeepsNothingFromItsEnd(t *testing.T) {
	ours, theirs := pipeOf(t)
	go func() {
		chunk := make([]byte, 60_000)
		for {
			if _, err := theirs.Write(chunk); err != nil {
				return
			}
		}
	}()
	output := pump(ours, &slowSink{}, frameStdout, 1<<30)
	ended := make(chan struct{})
	go func() {
		drain(output)
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("it is waited for without an end")
	}
}

// pipeOf keeps both ends open, as a process does that was left in the background.
func pipeOf(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, theirs, err := os.Pipe()
	check(t, err)
	t.Cleanup(func() {
		ours.Close()
		theirs.Close()
	})
	return ours, theirs
}
