package main

import "time"

// keepPace waits while every viewer who moves is behind by more than they may be. Whoever has not moved for a while stands
// still: they are not waited for again until they have moved, and go on where the screen begins by then.
func (t *terminal) keepPace() {
	timer := time.NewTimer(terminalStallWait)
	defer timer.Stop()
	for t.isAheadOfAll() {
		select {
		case <-t.progress:
		case <-timer.C:
			t.giveUpWaiting()
			return
		}
	}
}

// isAheadOfAll is false when there is nobody to wait for.
func (t *terminal) isAheadOfAll() bool {
	shown := t.screen.place()
	t.mutex.Lock()
	defer t.mutex.Unlock()
	isAhead := false
	for viewer := range t.viewers {
		if viewer.standsStill {
			continue
		}
		if shown-viewer.place <= terminalLagBytesMax {
			return false
		}
		isAhead = true
	}
	return isAhead
}

func (t *terminal) giveUpWaiting() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for viewer := range t.viewers {
		viewer.standsStill = true
	}
}

// join is false when as many look as may.
func (t *terminal) join(comer *viewer) bool {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if len(t.viewers) >= terminalViewersMax {
		return false
	}
	t.viewers[comer] = struct{}{}
	return true
}

func (t *terminal) leave(goer *viewer) {
	t.mutex.Lock()
	delete(t.viewers, goer)
	t.mutex.Unlock()
	t.noteProgress()
}

func (t *terminal) move(mover *viewer, place uint64) {
	t.mutex.Lock()
	mover.place, mover.standsStill = place, false
	t.mutex.Unlock()
	t.noteProgress()
}

func (t *terminal) noteProgress() {
	select {
	case t.progress <- struct{}{}:
	default:
	}
}
