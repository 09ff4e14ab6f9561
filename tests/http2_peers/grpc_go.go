// SPDX-License-Identifier: GPL-2.0-only
//
// All kinds of calls by grpc-go. `server PORT`; `client PORT` prints what it called, as tests/record_http2.py
// wants it. Messages are plain bytes, so that no generated code is needed.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const service = "shop.Orders"

type plain struct{}

func (plain) Marshal(v interface{}) ([]byte, error)      { return *v.(*[]byte), nil }
func (plain) Unmarshal(data []byte, v interface{}) error { *v.(*[]byte) = data; return nil }
func (plain) Name() string                               { return "proto" }
func (plain) String() string                             { return "proto" }

func get(srv interface{}, ctx context.Context, dec func(interface{}) error, _ grpc.UnaryServerInterceptor) (interface{}, error) {
	var in []byte
	if err := dec(&in); err != nil {
		return nil, err
	}
	if string(in) == "missing" {
		return nil, status.Error(codes.NotFound, "no order of that number, 100 % sure")
	}
	return &in, nil
}

// Answers each message `times`; to those of a client that sends many, once at the end.
func answer(times int, atEnd bool) grpc.StreamHandler {
	return func(_ interface{}, stream grpc.ServerStream) error {
		out := []byte("ok")
		for {
			var in []byte
			err := stream.RecvMsg(&in)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			for i := 0; i < times; i++ {
				if err := stream.SendMsg(&in); err != nil {
					return err
				}
			}
		}
		if atEnd {
			return stream.SendMsg(&out)
		}
		return nil
	}
}

var streams = []grpc.StreamDesc{
	{StreamName: "Put", Handler: answer(0, true), ClientStreams: true},
	{StreamName: "List", Handler: answer(5, false), ServerStreams: true},
	{StreamName: "Talk", Handler: answer(2, false), ClientStreams: true, ServerStreams: true},
}

func serve(port string) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer(grpc.CustomCodec(plain{}))
	server.RegisterService(&grpc.ServiceDesc{ServiceName: service, HandlerType: (*interface{})(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Get", Handler: get}}, Streams: streams}, struct{}{})
	server.Serve(listener)
}

func said(method string, err error, asked, answered int) {
	fmt.Printf("%s %s 200 %d %d %d\n", method, service, status.Code(err), asked, answered)
}

func stream(connection *grpc.ClientConn, desc *grpc.StreamDesc, asked int) {
	client, err := connection.NewStream(context.Background(), desc, "/"+service+"/"+desc.StreamName)
	if err != nil {
		panic(err)
	}
	for i := 0; i < asked; i++ {
		out := make([]byte, 50*i)
		client.SendMsg(&out)
	}
	client.CloseSend()
	answered := 0
	for {
		var in []byte
		if err = client.RecvMsg(&in); err != nil {
			break
		}
		answered++
	}
	if err == io.EOF {
		err = nil
	}
	said(desc.StreamName, err, asked, answered)
}

func call(port string) {
	connection, err := grpc.Dial("127.0.0.1:"+port, grpc.WithInsecure(), grpc.WithBlock(), grpc.WithDefaultCallOptions(grpc.ForceCodec(plain{})))
	if err != nil {
		panic(err)
	}
	for n := 0; n < 12; n++ {
		in, out := []byte{}, []byte("order")
		if n%4 == 3 {
			out = []byte("missing")
		}
		err := connection.Invoke(context.Background(), "/"+service+"/Get", &out, &in)
		answered := 1
		if err != nil {
			answered = 0
		}
		said("Get", err, 1, answered)
		stream(connection, &streams[0], n)
		stream(connection, &streams[1], 1)
		stream(connection, &streams[2], 3)
	}
	connection.Close()
}

func main() {
	if os.Args[1] == "server" {
		serve(os.Args[2])
	} else {
		call(os.Args[2])
	}
}
