// A Go server that logs every exchange, and Go clients.
//
//	main serve ADDRESS:PORT LOG
//	main client ORIGIN
//	main shop ORIGIN
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	switch os.Args[1] {
	case "serve":
		serve(os.Args[2], os.Args[3])
	case "client":
		client(os.Args[2])
	case "shop":
		shop(os.Args[2])
	}
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// One connection's number and how many exchanges it has had.
type count struct{ number, exchanges int }

type key struct{}

func serve(address, path string) {
	out, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	var lock sync.Mutex
	connections := 0
	handle := func(w http.ResponseWriter, r *http.Request) {
		received, err := io.ReadAll(r.Body)
		entry := map[string]any{
			"connection": r.RemoteAddr, "server": r.Context().Value(http.LocalAddrContextKey).(net.Addr).String(),
			"method": r.Method, "target": r.RequestURI, "version": r.Proto,
			"request_body_length": len(received), "request_body_sha256": digest(received),
		}
		if err != nil {
			entry["request_complete"] = false
		}
		if r.Header.Get("Expect") == "100-continue" {
			entry["interim"] = []int{100} // sent by the first read of the body
		}
		parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		size := 0
		if len(parts) > 1 {
			size, _ = strconv.Atoi(parts[1])
		}
		status, body := 200, bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
		pieces := 1
		switch parts[0] {
		case "bytes":
			w.Header().Set("Content-Length", strconv.Itoa(size))
		case "chunked":
			pieces = 7
		case "gzip":
			var packed bytes.Buffer
			packer := gzip.NewWriter(&packed)
			packer.Write(body)
			packer.Close()
			body = packed.Bytes()
			w.Header().Set("Content-Encoding", "gzip")
		case "echo":
			body = received
		case "status":
			status, body = size, nil
		default:
			status, body = 404, []byte("not here\n")
		}
		if r.Method == "HEAD" {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		}
		w.WriteHeader(status)
		if r.Method == "HEAD" || status == 204 || status == 304 {
			body = nil
		}
		step := len(body)/pieces + 1
		for at := 0; at < len(body); at += step {
			w.Write(body[at:min(at+step, len(body))])
			if pieces > 1 {
				w.(http.Flusher).Flush()
			}
		}
		entry["status"], entry["response_body_length"], entry["response_body_sha256"] = status, len(body), digest(body)
		lock.Lock()
		defer lock.Unlock()
		seen := r.Context().Value(key{}).(*count)
		entry["order"], entry["exchange"] = seen.number, seen.exchanges
		seen.exchanges++
		line, _ := json.Marshal(entry)
		out.Write(append(line, '\n'))
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready")
	server := http.Server{Handler: http.HandlerFunc(handle), ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
		lock.Lock()
		defer lock.Unlock()
		connections++
		return context.WithValue(ctx, key{}, &count{number: connections})
	}}
	log.Fatal(server.Serve(listener))
}

func ask(client *http.Client, method, url string, body io.Reader, headers ...string) {
	request, err := http.NewRequest(method, url, body)
	if err != nil {
		log.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	io.Copy(io.Discard, response.Body)
}

func client(origin string) {
	var all sync.WaitGroup
	for worker := 0; worker < 3; worker++ {
		all.Add(1)
		go func() {
			defer all.Done()
			// A transport of its own, so a connection of its own.
			own := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Second}}
			for i := 0; i < 3; i++ {
				ask(own, "GET", fmt.Sprintf("%s/bytes/%d?worker=%d", origin, 300*i*(worker+1), worker), nil)
				ask(own, "GET", fmt.Sprintf("%s/chunked/%d", origin, 2000+i), nil)
				ask(own, "GET", origin+"/gzip/9000", nil) // asks for gzip by itself
				ask(own, "HEAD", origin+"/bytes/1000", nil)
				ask(own, "POST", origin+"/echo", strings.NewReader(strings.Repeat("a line of the form\n", 50*i)), "Content-Type", "text/plain")
				// A reader of unknown length goes out chunked.
				ask(own, "PUT", origin+"/echo", io.MultiReader(strings.NewReader("one "), strings.NewReader("two "), strings.NewReader("three")))
				ask(own, "POST", origin+"/echo", bytes.NewReader(bytes.Repeat([]byte{0, 1, 254, 255}, 1000)), "Expect", "100-continue")
				ask(own, "GET", origin+"/status/204", nil)
				ask(own, "GET", origin+"/status/304", nil)
				ask(own, "DELETE", origin+"/nothing", nil)
			}
		}()
	}
	all.Wait()
}

func shop(origin string) {
	jar, _ := cookiejar.New(nil)
	visitor := &http.Client{Jar: jar}
	const kind = "application/json"
	ask(visitor, "POST", origin+"/api/login", strings.NewReader(`{"user":"rob","password":"x"}`), "Content-Type", kind)
	for i := 1; i <= 9; i++ {
		ask(visitor, "GET", fmt.Sprintf("%s/api/products?page=%d&per_page=24", origin, i%3), nil)
		ask(visitor, "GET", fmt.Sprintf("%s/static/photo-%d.png", origin, i%6), nil)
		ask(visitor, "POST", origin+"/api/cart", strings.NewReader(fmt.Sprintf(`{"product":%d,"quantity":%d}`, i, i*i)), "Content-Type", kind)
		time.Sleep(330 * time.Millisecond)
	}
	ask(visitor, "DELETE", origin+"/api/cart/3", nil)
	ask(visitor, "GET", origin+"/api/nowhere", nil)
	request, _ := http.NewRequest("GET", origin+"/api/orders/all", nil)
	request.SetBasicAuth("admin", "open sesame")
	if response, err := visitor.Do(request); err == nil {
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
}
