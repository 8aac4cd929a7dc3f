package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAFileComesBackAsItWasWritten(t *testing.T) {
	ask := newFilesAsker(t)
	for _, size := range []int{0, 1, 4096, fileChunkBytes, fileChunkBytes + 1, 3_000_000} {
		content := bytes.Repeat([]byte("\x00\xffab"), size/4+1)[:size]
		path := ask.path(fmt.Sprintf("made/on/the/way/%d", size))
		var written fileWritten
		ask.as(ask.put(path, content), &written)
		if !written.Created || written.File.Size != int64(size) || written.File.Mode != "0644" || written.File.Uid != 1000 {
			t.Errorf("%+v", written)
		}
		answer := ask.get(path)
		if !bytes.Equal(answer.body, content) || answer.header.Get("content-length") != strconv.Itoa(size) {
			t.Errorf("%d bytes came back as %d, said %s", size, len(answer.body), answer.header.Get("content-length"))
		}
	}
}

func TestAPartOfAFileIsWhatWasAskedFor(t *testing.T) {
	ask := newFilesAsker(t)
	path := ask.write("ten", "0123456789")
	tag := ask.get(path).header.Get("etag")
	cases := map[string]string{
		"bytes=0-3": "0123", "bytes=7-": "789", "bytes=-2": "89", "bytes=9-100": "9", "bytes=-100": "0123456789",
		// What is not understood, and several parts, are answered with the whole.
		"bytes=3-1": "0123456789", "bytes=0-1,3-4": "0123456789", "lines=1-2": "0123456789", "bytes=x": "0123456789",
	}
	for header, want := range cases {
		answer := ask.send("GET", "", aboutPath(path), nil, map[string]string{"range": header})
		if string(answer.body) != want {
			t.Errorf("%s: %q, want %q", header, answer.body, want)
		}
	}
	part := ask.send("GET", "", aboutPath(path), nil, map[string]string{"range": "bytes=2-4", "if-range": tag})
	if part.status != http.StatusPartialContent || part.header.Get("content-range") != "bytes 2-4/10" {
		t.Errorf("%d %v", part.status, part.header)
	}
	other := ask.send("GET", "", aboutPath(path), nil, map[string]string{"range": "bytes=2-4", "if-range": `"other"`})
	if other.status != http.StatusOK || len(other.body) != 10 {
		t.Errorf("a part of another version: %d %s", other.status, other.body)
	}
	beyond := ask.send("GET", "", aboutPath(path), nil, map[string]string{"range": "bytes=10-"})
	ask.mustRefuse(beyond, "range_not_satisfiable")
	if beyond.header.Get("content-range") != "bytes */10" {
		t.Error(beyond.header)
	}
	head := ask.send("HEAD", "", aboutPath(path), nil, nil)
	if head.header.Get("content-length") != "10" || len(head.body) != 0 {
		t.Errorf("%v", head.header)
	}
}

// Every range is either a part of the file that its header names, or refused, whatever somebody writes there.
func TestARangeIsNeverOutsideOfTheFile(t *testing.T) {
	for _, header := range []string{
		"", "bytes=", "bytes=-", "bytes=--1", "bytes=+1-2", "bytes=-0", "bytes=0-0", "bytes=99999999999999999999-",
		"bytes=0-99999999999999999999", "bytes=-99999999999999999999", "bytes=1-0", "bytes=5", "bytes= 1-2", "bytes=\x00-1", "BYTES=0-1",
	} {
		for _, size := range []int64{0, 1, 10} {
			part, verdict := readRange(header, size)
			if part.from < 0 || part.end > size || part.from > part.end || (verdict == rangePart && part.length() == 0) {
				t.Errorf("%q of %d: %v %v", header, size, part, verdict)
			}
		}
	}
}

