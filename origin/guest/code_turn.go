package main

import (
	"context"
	"sync/atomic"
)

// codeTurn is had by one at a time, in the order in which they came, and only so many may wait for it.
type codeTurn struct {
	token   chan struct{}
	waiting atomic.Int64
}

func newCodeTurn() *codeTurn { return &codeTurn{token: make(chan struct{}, 1)} }

// take waits for the turn. Who has it gives it back.
func (t *codeTurn) take(ctx context.Context) *codeRefusal {
	select {
	case t.token <- struct{}{}:
		return nil
	default:
	}
	if t.waiting.Add(1) > codeWaitingMax {
		t.waiting.Add(-1)
		return &codeRefusal{Code: "sandbox_busy", Message: "As many calls are waiting as may."}
	}
	defer t.waiting.Add(-1)
	select {
	case t.token <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &codeRefusal{Code: "state_conflict", Message: "The caller has left."}
	}
}

func (t *codeTurn) giveBack() { <-t.token }
