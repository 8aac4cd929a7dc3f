package main

import (
	"encoding/binary"
	"errors"
	"io"
)

// The frames of a terminal, as shared/terminal-frames.ts has them. Headers are those of a command's frames.
const (
	terminalStdin  frameType = 0
	terminalStdout frameType = 1
	terminalExit   frameType = 3
	terminalResize frameType = 5
	terminalPlace  frameType = 6
)

var errNoFrame = errors.New("what came is not a frame of a terminal")

// readFrame reads one frame into the buffer; what it returns is part of it.
func readFrame(from io.Reader, buffer []byte) (kind frameType, payload []byte, err error) {
	var header [frameHeaderBytes]byte
	if _, err := io.ReadFull(from, header[:]); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(header[1:])
	if length > uint32(len(buffer)) {
		return 0, nil, errNoFrame
	}
	_, err = io.ReadFull(from, buffer[:length])
	return frameType(header[0]), buffer[:length], err
}

func sizeFrom(payload []byte) (size terminalSize, err error) {
	if len(payload) != 4 {
		return size, errNoFrame
	}
	size = terminalSize{binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:])}
	if !size.isUsable() {
		return size, errNoFrame
	}
	return size, nil
}

func writeSize(to io.Writer, size terminalSize) error {
	return writePayload(to, terminalResize, binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, size.Cols), size.Rows))
}

func writePlace(to io.Writer, place uint64) error {
	return writePayload(to, terminalPlace, binary.BigEndian.AppendUint64(nil, place))
}

func writeExit(to io.Writer, code int) error {
	return writePayload(to, terminalExit, binary.BigEndian.AppendUint32(nil, uint32(code)))
}

func writePayload(to io.Writer, kind frameType, payload []byte) error {
	return writeFrame(to, kind, append(make([]byte, frameHeaderBytes), payload...), len(payload))
}
