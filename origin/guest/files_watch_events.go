package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// watchEvent is one event as inotify(7) has it.
type watchEvent struct {
	descriptor int32
	mask       uint32
	cookie     uint32
	name       string
}

const watchEventBytes = unix.SizeofInotifyEvent

func readEvents(buffer []byte) (events []watchEvent) {
	for len(buffer) >= watchEventBytes {
		word := func(index int) uint32 { return binary.LittleEndian.Uint32(buffer[4*index:]) }
		end := watchEventBytes + int(word(3))
		name := bytes.TrimRight(buffer[watchEventBytes:end], "\x00")
		events = append(events, watchEvent{int32(word(0)), word(1), word(2), string(name)})
		buffer = buffer[end:]
	}
	return events
}

// take works through what the kernel said; true when what is watched is gone.
func (t *watchedTree) take(ctx context.Context, buffer []byte, lines *watchLines) (isOver bool) {
	for _, event := range readEvents(buffer) {
		if event.mask&unix.IN_Q_OVERFLOW != 0 {
			t.missed = missedEvents
			// Directories may have come of which nobody heard.
			_ = t.watchBelow(ctx, "", nil)
			continue
		}
		directory, isKnown := t.directories[event.descriptor]
		switch {
		case !isKnown:
		case event.mask&(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_UNMOUNT) != 0 && directory == "":
			return true
		case event.mask&unix.IN_IGNORED != 0:
			delete(t.directories, event.descriptor)
		case event.name != "" && (t.only == "" || event.name == t.only || isPassing(event.name)):
			t.happened(ctx, path.Join(directory, event.name), event, lines)
		}
	}
	return false
}

func (t *watchedTree) happened(ctx context.Context, relative string, event watchEvent, lines *watchLines) {
	isDir := event.mask&unix.IN_ISDIR != 0
	switch {
	case event.mask&unix.IN_MOVED_FROM != 0:
		// What leaves for good without a pause is never followed by the moment in which it is forgotten.
		if len(t.moved) >= watchMovedMax {
			t.forgetMoved()
		}
		t.moved[event.cookie], t.movedAt = movedEntry{relative, isDir}, time.Now()
		if !isPassing(event.name) {
			lines.tell(change{kind: changeDeleted, relative: relative, isDir: isDir})
		}
	case isPassing(event.name):
	case event.mask&unix.IN_MOVED_TO != 0:
		t.arrived(ctx, relative, isDir, event.cookie, lines)
	case event.mask&unix.IN_CREATE != 0:
		lines.tell(change{kind: changeCreated, relative: relative, isDir: isDir})
		t.watchNew(ctx, relative, isDir, lines)
	case event.mask&unix.IN_DELETE != 0:
		lines.tell(change{kind: changeDeleted, relative: relative, isDir: isDir})
	default:
		lines.tell(change{kind: changeModified, relative: relative, isDir: isDir})
	}
}

// arrived is told of something that was moved here: from another place below the tree, from outside, or as what replaces a file.
func (t *watchedTree) arrived(ctx context.Context, relative string, isDir bool, cookie uint32, lines *watchLines) {
	from, isFromHere := t.moved[cookie]
	delete(t.moved, cookie)
	switch {
	case !isFromHere:
		lines.tell(change{kind: changeCreated, relative: relative, isDir: isDir})
		t.watchNew(ctx, relative, isDir, lines)
	case isPassing(path.Base(from.relative)) && isDir:
		lines.tell(change{kind: changeCreated, relative: relative, isDir: true})
		t.watchNew(ctx, relative, true, lines)
	case isPassing(path.Base(from.relative)):
		lines.tell(change{kind: changeModified, relative: relative})
	default:
		lines.tell(change{kind: changeCreated, relative: relative, isDir: isDir, from: from.relative, wasMoved: true})
		if isDir {
			t.rename(from.relative, relative)
		}
	}
}

func (t *watchedTree) watchNew(ctx context.Context, relative string, isDir bool, lines *watchLines) {
	if !isDir || !t.isRecursive {
		return
	}
	if t.watchOrMiss(relative) != nil {
		t.missed = missedDirectories
		return
	}
	_ = t.watchBelow(ctx, relative, lines.tell)
}
