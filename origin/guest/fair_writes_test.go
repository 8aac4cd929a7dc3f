package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
)

// One answer that never ends must not keep the others from being heard: the library's own scheduler lets it.
func TestAnswersTakeTurns(t *testing.T) {
	const answers, wantedBytes = 30, 4 << 20
	begin, over := make(chan struct{}), make(chan struct{})
	var mutex sync.Mutex
	var written, atFirstEnd [answers]int
	isOver := false
	endless := http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		index, _ := strconv.Atoi(strings.TrimPrefix(request.URL.Path, "/"))
		response.(http.Flusher).Flush()
		<-begin
		for chunk := make([]byte, fileChunkBytes); ; {
			if _, err := response.Write(chunk); err != nil {
				return
			}
			mutex.Lock()
			written[index] += len(chunk)
			if written[index] >= wantedBytes && !isOver {
				isOver, atFirstEnd = true, written
				close(over)
			}
			mutex.Unlock()
		}
	})
	server := httptest.NewUnstartedServer(endless)
	server.EnableHTTP2 = true
	if err := http2.ConfigureServer(server.Config, &http2.Server{NewWriteScheduler: newFairWrites}); err != nil {
		t.Fatal(err)
	}
	server.TLS = server.Config.TLSConfig
	server.StartTLS()
	defer server.Close()
	client := server.Client()
	if err := http2.ConfigureTransport(client.Transport.(*http.Transport)); err != nil {
		t.Fatal(err)
	}

	for index := range written {
		response, err := client.Get(server.URL + "/" + strconv.Itoa(index))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		go io.Copy(io.Discard, response.Body)
	}
	close(begin)
	<-over
	// What is written is counted, not what is read: readers take what waits for them when they come to run. One that waited for
	// another to end would have next to nothing.
	for index, count := range atFirstEnd {
		if count < wantedBytes/8 {
			t.Fatalf("answer %d had %d bytes when another one had %d: %v", index, count, wantedBytes, atFirstEnd)
		}
	}
}
