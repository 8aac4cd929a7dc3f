package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// handleWatch tells what happens below a directory, or to a file, until nobody listens any more. Whoever listens too slowly is
// told that something was missed: the kernel keeps so many events, and the agent none beyond.
func handleWatch(response http.ResponseWriter, request *http.Request, who user, path filePath) error {
	isRecursive := request.URL.Query().Get("recursive") != "false"
	tree, err := newWatchedTree(request.Context(), who, path, isRecursive)
	if err != nil {
		return err
	}
	defer tree.close()
	events, err := tree.events()
	if err != nil {
		return err
	}
	// Whatever ends the request ends the wait for the next event.
	ctx, cancel := context.WithCancel(request.Context())
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		<-ctx.Done()
		_ = events.Close()
	}()
	defer func() {
		cancel()
		<-closed
	}()
	response.Header().Set("content-type", "application/x-ndjson")
	lines := newWatchLines(response, tree)
	if !lines.say(watchLine{Type: "ready"}) || !lines.sayMissed() {
		return errBrokenOff
	}
	return follow(ctx, tree, events, lines)
}

// follow waits for events, and for the moment when those that were gathered are due.
func follow(ctx context.Context, tree *watchedTree, events *os.File, lines *watchLines) error {
	buffer := make([]byte, directoryBatchBytes)
	for {
		if err := events.SetReadDeadline(lines.due()); err != nil {
			return errBrokenOff
		}
		count, err := events.Read(buffer)
		isQuiet := errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil && !isQuiet {
			return errBrokenOff
		}
		isOver := tree.take(ctx, buffer[:count], lines)
		if !lines.sayDue(time.Now()) {
			return errBrokenOff
		}
		if isOver {
			lines.flush()
			lines.say(watchLine{Type: "ended"})
			return nil
		}
	}
}

// events are what the kernel tells of the tree, as a file that the runtime's poller waits for.
func (t *watchedTree) events() (*os.File, error) {
	held, err := unix.FcntlInt(uintptr(t.inotify), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(held), "inotify"), nil
}
