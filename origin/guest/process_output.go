package main

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// processStarted is the first frame of what a process says: which one it is.
type processStarted struct {
	ID  string `json:"id"`
	Pid int    `json:"pid"`
}

// handleRun starts a process and answers with what it says. Every byte reaches the host, because the process waits for it. What
// could not be started says what a shell would have said.
func handleRun(response http.ResponseWriter, request *http.Request, table *processTable) {
	var order processStart
	if !readJSON(response, request, &order) {
		return
	}
	if !table.takeReader() {
		refuseReaders(response)
		return
	}
	defer table.leaveReader()
	held, refused := table.startWithPipes(order, true)
	if refused != nil {
		writeRefusal(response, refused)
		return
	}
	reader := held.output.attach([2]int64{}, true)
	sendOutput(response, request, held, reader, true)
}

// handleOutput answers with what a process says after the positions that are given; without `follow`, with what is there now.
func handleOutput(response http.ResponseWriter, request *http.Request, table *processTable, held *heldProcess) {
	query := request.URL.Query()
	var seen [2]int64
	for stream, name := range []string{"stdout", "stderr"} {
		if text := query.Get(name); text != "" {
			position, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				position = -1
			}
			seen[stream] = position
		}
	}
	reader := held.output.attach(seen, false)
	if reader == nil {
		refuseField(response, "cursor", "This process never said that much.")
		return
	}
	if !table.takeReader() {
		refuseReaders(response)
		return
	}
	defer table.leaveReader()
	sendOutput(response, request, held, reader, query.Get("follow") == "1")
}

// sendOutput sends frames until the process is complete, until there is nothing more and it does not follow, or until the host
// is gone.
func sendOutput(response http.ResponseWriter, request *http.Request, held *heldProcess, reader *ringReader, follows bool) {
	left := held.audience.join()
	defer func() {
		if sessionKeeps(request.Context()) {
			held.audience.release()
		}
		left()
	}()
	defer held.output.leave(reader)
	response.Header().Set("content-type", "application/x-atoll-frames")
	_ = writeJSONFrame(response, frameStarted, processStarted{held.id, held.pid})
	buffer := make([]byte, outputBufferBytes)
	gone := request.Context().Done()
	// Only a process that is silent for that long shows that the first frame waits for the second.
	flush := time.NewTimer(startedFlushWait)
	defer flush.Stop()
	for {
		count, isLast, more := held.output.take(reader, buffer)
		if count > 0 {
			if _, err := response.Write(buffer[:count]); err != nil || isLast {
				return
			}
			response.(http.Flusher).Flush()
			if count < outputBufferBytes/2 {
				// What comes in drops leaves together: each flush costs a trip through the device.
				time.Sleep(outputFlushWait)
			}
			continue
		}
		if !follows {
			return
		}
		select {
		case <-more:
		case <-flush.C:
			response.(http.Flusher).Flush()
		case <-gone:
			return
		}
	}
}

// writeRefusal makes of a process that could not be started what a shell makes of it.
func writeRefusal(response http.ResponseWriter, refused *refusal) {
	response.Header().Set("content-type", "application/x-atoll-frames")
	now := time.Now().UnixMilli()
	text := refused.Message + "\n"
	frame := make([]byte, outputHeaderBytes, outputHeaderBytes+len(text))
	encodeOutputHeader(frame, frameStderr, len(text), 0, now)
	_, _ = response.Write(append(frame, text...))
	_ = writeJSONFrame(response, frameExited, processEnd{refused.ExitCode, reasonExit, 0, now})
}

func refuseReaders(response http.ResponseWriter) {
	refuseRequest(response, http.StatusTooManyRequests, "sandbox_busy", "Too many listen to the processes of this sandbox already.")
}

func stdinFullMessage(written int64) string {
	return fmt.Sprintf("The process does not read its stdin; %d bytes of this were written.", written)
}
