package main

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
)

// viewer is one who looks at a terminal, and may type.
type viewer struct {
	terminal *terminal
	// told is the size that this viewer knows of: what they said themselves is not said back.
	told atomic.Value
	// Of the terminal's mutex: how far they have come, and whether they stopped coming further.
	place       uint64
	standsStill bool
}

// see says everything that is on the screen from the viewer's place on, and goes on until the shell or the viewer is gone. A viewer who
// is too slow hears from which place they go on; nobody waits for them.
func (v *viewer) see(ctx context.Context, response http.ResponseWriter) error {
	flusher := response.(http.Flusher)
	buffer := make([]byte, frameHeaderBytes+frameChunkBytes)
	place, isFirst := v.place, true
	for {
		seen := v.terminal.screen.look(place, buffer[frameHeaderBytes:])
		if err := v.tellSize(response); err != nil {
			return err
		}
		if isFirst || seen.from != place {
			if err := writePlace(response, seen.from); err != nil {
				return err
			}
		}
		if seen.count > 0 {
			if err := writeFrame(response, terminalStdout, buffer, seen.count); err != nil {
				return err
			}
		}
		if seen.isOver {
			return writeExit(response, v.terminal.exitCode())
		}
		flusher.Flush()
		isFirst = false
		place = seen.from + uint64(seen.count)
		v.terminal.move(v, place)
		if seen.count > 0 {
			continue
		}
		select {
		case <-seen.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (v *viewer) tellSize(response http.ResponseWriter) error {
	size := v.terminal.sizeNow()
	if size == v.told.Load() {
		return nil
	}
	v.told.Store(size)
	return writeSize(response, size)
}

// hear takes what the viewer types until they say nothing more. What is no frame of a viewer ends it with an error.
func (v *viewer) hear(ctx context.Context, body io.Reader) error {
	buffer := make([]byte, hostFrameBytesMax)
	for {
		kind, payload, err := readFrame(body, buffer)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch kind {
		case terminalStdin:
			err = v.enter(ctx, payload)
		case terminalResize:
			err = v.resize(payload)
		default:
			err = errNoFrame
		}
		if err != nil {
			return err
		}
	}
}

func (v *viewer) enter(ctx context.Context, bytes []byte) error {
	typed := append([]byte(nil), bytes...)
	select {
	case v.terminal.typed <- typed:
		return nil
	case <-v.terminal.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (v *viewer) resize(payload []byte) error {
	size, err := sizeFrom(payload)
	if err != nil {
		return err
	}
	v.told.Store(size)
	v.terminal.resize(size)
	return nil
}
