package main

import (
	"net/http"
	"sync"
	"time"
)

// frameWriter lets two streams write frames of one answer. What is written leaves at most flushWait later, so that a short
// command's frames leave together: each flush costs a trip through the emulated device.
type frameWriter struct {
	mutex     sync.Mutex
	response  http.ResponseWriter
	flushing  *time.Timer
	isPending bool
	isClosed  bool
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
	w.flushSoon()
}

func (w *frameWriter) writeJSON(kind frameType, value any) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	_ = writeJSONFrame(w.response, kind, value)
	w.flushSoon()
}

func (w *frameWriter) flushSoon() {
	if w.isPending {
		return
	}
	w.isPending = true
	if w.flushing == nil {
		w.flushing = time.AfterFunc(flushWait, w.flush)
		return
	}
	w.flushing.Reset(flushWait)
}

func (w *frameWriter) flush() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.isClosed || !w.isPending {
		return
	}
	w.isPending = false
	if flusher, canFlush := w.response.(http.Flusher); canFlush {
		flusher.Flush()
	}
}

// close is the end of the writing; a handler that has returned must not be written to.
func (w *frameWriter) close() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.isClosed = true
	if w.flushing != nil {
		w.flushing.Stop()
	}
}
