// A process of watchers for test/bench/api: so many watches on so many connections, of which nothing is parsed but frame
// headers and the time that each event carries. In Go, since in Node.js it took as much of the machine as the server that
// it measures. Orders come as lines of JSON, answers leave as such.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

type order struct {
	Do          string
	Port        int
	Path        string
	Token       string
	Watches     int
	Connections int
	Mark        string
	Digits      int
}

type report struct {
	Events  int64   `json:"events"`
	Least   int64   `json:"least"`
	P50Ms   float64 `json:"p50Ms"`
	P99Ms   float64 `json:"p99Ms"`
	MaxMs   float64 `json:"maxMs"`
	CPUMs   float64 `json:"cpuMs"`
	Failure string  `json:"failure"`
}

const (
	bucketsAMs = 10
	buckets    = 600_000
	connecting = 20
	windowMax  = 1<<31 - 1
	chunkBytes = 64 << 10

	frameHeader  = 9
	typeData     = 0
	typeHeaders  = 1
	typeReset    = 3
	typeSettings = 4
	typePing     = 6
	typeGoAway   = 7
	typeWindow   = 8
	flagEnd      = 1
	flagAck      = 1
	flagHeaders  = 4
)

var (
	late    [buckets]atomic.Uint32
	watches []*watch
	failure atomic.Pointer[string]
	// Between the machine's monotonic clock, which all processes share, and Go's.
	begin     = time.Now()
	beginNano = monotonicNano()
)

// One watch: what could be the begin of a mark waits for the rest.
type watch struct {
	count atomic.Int64
	rest  []byte
}

func monotonicNano() int64 {
	var now syscall.Timespec
	const clockMonotonic = 1
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0)
	return now.Nano()
}

func nowMicros() int64 {
	return (beginNano + int64(time.Since(begin))) / 1000
}

func fail(format string, values ...any) {
	text := fmt.Sprintf(format, values...)
	failure.CompareAndSwap(nil, &text)
}

func (w *watch) take(data, mark []byte, digits int) {
	now := nowMicros()
	if len(w.rest) > 0 {
		data = append(w.rest, data...)
	}
	for {
		at := bytes.Index(data, mark)
		end := at + len(mark) + digits
		if at < 0 || end > len(data) {
			keep := max(0, at)
			if at < 0 {
				keep = max(0, len(data)-len(mark)+1)
			}
			w.rest = append([]byte(nil), data[keep:]...)
			return
		}
		var sent int64
		for _, digit := range data[at+len(mark) : end] {
			sent = sent*10 + int64(digit-'0')
		}
		w.count.Add(1)
		late[min(buckets-1, max(0, (now-sent)*bucketsAMs/1000))].Add(1)
		data = data[end:]
	}
}

type connection struct {
	socket  *tls.Conn
	streams map[uint32]*watch
	open    *sync.WaitGroup
	order   *order
}

func frame(kind, flags byte, id uint32, payload []byte) []byte {
	out := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(out[5:], id)
	return append(out, payload...)
}

// Of HPACK: a length of seven bits, and what does not fit in them after it; no Huffman code.
func text(value string) []byte {
	if len(value) < 127 {
		return append([]byte{byte(len(value))}, value...)
	}
	out, left := []byte{127}, len(value)-127
	for ; left >= 128; left >>= 7 {
		out = append(out, byte(left&127)|128)
	}
	return append(append(out, byte(left)), value...)
}

