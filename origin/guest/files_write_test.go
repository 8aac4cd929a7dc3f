package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAFileIsReplacedAtOnceAndKeepsItsMode(t *testing.T) {
	ask := newFilesAsker(t)
	path := ask.write("script", "old")
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	before, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	var written fileWritten
	ask.as(ask.put(path, []byte("new")), &written)
	if written.Created || written.File.Mode != "0755" || ask.read("script") != "new" {
		t.Errorf("%+v", written)
	}
	// Whoever reads the old one goes on reading the old one.
	if rest, _ := io.ReadAll(before); string(rest) != "old" {
		t.Errorf("%q", rest)
	}
	ask.as(ask.send("PUT", "", url.Values{"path": {path}, "mode": {"0600"}}, strings.NewReader("x"), nil), &written)
	if written.File.Mode != "0600" {
		t.Errorf("%+v", written)
	}
	if names := ask.names(""); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

// brokenBody ends with an error after its text, as an upload does whose sender is gone.
type brokenBody struct{ io.Reader }

func (b brokenBody) Read(into []byte) (int, error) {
	count, err := b.Reader.Read(into)
	if err == io.EOF {
		err = errors.New("the sender is gone")
	}
	return count, err
}

func TestAnUploadThatBreaksOffLeavesNothing(t *testing.T) {
	ask := newFilesAsker(t)
	path := ask.write("kept", "old")
	half := brokenBody{bytes.NewReader(make([]byte, 1<<20))}
	for _, target := range []string{path, ask.path("never")} {
		if answer := ask.send("PUT", "", aboutPath(target), half, nil); answer.broken == nil {
			t.Errorf("%d %s", answer.status, answer.body)
		}
	}
	// A body that is shorter than it said.
	short := ask.send("PUT", "", aboutPath(path), io.LimitReader(&counting{}, 10), map[string]string{"content-length": "20"})
	_ = short
	deadline := time.Now().Add(testWait)
	for len(ask.names("")) != 1 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if names := ask.names(""); len(names) != 1 || names[0] != "kept" {
		t.Errorf("there is now %v", names)
	}
}

// smallDisk is a file system of its own that is full after so many bytes.
func (a *filesAsker) smallDisk(megabytes string) string {
	a.t.Helper()
	mounted := filepath.Join(a.home, "small")
	if err := os.Mkdir(mounted, 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", mounted, "tmpfs", 0, "mode=0777,size="+megabytes+"m"); err != nil {
		a.t.Skipf("nothing can be mounted here: %v", err)
	}
	a.t.Cleanup(func() { _ = syscall.Unmount(mounted, syscall.MNT_DETACH) })
	return mounted
}

func TestAFullDiskIsSaidAndTheOldFileIsAsItWas(t *testing.T) {
	ask := newFilesAsker(t)
	disk := ask.smallDisk("4")
	path := filepath.Join(disk, "file")
	ask.as(ask.put(path, []byte("old")), nil)
	// Known beforehand, and found out on the way.
	ask.mustRefuse(ask.put(path, make([]byte, 8<<20)), "disk_full")
	unsized := struct{ io.Reader }{bytes.NewReader(make([]byte, 8<<20))}
	ask.mustRefuse(ask.send("PUT", "", aboutPath(path), unsized, nil), "disk_full")
	if ask.read("small/file") != "old" {
		t.Error("the old file is gone")
	}
	ask.write("large", strings.Repeat("x", 8<<20))
	ask.mustRefuse(ask.post("/copy", map[string]any{"from": ask.path("large"), "to": path}), "disk_full")
	ask.mustRefuse(ask.post("/move", map[string]any{"from": ask.path("large"), "to": filepath.Join(disk, "moved")}), "disk_full")
	if len(ask.names("small")) != 1 || len(ask.read("large")) != 8<<20 {
		t.Errorf("there is now %v", ask.names("small"))
	}
	// What failed gave its room back.
	ask.as(ask.put(path, make([]byte, 2<<20)), nil)
}

func TestTheKernelDecidesWhereTheUserMayWrite(t *testing.T) {
	ask := newFilesAsker(t)
	readOnly := ask.write("read-only", "old")
	roots := ask.path("roots")
	for _, err := range []error{
		os.Chmod(readOnly, 0o444), os.Mkdir(roots, 0o755), os.WriteFile(ask.path("foreign"), []byte("root's"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, code := range map[string]string{
		readOnly: "permission_denied", filepath.Join(roots, "x"): "permission_denied", filepath.Join(roots, "a/b"): "permission_denied",
		ask.path("foreign"): "permission_denied", "/etc/passwd": "permission_denied", ask.home: "is_a_directory",
		"/dev/null": "not_a_file", filepath.Join(readOnly, "x"): "not_a_directory", "/proc/self/mem": "permission_denied",
	} {
		ask.mustRefuse(ask.put(path, []byte("new")), code)
	}
	answer := ask.send("PUT", "", url.Values{"path": {readOnly}, "user": {"root"}}, strings.NewReader("new"), nil)
	var written fileWritten
	ask.as(answer, &written)
	// What root writes into somebody's file stays theirs.
	if written.File.Uid != 1000 || written.File.Mode != "0444" {
		t.Errorf("%+v", written)
	}
	ask.mustRefuse(ask.send("PUT", "", url.Values{"path": {readOnly}, "user": {"nobody"}}, nil, nil), "file_refused")
}

func TestAWriteGoesThroughALinkToWhereItLeads(t *testing.T) {
	ask := newFilesAsker(t)
	ask.write("real/file", "old")
	for link, target := range map[string]string{"link": "real/file", "second": "link", "dangling": "real/new", "loop": "loop"} {
		if err := os.Symlink(target, ask.path(link)); err != nil {
			t.Fatal(err)
		}
	}
	ask.as(ask.put(ask.path("second"), []byte("new")), nil)
	ask.as(ask.put(ask.path("dangling"), []byte("made")), nil)
	if ask.read("real/file") != "new" || ask.read("real/new") != "made" {
		t.Error("the bytes are elsewhere")
	}
	if info, _ := os.Lstat(ask.path("second")); info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link is gone")
	}
	ask.mustRefuse(ask.put(ask.path("loop"), []byte("x")), "invalid_path")
}

func TestNamesOfAnyBytesAreKept(t *testing.T) {
	ask := newFilesAsker(t)
	names := []string{"\xff\xfe", "two\nlines", " ", "-rf", "ü", strings.Repeat("n", 255), "a%20b", "\x01", `"\`, "💥"}
	for _, name := range names {
		encoded := url.Values{"path_base64": {base64.RawURLEncoding.EncodeToString([]byte(ask.path(name)))}}
		ask.as(ask.send("PUT", "", encoded, strings.NewReader(name), nil), nil)
		if ask.read(name) != name {
			t.Errorf("%q is not where it belongs", name)
		}
		if back := ask.send("GET", "", encoded, nil, nil); string(back.body) != name {
			t.Errorf("%q came back as %q", name, back.body)
		}
	}
	var list struct{ Entries []fileFacts }
	ask.as(ask.send("GET", "/list", aboutPath(ask.home), nil, nil), &list)
	told := map[string]bool{}
	for _, entry := range list.Entries {
		name := entry.Name
		if entry.NameBase64 != "" {
			raw, err := base64.StdEncoding.DecodeString(entry.NameBase64)
			if err != nil {
				t.Fatal(err)
			}
			name = string(raw)
		}
		told[name] = true
		removed := ask.post("/remove", map[string]any{"path": map[string]any{"base64": []byte(ask.path(name))}})
		ask.as(removed, nil)
	}
	for _, name := range names {
		if !told[name] {
			t.Errorf("%q is not in the list", name)
		}
	}
	if left := ask.names(""); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestManyFilesAreWrittenInOneRequestAndEachSaysHowItWent(t *testing.T) {
	ask := newFilesAsker(t)
	file := func(path, content, mode string) map[string]any {
		return map[string]any{"path": path, "content": []byte(content), "mode": mode}
	}
	var answer struct{ Files []map[string]any }
	ask.as(ask.post("/write-many", map[string]any{"files": []any{
		file(ask.path("a/b"), "one", ""), file("/etc/passwd", "x", ""), file(ask.path("c"), "two", "755"), file("", "x", ""),
		file(ask.path("c/d"), "x", ""),
	}}), &answer)
	var codes []any
	for _, each := range answer.Files {
		codes = append(codes, each["code"])
	}
	want := []any{nil, "permission_denied", nil, "invalid_path", "not_a_directory"}
	for index := range want {
		if codes[index] != want[index] {
			t.Errorf("%v, want %v", codes, want)
			break
		}
	}
	if ask.read("a/b") != "one" || ask.read("c") != "two" {
		t.Error("other bytes were written")
	}
	if info, _ := os.Stat(ask.path("c")); info.Mode().Perm() != 0o755 {
		t.Error(info.Mode())
	}
}

func TestOfManyWritersToOneFileOneIsTheLastAndAllAreWhole(t *testing.T) {
	ask := newFilesAsker(t)
	path := ask.path("contested")
	done := make(chan fileAnswer)
	const writers = 16
	for writer := 0; writer < writers; writer++ {
		content := bytes.Repeat([]byte{byte('a' + writer)}, 200_000)
		go func() { done <- ask.put(path, content) }()
	}
	for writer := 0; writer < writers; writer++ {
		if answer := <-done; answer.status != http.StatusOK {
			t.Errorf("%d %s %v", answer.status, answer.body, answer.broken)
		}
		if content := ask.read("contested"); len(content) != 200_000 || strings.Trim(content, content[:1]) != "" {
			t.Errorf("%d bytes of several", len(content))
		}
	}
	if names := ask.names(""); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}
