package main

import (
	"bufio"
	"io"
	"strings"
	"testing"
)

// Only a well-formed hello ends a session, and only a keep before it spares its commands; anything else on the control port is noise.
func TestOnlyAHelloWithANonceBeginsASession(t *testing.T) {
	cases := map[string]controlLine{
		"hello abc\n":   {nonce: "abc"},
		"keep\n":        {isKeep: true},
		"keep abc\n":    {},
		"hello \n":      {},
		"hello\n":       {},
		"goodbye abc\n": {},
		"hello " + strings.Repeat("x", 65) + "\n": {},
		strings.Repeat("x", 1_000) + "\n":         {},
		"\x00\xff\n":                              {},
	}
	for line, want := range cases {
		got, err := readControl(bufio.NewReaderSize(strings.NewReader(line), controlLineBytesMax))
		if err != nil || got != want {
			t.Errorf("%q gave %v, %v", line, got, err)
		}
	}
}

func TestWhatAnEarlierSessionLeftIsDropped(t *testing.T) {
	left := strings.Repeat("PRI * HTTP/2.0\r\n", 5_000) + "begin other\nhalf a frame"
	incoming := bufio.NewReaderSize(strings.NewReader(left+"\nbegin mine\nPRI"), frameChunkBytes)
	if err := skipThrough(incoming, "begin mine\n"); err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(incoming); string(rest) != "PRI" {
		t.Fatalf("what follows is %q", rest)
	}
}
