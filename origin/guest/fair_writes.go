package main

import (
	"container/list"
	"math"

	"golang.org/x/net/http2"
)

// fairWrites lets the answers of a session take turns, one frame each. The library's own scheduler serves streams of the same
// weight in the order of its list, so that one which always has more to say keeps all others from saying anything.
type fairWrites struct {
	// control frames concern the session, or end a stream: they wait for nobody.
	control []http2.FrameWriteRequest
	streams map[uint32]*streamWrites
	// waiting are the streams that have something to say, the next one first.
	waiting *list.List
}

type streamWrites struct {
	frames []http2.FrameWriteRequest
	// turn is the stream's place among those that wait, nil when it has nothing to say.
	turn *list.Element
}

func newFairWrites() http2.WriteScheduler {
	return &fairWrites{streams: map[uint32]*streamWrites{}, waiting: list.New()}
}

func (w *fairWrites) OpenStream(id uint32, _ http2.OpenStreamOptions) {
	w.streams[id] = &streamWrites{}
}

func (w *fairWrites) CloseStream(id uint32) {
	if closed, isOpen := w.streams[id]; isOpen && closed.turn != nil {
		w.waiting.Remove(closed.turn)
	}
	delete(w.streams, id)
}

// AdjustStream is for priorities, which nobody has here.
func (w *fairWrites) AdjustStream(uint32, http2.PriorityParam) {}

func (w *fairWrites) Push(frame http2.FrameWriteRequest) {
	stream, isOpen := w.streams[frame.StreamID()]
	if !isOpen {
		w.control = append(w.control, frame)
		return
	}
	stream.frames = append(stream.frames, frame)
	if stream.turn == nil {
		stream.turn = w.waiting.PushBack(stream)
	}
}

// Pop passes over streams whose reader has to take something first.
func (w *fairWrites) Pop() (http2.FrameWriteRequest, bool) {
	if len(w.control) > 0 {
		next := w.control[0]
		w.control = w.control[1:]
		return next, true
	}
	for turn := w.waiting.Front(); turn != nil; turn = turn.Next() {
		stream := turn.Value.(*streamWrites)
		taken, rest, parts := stream.frames[0].Consume(math.MaxInt32)
		switch parts {
		case 0:
			continue
		case 1:
			stream.frames = stream.frames[1:]
		default:
			stream.frames[0] = rest
		}
		if len(stream.frames) > 0 {
			w.waiting.MoveToBack(turn)
		} else {
			w.waiting.Remove(turn)
			stream.turn, stream.frames = nil, nil
		}
		return taken, true
	}
	return http2.FrameWriteRequest{}, false
}
