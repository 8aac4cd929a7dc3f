package main

import (
	"math/rand"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

func TestPathsThatAreCleanStayWhereTheyBegin(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	parts := []string{"..", ".", "", "a", "b", "...", "a b", "\xff"}
	for round := 0; round < 20_000; round++ {
		var asked []string
		for count := random.Intn(8); count >= 0; count-- {
			asked = append(asked, parts[random.Intn(len(parts))])
		}
		text := strings.Join(asked, "/")
		path, err := newFilePath(text)
		if err != nil {
			continue
		}
		if !filepath.IsAbs(string(path)) || strings.Contains(string(path)+"/", "/../") || (text[0] != '/' && !strings.HasPrefix(string(path)+"/", workRoot+"/")) {
			t.Fatalf("%q became %q", text, path)
		}
		if again, err := newFilePath(string(path)); err != nil || again != path {
			t.Fatalf("%q became %q, and then %q", text, path, again)
		}
	}
	if _, err := pathOfQuery(url.Values{"path_base64": {"!!"}}); err == nil {
		t.Error("what is not base64 was taken")
	}
}
