package main

import (
	"encoding/binary"
	"fmt"
	"net"
)

const (
	windowMax  = 1<<31 - 1
	windowStep = 1 << 29
	chunkBytes = 256 << 10

	frameHeader  = 9
	grpcPrefix   = 5
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

// What a connection's frames are for: a message of a stream, in one piece; its end; and once after each read.
type receiver interface {
	message(id uint32, message []byte)
	end(id uint32)
	idle()
}

// A connection of HTTP/2 without anything that a client can do without: windows are as large as they may be, blocks of
// headers are not looked at, and of a frame no more than where it ends.
type connection struct {
	socket net.Conn
	// The begin of a message whose rest comes with the next frame.
	rest     map[uint32][]byte
	taken    map[uint32]int
	takenAll int
}

func dial(address string) (*connection, error) {
	socket, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &connection{socket: socket, rest: map[uint32][]byte{}, taken: map[uint32]int{}}
	window := []byte{0, 4, 0, 0, 0, 0} // SETTINGS_INITIAL_WINDOW_SIZE
	binary.BigEndian.PutUint32(window[2:], windowMax)
	out := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	out = appendFrame(out, typeSettings, 0, 0, window)
	out = appendWindow(out, 0, windowMax-65_535)
	_, err = socket.Write(out)
	return c, err
}

func appendFrame(out []byte, kind, flags byte, id uint32, payload []byte) []byte {
	length := len(payload)
	out = append(out, byte(length>>16), byte(length>>8), byte(length), kind, flags)
	out = binary.BigEndian.AppendUint32(out, id)
	return append(out, payload...)
}

func appendWindow(out []byte, id uint32, increment int) []byte {
	return appendFrame(out, typeWindow, 0, id, binary.BigEndian.AppendUint32(nil, uint32(increment)))
}

// A gRPC message in a frame of its own.
func appendMessage(out []byte, flags byte, id uint32, message []byte) []byte {
	length := grpcPrefix + len(message)
	out = append(out, byte(length>>16), byte(length>>8), byte(length), typeData, flags)
	out = binary.BigEndian.AppendUint32(out, id)
	out = append(out, 0)
	out = binary.BigEndian.AppendUint32(out, uint32(len(message)))
	return append(out, message...)
}

// Of HPACK: names and values shorter than 127 bytes, no Huffman code, no table.
func headBlock(path, authority string) []byte {
	var block []byte
	fields := [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", path}, {":authority", authority}, {"content-type", "application/grpc"}, {"te", "trailers"}}
	for _, field := range fields {
		block = append(block, 0, byte(len(field[0])))
		block = append(block, field[0]...)
		block = append(block, byte(len(field[1])))
		block = append(block, field[1]...)
	}
	return block
}

// Until the connection ends, which is told as an error.
func (c *connection) read(to receiver) error {
	buffer := make([]byte, chunkBytes)
	filled := 0
	for {
		count, err := c.socket.Read(buffer[filled:])
		if err != nil {
			return err
		}
		filled += count
		at := 0
		for filled-at >= frameHeader {
			header := buffer[at:]
			length := int(header[0])<<16 | int(header[1])<<8 | int(header[2])
			if filled-at < frameHeader+length {
				break
			}
			payload := buffer[at+frameHeader : at+frameHeader+length]
			if err := c.take(header[3], header[4], binary.BigEndian.Uint32(header[5:]), payload, to); err != nil {
				return err
			}
			at += frameHeader + length
		}
		copy(buffer, buffer[at:filled])
		filled -= at
		to.idle()
	}
}

func (c *connection) take(kind, flags byte, id uint32, payload []byte, to receiver) error {
	switch kind {
	case typeData:
		c.messages(id, payload, to)
		if err := c.consumed(id, len(payload)); err != nil {
			return err
		}
	case typeHeaders:
	case typeSettings, typePing:
		if flags&flagAck != 0 {
			return nil
		}
		if kind == typeSettings {
			payload = nil
		}
		_, err := c.socket.Write(appendFrame(nil, kind, flagAck, 0, payload))
		return err
	case typeReset:
		return fmt.Errorf("stream %d was reset: %x", id, payload)
	case typeGoAway:
		return fmt.Errorf("the server goes away: %q", payload)
	default:
		return nil
	}
	if flags&flagEnd != 0 {
		delete(c.rest, id)
		delete(c.taken, id)
		to.end(id)
	}
	return nil
}

func (c *connection) messages(id uint32, data []byte, to receiver) {
	if rest := c.rest[id]; len(rest) > 0 {
		data = append(rest, data...)
	}
	for len(data) >= grpcPrefix {
		length := grpcPrefix + int(binary.BigEndian.Uint32(data[1:]))
		if len(data) < length {
			break
		}
		to.message(id, data[grpcPrefix:length])
		data = data[length:]
	}
	if len(data) > 0 || len(c.rest[id]) > 0 {
		c.rest[id] = append([]byte(nil), data...)
	}
}

// Windows are so large that they are given back seldom.
func (c *connection) consumed(id uint32, length int) error {
	c.taken[id] += length
	c.takenAll += length
	var out []byte
	if taken := c.taken[id]; taken > windowStep {
		out = appendWindow(out, id, taken)
		c.taken[id] = 0
	}
	if c.takenAll > windowStep {
		out = appendWindow(out, 0, c.takenAll)
		c.takenAll = 0
	}
	if out == nil {
		return nil
	}
	_, err := c.socket.Write(out)
	return err
}
