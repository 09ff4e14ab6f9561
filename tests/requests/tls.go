// SPDX-License-Identifier: GPL-2.0-only
// A server and a client of net/http over TLS: serve ADDRESS CERT KEY [http1], get URL COUNT [http2].
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	if os.Args[1] == "serve" {
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "go\n") })
		srv := &http.Server{Addr: os.Args[2]}
		if len(os.Args) > 5 {
			srv.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
		}
		fmt.Println(srv.ListenAndServeTLS(os.Args[3], os.Args[4]))
		return
	}
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: len(os.Args) > 4}}
	var n int
	fmt.Sscan(os.Args[3], &n)
	for i := 0; i < n; i++ {
		r, err := c.Get(os.Args[2])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	fmt.Println("done")
}
