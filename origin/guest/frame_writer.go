package main

import (
	"net/http"
	"sync"
	"time"
)

// frameWriter lets two streams write frames of one answer. What is written leaves a moment later, so that a short command's
// frames leave together: each flush costs a trip through the device.
type frameWriter struct {
	mutex    sync.Mutex
	response http.ResponseWriter
	flushing *time.Timer
	due      time.Time
	isClosed bool
}

func newFrameWriter(response http.ResponseWriter) *frameWriter {
	response.Header().Set("content-type", "application/x-atoll-frames")
	return &frameWriter{response: response}
}

// write sends one frame whose payload is already in the buffer, after room for the header. A host that is gone is noticed
// by the request's context, so a failure here is not an event.
func (w *frameWriter) write(kind frameType, buffer []byte, payloadBytes int) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.isClosed {
		return
	}
	_ = writeFrame(w.response, kind, buffer, payloadBytes)
	w.flushWithin(outputFlushWait)
}

// writeStarted may wait longer: only a command that is silent for that long shows it.
func (w *frameWriter) writeStarted(value any) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	_ = writeJSONFrame(w.response, frameStarted, value)
	w.flushWithin(startedFlushWait)
}

// writeExited is the last; the end of the request sends it.
func (w *frameWriter) writeExited(value any) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	_ = writeJSONFrame(w.response, frameExited, value)
	w.isClosed = true
	if w.flushing != nil {
		w.flushing.Stop()
	}
}

func (w *frameWriter) flushWithin(wait time.Duration) {
	due := time.Now().Add(wait)
	if !w.due.IsZero() && !due.Before(w.due) {
		return
	}
	w.due = due
	if w.flushing == nil {
		w.flushing = time.AfterFunc(wait, w.flush)
		return
	}
	w.flushing.Reset(wait)
}

func (w *frameWriter) flush() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.isClosed || w.due.IsZero() {
		return
	}
	w.due = time.Time{}
	if flusher, canFlush := w.response.(http.Flusher); canFlush {
		flusher.Flush()
	}
}
