// SPDX-License-Identifier: GPL-2.0-only
//
// Writes header blocks as the encoder of golang.org/x/net/http2/hpack makes them: see record_hpack.py.
// Reads header lists: 2 bytes with the number of fields (0xffff: none follows), for each field 2 bytes of
// length and the name, and likewise the value.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"os"

	"golang.org/x/net/http2/hpack"
)

func text(in io.Reader) string {
	var length uint16
	binary.Read(in, binary.BigEndian, &length)
	at := make([]byte, length)
	io.ReadFull(in, at)
	return string(at)
}

func main() {
	in := bufio.NewReader(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for n := 0; ; n++ {
		var fields uint16
		if binary.Read(in, binary.BigEndian, &fields) != nil {
			break
		}
		block.Reset()
		if n%70 == 69 && len(os.Args) == 1 { // as a change of SETTINGS_HEADER_TABLE_SIZE does
			encoder.SetMaxDynamicTableSize([]uint32{1024, 4096, 0, 4096}[n/70%4])
		}
		for i := 0; i < int(fields); i++ {
			name := text(in)
			value := text(in)
			encoder.WriteField(hpack.HeaderField{Name: name, Value: value, Sensitive: name == "cookie"})
		}
		binary.Write(out, binary.BigEndian, uint32(block.Len()))
		out.Write(block.Bytes())
	}
	out.Flush()
}
