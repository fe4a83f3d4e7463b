package main

// Puts on one connection, each a stream of its own.
type putting struct {
	connection *connection
	// Of each key the revision of its last put that was answered.
	last    []uint64
	sent    int
	ended   int
	wake    chan struct{}
	answers chan int
}

func (p *putting) message(id uint32, message []byte) {
	var header []byte
	eachField(message, func(tag, _ uint64, bytes []byte) {
		if tag == responseHeader {
			header = bytes
		}
	})
	key := int(id/2) % len(p.last)
	p.last[key] = max(p.last[key], numberIn(header, headerRevision))
}

func (p *putting) end(uint32) {
	p.ended++
}

func (p *putting) idle() {
	if p.ended == 0 {
		return
	}
	p.answers <- p.ended
	p.ended = 0
	notify(p.wake)
}

// As many puts as told, of the keys in turn. One more leaves only while fewer than `ahead` are not answered, and while fewer
// than `ahead` have not reached all of their watchers: so a store is asked for what it delivers, and nobody falls behind.
func (p *putting) run(address string, order *order, shared *shared) {
	block := headBlock("/etcdserverpb.KV/Put", address)
	answered := 0
	for answered < order.puts && failure.Load() == nil {
		for isMore := true; isMore; {
			select {
			case count := <-p.answers:
				answered += count
			default:
				isMore = false
			}
		}
		delivered := int(shared.events.Load()) / order.watchersOfKey()
		due := min(order.puts, answered+order.ahead, delivered+order.ahead)
		var out []byte
		for ; p.sent < due; p.sent++ {
			id := uint32(2*p.sent + 1)
			put := appendBytes(appendBytes(nil, 1, key(p.sent%order.keys)), 2, []byte(order.value))
			out = appendFrame(out, typeHeaders, flagHeaders, id, block)
			out = appendMessage(out, flagEnd, id, put)
		}
		if out == nil {
			if answered < order.puts {
				<-p.wake
			}
			continue
		}
		if _, err := p.connection.socket.Write(out); err != nil {
			fail("puts: %v", err)
		}
	}
}
