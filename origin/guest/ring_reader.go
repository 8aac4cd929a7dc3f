package main

// ringReader is one reader's place in a ring. It belongs to the ring's lock.
type ringReader struct {
	// Where its next frame begins.
	next int64
	// How far it has come in each stream; what came before was read, or said to be lost.
	seen [2]int64
}

// attach gives a place after the given positions, and nil when there was never that much output. A reader that holds makes
// the process wait for it when the ring is full; there is one at most.
func (r *ring) attach(seen [2]int64, holds bool) *ringReader {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for stream, position := range seen {
		if position < 0 || position > r.written[stream] {
			return nil
		}
	}
	reader := &ringReader{next: r.tail, seen: seen}
	if holds {
		r.holder = reader
	}
	return reader
}

// leave lets the process go on without this reader.
func (r *ring) leave(reader *ringReader) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.holder == reader {
		r.holder = nil
		r.taken.Broadcast()
	}
}

// take copies what is new into a buffer of at least outputBufferBytes, in whole frames. With nothing new it gives a channel
// that is closed when there is. After the last frame there is nothing more to take.
func (r *ring) take(reader *ringReader, into []byte) (count int, isLast bool, more <-chan struct{}) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	count = copy(into, r.missedBy(reader))
	for reader.next < r.head {
		copied, fits := r.takeFrame(reader, into[count:])
		if !fits {
			break
		}
		count += copied
	}
	if r.holder == reader {
		r.taken.Broadcast()
	}
	if reader.next == r.head && r.last != nil && count+len(r.last) <= len(into) {
		count += copy(into[count:], r.last)
		return count, true, nil
	}
	if count == 0 {
		if r.changed == nil {
			r.changed = make(chan struct{})
		}
		more = r.changed
	}
	return count, false, more
}

// missedBy is the frame that says what fell out before this reader came to it; nil when nothing did.
func (r *ring) missedBy(reader *ringReader) []byte {
	if reader.next < r.tail {
		reader.next = r.tail
	}
	var lost [2]int64
	for stream, dropped := range r.dropped {
		if dropped > reader.seen[stream] {
			lost[stream] = dropped - reader.seen[stream]
			reader.seen[stream] = dropped
		}
	}
	if lost[0] == 0 && lost[1] == 0 {
		return nil
	}
	frame, _ := encodeJSONFrame(frameLost, lostOutput{lost[0], lost[1]})
	return frame
}

// takeFrame copies what of the next frame the reader has not seen.
func (r *ring) takeFrame(reader *ringReader, into []byte) (copied int, fits bool) {
	kind, length, position, at := r.headerAt(reader.next)
	seen := &reader.seen[streamIndex(kind)]
	end := position + int64(length)
	if *seen < end {
		known := 0
		if *seen > position {
			known = int(*seen - position)
		}
		copied = outputHeaderBytes + length - known
		if copied > len(into) {
			return 0, false
		}
		encodeOutputHeader(into, kind, length-known, position+int64(known), at)
		r.copyOut(into[outputHeaderBytes:copied], reader.next+outputHeaderBytes+int64(known))
		*seen = end
	}
	reader.next += int64(outputHeaderBytes + length)
	return copied, true
}
