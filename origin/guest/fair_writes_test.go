package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"golang.org/x/net/http2"
)

// One answer that never ends must not keep the others from being heard: the library's own scheduler lets it.
func TestAnswersTakeTurns(t *testing.T) {
	const readers, wantedBytes = 30, 1 << 20
	begin := make(chan struct{})
	endless := http.HandlerFunc(func(response http.ResponseWriter, _ *http.Request) {
		response.(http.Flusher).Flush()
		<-begin
		for chunk := make([]byte, fileChunkBytes); ; {
			if _, err := response.Write(chunk); err != nil {
				return
			}
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

	var mutex sync.Mutex
	var read [readers]int
	var atFirstEnd [readers]int
	isOver := false
	var group sync.WaitGroup
	var answers []*http.Response
	for range read {
		response, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, response)
	}
	close(begin)
	for index, response := range answers {
		index, response := index, response
		group.Add(1)
		go func() {
			defer group.Done()
			defer response.Body.Close()
			chunk := make([]byte, 16<<10)
			for {
				count, err := io.ReadFull(response.Body, chunk)
				mutex.Lock()
				read[index] += count
				if read[index] >= wantedBytes && !isOver {
					isOver, atFirstEnd = true, read
				}
				ends := isOver
				mutex.Unlock()
				if ends || err != nil {
					return
				}
			}
		}()
	}
	group.Wait()
	// Readers are not woken evenly on a busy machine; one that waits for another to end has next to nothing.
	for index, count := range atFirstEnd {
		if count < wantedBytes/8 {
			t.Fatalf("reader %d had %d bytes when another one had %d: %v", index, count, wantedBytes, atFirstEnd)
		}
	}
}
