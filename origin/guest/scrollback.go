package main

import "sync"

// scrollback is what a terminal has shown: all of it is counted, the last of it is kept. A place in it is the number of
// bytes before, so that whoever was away can go on where they were.
type scrollback struct {
	mutex sync.Mutex
	// kept holds the byte at place p at p modulo its length.
	kept    []byte
	shown   uint64
	isOver  bool
	changed chan struct{}
}

func newScrollback(bytesMax int) *scrollback {
	return &scrollback{kept: make([]byte, bytesMax), changed: make(chan struct{})}
}

func (s *scrollback) show(bytes []byte) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for len(bytes) > 0 {
		copied := copy(s.kept[s.shown%uint64(len(s.kept)):], bytes)
		s.shown += uint64(copied)
		bytes = bytes[copied:]
	}
	s.wake()
}

// end says that nothing more will be shown.
func (s *scrollback) end() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.isOver = true
	s.wake()
}

// tell wakes everybody who waits for something new.
func (s *scrollback) tell() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.wake()
}

func (s *scrollback) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// glimpse is what somebody sees who looks at a place.
type glimpse struct {
	// from is the place that was asked for, or the oldest that is still kept.
	from  uint64
	count int
	// isOver: nothing comes behind these bytes.
	isOver bool
	// changed is closed when there is something new.
	changed <-chan struct{}
}

// look copies what stands at the place. A place that nothing has reached yet counts as the end.
func (s *scrollback) look(place uint64, into []byte) glimpse {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	size := uint64(len(s.kept))
	if place > s.shown {
		place = s.shown
	}
	if s.shown-place > size {
		place = s.shown - size
	}
	seen := glimpse{from: place, changed: s.changed}
	for place < s.shown && seen.count < len(into) {
		at := place % size
		run := s.shown - place
		if run > size-at {
			run = size - at
		}
		copied := copy(into[seen.count:], s.kept[at:at+run])
		seen.count += copied
		place += uint64(copied)
	}
	seen.isOver = s.isOver && place == s.shown
	return seen
}

func (s *scrollback) place() uint64 {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.shown
}
