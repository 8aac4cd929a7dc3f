package main

import (
	"sync"
	"time"
)

// audience knows whether anybody listens to a process. One that was started for a single caller is given up a while after the
// last listener has left; so a connection that broke may be made anew, and nothing runs on for nobody.
type audience struct {
	mutex      sync.Mutex
	listeners  int
	isAttended bool
	leaving    *time.Timer
	giveUp     func()
}

func newAudience(isAttended bool, giveUp func()) *audience {
	return &audience{isAttended: isAttended, giveUp: giveUp}
}

// join counts one listener; what it returns is called when that has left.
func (a *audience) join() (left func()) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.listeners++
	a.stay()
	return a.leave
}

func (a *audience) leave() {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.listeners--
	if a.listeners == 0 && a.isAttended {
		a.leaving = time.AfterFunc(abandonedWait, a.abandon)
	}
}

// release lets the process go on without listeners: its machine stood, and nobody can be blamed for having left.
func (a *audience) release() {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.isAttended = false
	a.stay()
}

func (a *audience) stay() {
	if a.leaving != nil {
		a.leaving.Stop()
		a.leaving = nil
	}
}

// abandon may have been under way already when somebody came.
func (a *audience) abandon() {
	a.mutex.Lock()
	isAbandoned := a.isAttended && a.listeners == 0
	a.mutex.Unlock()
	if isAbandoned {
		a.giveUp()
	}
}
