package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"golang.org/x/sys/unix"
)

// watchLine is one line of a watch; shared/contracts/guest-files.ts says what each field means.
type watchLine struct {
	Type          string `json:"type"`
	Reason        string `json:"reason,omitempty"`
	Path          string `json:"path,omitempty"`
	PathBase64    string `json:"path_base64,omitempty"`
	IsDir         *bool  `json:"is_dir,omitempty"`
	Size          *int64 `json:"size,omitempty"`
	OldPath       string `json:"old_path,omitempty"`
	OldPathBase64 string `json:"old_path_base64,omitempty"`
}

const (
	changeCreated  = "created"
	changeModified = "modified"
	changeDeleted  = "deleted"
)

// change is what happened to a path below the tree.
type change struct {
	kind     string
	relative string
	isDir    bool
	// Where it was before, if it was moved.
	from     string
	wasMoved bool
}

// watchLines gather what happens in quick succession. The first change after a quiet moment goes out at once.
type watchLines struct {
	response http.ResponseWriter
	tree     *watchedTree
	gathered []change
	// latest is where the last change of a path stands among those that were gathered.
	latest   map[string]int
	saidAt   time.Time
	isBroken bool
}

func newWatchLines(response http.ResponseWriter, tree *watchedTree) *watchLines {
	return &watchLines{response: response, tree: tree, latest: map[string]int{}}
}

// tell takes a change in, unless it says no more than the one before it of the same path.
func (l *watchLines) tell(happened change) {
	if index, isKnown := l.latest[happened.relative]; isKnown && says(l.gathered[index], happened) {
		return
	}
	l.latest[happened.relative] = len(l.gathered)
	l.gathered = append(l.gathered, happened)
	if len(l.gathered) >= watchGatheredMax {
		l.flush()
	}
}

// says is whether whoever heard the first knows of the second: to be looked at it is anyway.
func says(first, second change) bool {
	switch second.kind {
	case changeModified:
		return first.kind != changeDeleted
	case changeCreated:
		return first.kind == changeCreated && !second.wasMoved
	default:
		return false
	}
}

// due is when something has to be said. The other half of a move comes within a moment of the first.
func (l *watchLines) due() time.Time {
	switch {
	case len(l.tree.moved) > 0:
		return l.tree.movedAt.Add(watchGatherWait)
	case len(l.gathered) > 0:
		return l.saidAt.Add(watchGatherWait)
	default:
		return l.saidAt.Add(watchHeartbeat)
	}
}

// sayDue is false when nobody listens any more.
func (l *watchLines) sayDue(now time.Time) bool {
	switch {
	case now.Before(l.due()):
	case len(l.gathered)+len(l.tree.moved) > 0:
		l.flush()
		l.tree.forgetMoved()
	default:
		l.say(watchLine{Type: "heartbeat"})
	}
	return l.sayMissed()
}

// sayMissed says so when not everything was told, or will be.
func (l *watchLines) sayMissed() bool {
	if reason := l.tree.missed; reason != "" {
		l.tree.missed = ""
		l.flush()
		l.say(watchLine{Type: "overflow", Reason: reason})
	}
	return !l.isBroken
}

func (l *watchLines) flush() {
	lines := make([]watchLine, 0, len(l.gathered))
	_ = asUser(l.tree.who, func() error {
		for _, happened := range l.gathered {
			if line, isThere := l.lineOf(happened); isThere {
				lines = append(lines, line)
			}
		}
		return nil
	})
	l.gathered, l.latest = l.gathered[:0], map[string]int{}
	if len(lines) > 0 {
		l.say(lines...)
	}
}

// lineOf is nothing for a modification of what is gone by now.
func (l *watchLines) lineOf(happened change) (line watchLine, isThere bool) {
	full := string(l.tree.path.below(happened.relative))
	line = watchLine{Type: happened.kind, Path: textOf(full), PathBase64: base64Of(full), IsDir: &happened.isDir}
	if happened.wasMoved {
		old := string(l.tree.path.below(happened.from))
		line.OldPath, line.OldPathBase64 = textOf(old), base64Of(old)
	}
	if happened.kind == changeDeleted {
		return line, true
	}
	var stat unix.Stat_t
	if l.tree.stat(happened.relative, &stat) != nil {
		return line, happened.kind == changeCreated
	}
	if isRegular(stat) {
		size := clamp(stat.Size, 0, exactMax)
		line.Size = &size
	}
	return line, true
}

func (l *watchLines) say(lines ...watchLine) bool {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	for _, line := range lines {
		_ = encoder.Encode(line)
	}
	if _, err := l.response.Write(text.Bytes()); err != nil {
		l.isBroken = true
	}
	if flusher, canFlush := l.response.(http.Flusher); canFlush {
		flusher.Flush()
	}
	l.saidAt = time.Now()
	return !l.isBroken
}
