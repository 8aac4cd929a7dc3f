package main

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// shared/frames.ts reads these; test/unit/guest holds the same bytes against its decoder.
func TestAFrameIsATypeALengthAndAPayload(t *testing.T) {
	var wire bytes.Buffer
	buffer := append(make([]byte, frameHeaderBytes), "hi"...)
	if err := writeFrame(&wire, frameStdout, buffer, 2); err != nil {
		t.Fatal(err)
	}
	if err := writeJSONFrame(&wire, frameStarted, execStarted{7}); err != nil {
		t.Fatal(err)
	}
	const want = "0400000002" + "6869" + "0300000009" + "7b22706964223a377d"
	if got := hex.EncodeToString(wire.Bytes()); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}
