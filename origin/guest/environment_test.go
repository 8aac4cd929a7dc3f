package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A value that is encrypted is for processes only; whoever lists and writes back what was listed must not lose it.
func TestAnEncryptedValueIsNeverToldAndNeverLost(t *testing.T) {
	made := newEnvironment(newEgressDoor())
	ask := func(method, path, body string) string {
		recorder := httptest.NewRecorder()
		handleEnvironment(recorder, httptest.NewRequest(method, path, strings.NewReader(body)), made)
		said, _ := io.ReadAll(recorder.Result().Body)
		return string(said)
	}
	ask(http.MethodPut, environmentPath, `{"variables":[{"key":"B","value":"secret","encrypted":true},{"key":"A","value":""}]}`)
	listed := ask(http.MethodGet, environmentPath, "")
	const want = `{"variables":[{"key":"A","value":"","encrypted":false},{"key":"B","encrypted":true}]}`
	if strings.TrimSpace(listed) != want {
		t.Fatal(listed)
	}
	if again := ask(http.MethodPut, environmentPath, listed); again != listed {
		t.Fatal(again)
	}
	if value := made.of(users["root"], nil)["B"]; value != "secret" {
		t.Fatal(value)
	}
	ask(http.MethodDelete, environmentPath+"/B", "")
	var left variables
	if err := json.Unmarshal([]byte(ask(http.MethodGet, environmentPath, "")), &left); err != nil || len(left.Variables) != 1 {
		t.Fatalf("%+v %v", left, err)
	}
}
