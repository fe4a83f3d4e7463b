// Watchers of a store by the thousand, and the puts that they see, for test/bench: frames and events are looked at in
// place and counted, so that with two cores the store is what is measured. In Go, as test/clients/watchers is, and for the
// same reason. It answers with a line of JSON; what was not seen, or not in order, is a failure.
package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	keyBytes = 32
	timeout  = 20 * time.Second
)

type order struct {
	endpoints   []string
	puts        int
	ahead       int
	keys        int
	connections int
	streams     int
	watchers    int
	value       string
}

type shared struct {
	events atomic.Int64
	wake   chan struct{}
}

type report struct {
	Events  int64   `json:"events"`
	Seconds float64 `json:"seconds"`
	CPUMs   float64 `json:"cpuMs"`
}

var failure atomic.Pointer[error]

func fail(format string, values ...any) {
	err := fmt.Errorf(format, values...)
	failure.CompareAndSwap(nil, &err)
}

// As etcd's own benchmark makes them.
func key(number int) []byte {
	key := make([]byte, keyBytes)
	binary.PutVarint(key, int64(number))
	return key
}

func (o *order) watchersOfKey() int {
	return o.connections * o.streams * o.watchers / o.keys
}

func waitFor(done <-chan struct{}, what string) error {
	deadline := time.After(timeout)
	for {
		select {
		case <-done:
			return nil
		case <-deadline:
			return errors.New("in vain for " + what)
		case <-time.After(10 * time.Millisecond):
			if known := failure.Load(); known != nil {
				return *known
			}
		}
	}
}

func run(o *order) (*report, error) {
	shared := &shared{wake: make(chan struct{}, 1)}
	all := make([]*watching, o.connections)
	each := o.streams * o.watchers
	for at := range all {
		keyOf := func(watcher int) []byte { return key((at*each + watcher) % o.keys) }
		one, err := watch(o.endpoints[at%len(o.endpoints)], o.streams, o.watchers, keyOf, shared)
		if err != nil {
			return nil, err
		}
		all[at] = one
	}
	c, err := dial(o.endpoints[0])
	if err != nil {
		return nil, err
	}
	puts := &putting{connection: c, last: make([]uint64, o.keys), wake: shared.wake, answers: make(chan int, o.puts)}
	go func() {
		if err := c.read(puts); err != nil {
			fail("puts: %v", err)
		}
		notify(shared.wake)
	}()
	startedAt, cpuBefore := time.Now(), cpuMs()
	done := make(chan struct{})
	events := int64(o.puts / o.keys * o.connections * each)
	go func() {
		puts.run(o.endpoints[0], o, shared)
		for shared.events.Load() < events && failure.Load() == nil {
			<-shared.wake
		}
		close(done)
	}()
	if err := waitFor(done, fmt.Sprintf("%d events", events)); err != nil {
		return nil, fmt.Errorf("%w; there were %d, and %d of %d puts were sent", err, shared.events.Load(), puts.sent, o.puts)
	}
	if known := failure.Load(); known != nil {
		return nil, *known
	}
	seconds := time.Since(startedAt).Seconds()
	for at, one := range all {
		lastOf := func(watcher int) uint64 { return puts.last[(at*each+watcher)%o.keys] }
		if err := one.check(int64(o.puts/o.keys), lastOf); err != nil {
			return nil, err
		}
	}
	return &report{shared.events.Load(), seconds, cpuMs() - cpuBefore}, nil
}

func cpuMs() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e6
}

func main() {
	// What looks for work on the other core takes it from the store.
	runtime.GOMAXPROCS(1)
	o := &order{}
	endpoints := flag.String("endpoints", "", "the members, parted by commas; puts go to the first")
	flag.IntVar(&o.puts, "puts", 1000, "a multiple of the keys")
	flag.IntVar(&o.ahead, "ahead", 100, "puts that may be on their way")
	flag.IntVar(&o.keys, "keys", 1, "")
	flag.IntVar(&o.connections, "connections", 10, "")
	flag.IntVar(&o.streams, "streams", 1, "of each connection")
	flag.IntVar(&o.watchers, "watchers", 100, "of each stream")
	flag.StringVar(&o.value, "value", "data", "")
	flag.Parse()
	o.endpoints = strings.Split(*endpoints, ",")
	if o.puts%o.keys != 0 || o.connections*o.streams*o.watchers%o.keys != 0 {
		fmt.Fprintln(os.Stderr, "store-watchers: keys must divide puts and watchers")
		os.Exit(2)
	}
	result, err := run(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "store-watchers:", err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(result)
}
