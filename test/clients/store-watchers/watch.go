package main

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
)

// Of etcdserverpb and mvccpb: field number and wire type.
const (
	responseHeader = 1<<3 | 2
	responseID     = 2 << 3
	responseMade   = 3 << 3
	responseEnded  = 4 << 3
	responseEvents = 11<<3 | 2
	headerRevision = 3 << 3
	eventKeyValue  = 2<<3 | 2
	keyValueMod    = 3 << 3
)

// What one watcher has seen.
type watcher struct {
	events int64
	last   uint64
}

// A connection with streams of watchers, whose ids count from 0 on each.
type watching struct {
	connection *connection
	streams    map[uint32][]watcher
	created    sync.WaitGroup
	seen       int64
	total      *atomic.Int64
	wake       chan struct{}
}

// Fields of a message, one after the other: of numbers the value, of bytes those. False: it is not what protobuf makes.
func eachField(message []byte, visit func(tag, value uint64, bytes []byte)) bool {
	for len(message) > 0 {
		tag, count := binary.Uvarint(message)
		if count <= 0 {
			return false
		}
		message = message[count:]
		value, count := binary.Uvarint(message)
		if count <= 0 || tag&7 != 0 && tag&7 != 2 {
			return false
		}
		message = message[count:]
		if tag&7 == 0 {
			visit(tag, value, nil)
			continue
		}
		if uint64(len(message)) < value {
			return false
		}
		visit(tag, 0, message[:value])
		message = message[value:]
	}
	return true
}

func numberIn(message []byte, wanted uint64) uint64 {
	var found uint64
	eachField(message, func(tag, value uint64, _ []byte) {
		if tag == wanted {
			found = value
		}
	})
	return found
}

func modRevision(event []byte) uint64 {
	var revision uint64
	eachField(event, func(tag, _ uint64, bytes []byte) {
		if tag == eventKeyValue {
			revision = numberIn(bytes, keyValueMod)
		}
	})
	return revision
}

// Every event is looked at: it is later than the one before of the same watcher, so none comes twice.
func (w *watching) message(id uint32, message []byte) {
	watchers := w.streams[id]
	var at uint64
	var isEnded, isMade bool
	ok := eachField(message, func(tag, value uint64, bytes []byte) {
		switch tag {
		case responseID:
			at = value
		case responseMade:
			isMade = value != 0
		case responseEnded:
			isEnded = value != 0
		case responseEvents:
			if at >= uint64(len(watchers)) {
				fail("an event of watcher %d", at)
				return
			}
			one := &watchers[at]
			revision := modRevision(bytes)
			if revision <= one.last {
				fail("an event of revision %d after one of %d", revision, one.last)
			}
			one.last = revision
			one.events++
			w.seen++
		}
	})
	if !ok || isEnded {
		fail("not what a watcher is told: %x", message)
	}
	if isMade {
		w.created.Done()
	}
}

func (w *watching) end(id uint32) {
	fail("stream %d of watchers has ended", id)
}

func (w *watching) idle() {
	if w.seen == 0 {
		return
	}
	w.total.Add(w.seen)
	w.seen = 0
	notify(w.wake)
}

func notify(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// Watchers of the keys in turn; returns when all have been made.
func watch(address string, streams, watchersEach int, key func(watcher int) []byte, shared *shared) (*watching, error) {
	c, err := dial(address)
	if err != nil {
		return nil, err
	}
	w := &watching{connection: c, streams: map[uint32][]watcher{}, total: &shared.events, wake: shared.wake}
	block := headBlock("/etcdserverpb.Watch/Watch", address)
	var out []byte
	for stream := 0; stream < streams; stream++ {
		id := uint32(2*stream + 1)
		w.streams[id] = make([]watcher, watchersEach)
		w.created.Add(watchersEach)
		out = appendFrame(out, typeHeaders, flagHeaders, id, block)
		for at := 0; at < watchersEach; at++ {
			create := appendBytes(nil, 1, key(stream*watchersEach+at))
			out = appendMessage(out, 0, id, appendBytes(nil, 1, create))
		}
	}
	if _, err := c.socket.Write(out); err != nil {
		return nil, err
	}
	go func() {
		if err := c.read(w); err != nil {
			fail("watchers: %v", err)
		}
	}()
	made := make(chan struct{})
	go func() {
		w.created.Wait()
		close(made)
	}()
	return w, waitFor(made, "watchers that were to be made")
}

func appendBytes(out []byte, field uint64, bytes []byte) []byte {
	out = binary.AppendUvarint(out, field<<3|2)
	out = binary.AppendUvarint(out, uint64(len(bytes)))
	return append(out, bytes...)
}

// After the last event: what each has seen, and that it ends with the last put of its key.
func (w *watching) check(events int64, lastOf func(watcher int) uint64) error {
	for id, watchers := range w.streams {
		for at, one := range watchers {
			last := lastOf(int(id/2)*len(watchers) + at)
			if one.events != events || one.last != last {
				return fmt.Errorf("a watcher has seen %d of %d events, the last of revision %d of %d", one.events, events, one.last, last)
			}
		}
	}
	return nil
}