func TestOnlyRegularFilesAreRead(t *testing.T) {
	ask := newFilesAsker(t)
	ask.write("file", "text")
	if err := syscall.Mkfifo(ask.path("pipe"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop", ask.path("loop")); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{
		ask.path("nothing"): "file_not_found", ask.home: "is_a_directory", ask.path("pipe"): "not_a_file", "/dev/null": "not_a_file",
		"/dev/zero": "not_a_file", ask.path("loop"): "invalid_path", ask.path("file/x"): "not_a_directory",
		ask.path(strings.Repeat("n", 256)): "invalid_path", "": "invalid_path", "/../etc/passwd": "invalid_path",
		"../etc/passwd": "invalid_path", "a/../../x": "invalid_path", "/a\x00b": "invalid_path",
		"/" + strings.Repeat("a/", 2_100): "invalid_path", "/etc/shadow": "permission_denied",
	}
	began := time.Now()
	for path, code := range cases {
		ask.mustRefuse(ask.get(path), code)
	}
	// A pipe that nobody writes to, and a device that never ends, would have been waited for.
	if time.Since(began) > testWait {
		t.Error("something was waited for")
	}
}

// A host reads so much of a refusal and no more; a path may be longer.
func TestARefusalOfALongPathIsShort(t *testing.T) {
	ask := newFilesAsker(t)
	answer := ask.get("/" + strings.Repeat("\xff/", 2_000))
	ask.mustRefuse(answer, "file_not_found")
	if len(answer.body) > messageBytesMax*3+100 {
		t.Errorf("%d bytes", len(answer.body))
	}
}

// What the agent may see of itself, and what it has open for root, would be a way around every directory that is closed to the user.
func TestTheAgentsOwnPrivilegesOpenNothingToTheUser(t *testing.T) {
	ask := newFilesAsker(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("root's"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(secret), 0o700); err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(filepath.Dir(secret))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	parent := os.Getppid()
	for _, path := range []string{
		secret, "/proc/self/environ", "/proc/self/mem", "/proc/self/maps", "/proc/thread-self/environ",
		fmt.Sprintf("/proc/%d/environ", os.Getpid()), fmt.Sprintf("/proc/%d/environ", parent), "/proc/self/root" + secret,
		fmt.Sprintf("/proc/self/fd/%d/secret", held.Fd()), fmt.Sprintf("/proc/%d/cwd/x", os.Getpid()),
		fmt.Sprintf("/proc/%d/root%s", parent, secret),
	} {
		answer := ask.get(path)
		if code := ask.refused(answer); code != "permission_denied" && code != "invalid_path" {
			t.Errorf("%s: %q %.60q", path, code, answer.body)
		}
	}
	asRoot := ask.send("GET", "", map[string][]string{"path": {secret}, "user": {"root"}}, nil, nil)
	if string(asRoot.body) != "root's" {
		t.Errorf("root was refused: %s", asRoot.body)
	}
	// And afterwards the threads are the agent's own again.
	if again := ask.send("GET", "", map[string][]string{"path": {"/proc/self/environ"}, "user": {"root"}}, nil, nil); again.status != 200 {
		t.Errorf("%s", again.body)
	}
}

func TestWhatTheKernelInventsIsReadToItsEnd(t *testing.T) {
	ask := newFilesAsker(t)
	for _, path := range []string{"/proc/version", "/proc/cpuinfo", "/sys/kernel/mm/transparent_hugepage/enabled"} {
		want, err := os.ReadFile(path)
		if err != nil {
			t.Skip(err)
		}
		answer := ask.get(path)
		if !bytes.Equal(answer.body, want) || answer.header.Get("content-length") != strconv.Itoa(len(want)) {
			t.Errorf("%s: %q", path, answer.body)
		}
	}
	// More than is read ahead.
	if large, err := os.ReadFile("/proc/kallsyms"); err == nil && len(large) > fileChunkBytes {
		if answer := ask.get("/proc/kallsyms"); len(answer.body) == 0 || answer.broken != nil {
			t.Error(answer.broken)
		}
	}
}

func TestAFileThatIsCutShortIsNotTakenForTheWhole(t *testing.T) {
	ask := newFilesAsker(t)
	path := ask.path("shrinking")
	ask.as(ask.put(path, make([]byte, 32<<20)), nil)
	response, err := ask.client.Get(ask.base + "?" + aboutPath(path).Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.ReadFull(response.Body, make([]byte, 1024)); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1024); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("%d bytes were taken for the rest", len(rest))
	}
}

func TestALargeFilePassesAsItIs(t *testing.T) {
	ask := newFilesAsker(t)
	path := ask.path("large")
	const size = 64 << 20
	sum := sha256.New()
	answer := ask.send("PUT", "", aboutPath(path), io.TeeReader(io.LimitReader(&counting{}, size), sum), nil)
	ask.as(answer, nil)
	response, err := ask.client.Get(ask.base + "?" + aboutPath(path).Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	back := sha256.New()
	if count, err := io.Copy(back, response.Body); err != nil || count != size {
		t.Fatal(count, err)
	}
	if !bytes.Equal(sum.Sum(nil), back.Sum(nil)) {
		t.Error("other bytes came back")
	}
}

// counting is a stream whose bytes differ from place to place.
type counting struct{ next byte }

func (c *counting) Read(into []byte) (int, error) {
	for index := range into {
		into[index] = c.next
		c.next += 7
	}
	return len(into), nil
}