func (c *connection) begin(watches []*watch) {
	out := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	window := []byte{0, 4, 0, 0, 0, 0} // SETTINGS_INITIAL_WINDOW_SIZE
	binary.BigEndian.PutUint32(window[2:], windowMax)
	out = append(out, frame(typeSettings, 0, 0, window)...)
	more := make([]byte, 4)
	binary.BigEndian.PutUint32(more, windowMax-65_535)
	out = append(out, frame(typeWindow, 0, 0, more)...)
	authority := fmt.Sprintf("127.0.0.1:%d", c.order.Port)
	headers := [][2]string{{":method", "GET"}, {":scheme", "https"}, {":path", c.order.Path}, {":authority", authority}, {"authorization", "Bearer " + c.order.Token}, {"accept", "application/json"}}
	var block []byte
	for _, header := range headers {
		block = append(append(append(block, 0), text(header[0])...), text(header[1])...)
	}
	for at, one := range watches {
		id := uint32(2*at + 1)
		c.streams[id] = one
		out = append(out, frame(typeHeaders, flagHeaders|flagEnd, id, block)...)
	}
	if _, err := c.socket.Write(out); err != nil {
		fail("no watch: %v", err)
	}
	go c.read()
}

func (c *connection) read() {
	reader := bufio.NewReaderSize(c.socket, chunkBytes)
	payload := make([]byte, 0, chunkBytes)
	header := make([]byte, frameHeader)
	for {
		if _, err := io.ReadFull(reader, header); err != nil {
			fail("a watch has ended: %v", err)
			return
		}
		length := int(header[0])<<16 | int(header[1])<<8 | int(header[2])
		payload = append(payload[:0], make([]byte, length)...)
		if _, err := io.ReadFull(reader, payload); err != nil {
			fail("a watch has ended: %v", err)
			return
		}
		c.take(header[3], header[4], binary.BigEndian.Uint32(header[5:]), payload)
	}
}

func (c *connection) take(kind, flags byte, id uint32, payload []byte) {
	switch kind {
	case typeSettings, typePing:
		if flags&flagAck == 0 {
			if kind == typeSettings {
				payload = nil
			}
			c.socket.Write(frame(kind, flagAck, 0, payload))
		}
		return
	case typeGoAway:
		fail("the server goes away: %q", payload)
	}
	one := c.streams[id]
	if one == nil {
		return
	}
	if kind == typeReset || (kind == typeData || kind == typeHeaders) && flags&flagEnd != 0 {
		fail("a watch has ended: %q", payload)
		return
	}
	if kind == typeHeaders {
		c.open.Done()
	} else if kind == typeData {
		one.take(payload, []byte(c.order.Mark), c.order.Digits)
	}
}

func open(order *order) {
	each := order.Watches / order.Connections
	watches = make([]*watch, order.Watches)
	for at := range watches {
		watches[at] = &watch{}
	}
	for first := 0; first < order.Connections; first += connecting {
		var ready sync.WaitGroup
		for at := first; at < min(order.Connections, first+connecting); at++ {
			ready.Add(each)
			socket, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", order.Port), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
			if err != nil {
				fail("no connection: %v", err)
				return
			}
			c := &connection{socket: socket, streams: map[uint32]*watch{}, open: &ready, order: order}
			c.begin(watches[at*each : (at+1)*each])
		}
		ready.Wait()
	}
}

func quantile(share float64, events int64) float64 {
	left := int64(share*float64(events) + 0.999999)
	for bucket := range late {
		left -= int64(late[bucket].Load())
		if left <= 0 {
			return float64(bucket+1) / bucketsAMs
		}
	}
	return float64(buckets) / bucketsAMs
}

func summary() report {
	least, events := int64(1)<<62, int64(0)
	for _, one := range watches {
		count := one.count.Load()
		least, events = min(least, count), events+count
	}
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	cpu := float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e6
	text := ""
	if known := failure.Load(); known != nil {
		text = *known
	}
	return report{events, least, quantile(0.5, events), quantile(0.99, events), quantile(1, events), cpu, text}
}

func main() {
	// What looks for work on the other core takes it from the server.
	runtime.GOMAXPROCS(1)
	answers := json.NewEncoder(os.Stdout)
	for orders := json.NewDecoder(os.Stdin); ; {
		var next order
		if err := orders.Decode(&next); err != nil {
			return
		}
		switch next.Do {
		case "open":
			open(&next)
		case "clear":
			for at := range late {
				late[at].Store(0)
			}
			for _, one := range watches {
				one.count.Store(0)
			}
		}
		answers.Encode(summary())
	}
}
