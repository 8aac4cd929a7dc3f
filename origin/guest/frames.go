package main

import (
	"encoding/binary"
	"encoding/json"
	"io"
)

// The frames of one command, as shared/frames.ts reads them: type (1 byte), payload length (4 bytes, big endian), payload.
type frameType byte

const (
	frameStarted frameType = 3
	frameStdout  frameType = 4
	frameStderr  frameType = 5
	frameExited  frameType = 6
	frameLost    frameType = 8
	// Of code only (shared/contracts/guest-code.ts): JSON of any length, in pieces, whose last says what it is.
	framePiece   frameType = 9
	frameResult  frameType = 10
	frameFailure frameType = 11
)

const frameHeaderBytes = 5

// writeFrame puts a header and a payload into one write. `buffer` has room for the header before the payload, which is
// already in place, so that a chunk read from a pipe is never copied again.
func writeFrame(to io.Writer, kind frameType, buffer []byte, payloadBytes int) error {
	putFrameHeader(buffer, kind, payloadBytes)
	_, err := to.Write(buffer[:frameHeaderBytes+payloadBytes])
	return err
}

func putFrameHeader(buffer []byte, kind frameType, payloadBytes int) {
	buffer[0] = byte(kind)
	binary.BigEndian.PutUint32(buffer[1:frameHeaderBytes], uint32(payloadBytes))
}

func writeJSONFrame(to io.Writer, kind frameType, value any) error {
	frame, err := encodeJSONFrame(kind, value)
	if err != nil {
		return err
	}
	_, err = to.Write(frame)
	return err
}

func encodeJSONFrame(kind frameType, value any) ([]byte, error) {
	payload, err := json.Marshal(value)
	return encodeFrame(kind, payload), err
}

func encodeFrame(kind frameType, payload []byte) []byte {
	frame := make([]byte, frameHeaderBytes, frameHeaderBytes+len(payload))
	putFrameHeader(frame, kind, len(payload))
	return append(frame, payload...)
}
