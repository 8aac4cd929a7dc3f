package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"math/rand"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"
)

// archiveOf is a tar of these headers; a file's content is its size in bytes of `x`, unless it has one.
func archiveOf(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var made bytes.Buffer
	writer := tar.NewWriter(&made)
	for _, header := range headers {
		header := header
		if header.Mode == 0 {
			header.Mode = 0o644
		}
		if err := writer.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(writer, strings.Repeat("x", int(header.Size))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return made.Bytes()
}

func (a *filesAsker) unpack(relative string, archive []byte) fileAnswer {
	return a.send("PUT", "/unpack", aboutPath(a.path(relative)), bytes.NewReader(archive), nil)
}

// tree is what is below a directory: modes, and what is in files and links.
func (a *filesAsker) tree(relative string) (told []string) {
	a.t.Helper()
	root := a.path(relative)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content := ""
		if info.Mode().IsRegular() {
			read, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(read)
		} else if info.Mode()&os.ModeSymlink != 0 {
			content, _ = os.Readlink(path)
		}
		told = append(told, strings.TrimPrefix(path, root)+" "+info.Mode().String()+" "+content)
		return nil
	})
	if err != nil {
		a.t.Fatal(err)
	}
	sort.Strings(told)
	return told
}

func TestWhatIsPackedUnpacksToTheSame(t *testing.T) {
	ask := newFilesAsker(t)
	ask.write("x/\xff\n", "bytes")
	ask.write("x/"+strings.Repeat("n", 255), "long")
	ask.write("x/large", strings.Repeat("0123456789", 100_000))
	ask.write("x/"+strings.Repeat("deep/", 60)+"file", "")
	ask.write("x/script", "#!")
	for _, err := range []error{
		os.Chmod(ask.path("x/script"), 0o700), os.Symlink("script", ask.path("x/link")), os.Symlink("/usr/bin/env", ask.path("x/out")),
		os.Mkdir(ask.path("x/closed"), 0o755), os.Chown(ask.path("x/closed"), 1000, 1000),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ask.write("x/closed/file", "in it")
	if err := os.Chmod(ask.path("x/closed"), 0o555); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"tar", "tar.gz"} {
		packed := ask.post("/pack", map[string]any{"paths": []string{ask.path("x")}, "format": format})
		if packed.broken != nil || packed.status != 200 {
			t.Fatal(packed.status, packed.broken)
		}
		var done unpackedFiles
		ask.as(ask.unpack(format, packed.body), &done)
		mustBe(t, ask.tree(format+"/x"), ask.tree("x"))
		mustBe(t, done.Files, 8)
	}
	both := ask.post("/pack", map[string]any{"paths": []string{ask.path("x/link"), ask.path("tar/x/script")}, "format": "tar"})
	ask.as(ask.unpack("both", both.body), nil)
	mustBe(t, ask.tree("both")[1:], []string{"/tar drwxr-xr-x ", "/tar/x drwxr-xr-x ", "/tar/x/script -rwx------ #!", "/x drwxr-xr-x ", "/x/link -rwx------ #!"})
	ask.mustRefuse(ask.post("/pack", map[string]any{"paths": []string{ask.path("none")}, "format": "tar"}), "file_not_found")
	ask.mustRefuse(ask.post("/pack", map[string]any{"paths": []string{}, "format": "tar"}), "too_many")
	if err := os.WriteFile(ask.path("x/secret"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ask.mustRefuse(ask.post("/pack", map[string]any{"paths": []string{ask.path("x")}, "format": "tar"}), "permission_denied")
}

// Whatever an archive says, nothing outside of the directory is touched, and what is not understood is refused.
func TestNoArchiveReachesOutOfItsDirectory(t *testing.T) {
	ask := newFilesAsker(t)
	ask.write("outside/file", "kept")
	outside := ask.path("outside")
	dir := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755} }
	file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 3} }
	link := func(name, to string) tar.Header {
		return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
	}
	hard := func(name, to string) tar.Header { return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: to} }
	cases := map[string][]tar.Header{
		"a name that climbs":                 {file("../outside/file")},
		"a name that climbs from within":     {dir("a"), file("a/../../outside/file")},
		"a file through a link":              {link("l", outside), file("l/file")},
		"a file through a link up":           {link("l", ".."), file("l/outside/file")},
		"a directory through a link":         {link("l", outside), dir("l/new")},
		"a directory in the place of a link": {link("l", outside), dir("l"), file("l/file")},
		"a link through a link":              {link("l", outside), link("l/m", "x")},
		"a hard link to what is outside":     {hard("h", "../outside/file"), file("h")},
		"a hard link through a link":         {link("l", outside), hard("h", "l/file")},
		"a device":                           {{Typeflag: tar.TypeChar, Name: "null", Devmajor: 1, Devminor: 3}},
		"a pipe":                             {{Typeflag: tar.TypeFifo, Name: "pipe"}},
	}
	for what, headers := range cases {
		ask.mustRefuse(ask.unpack("into", archiveOf(t, headers...)), "archive_invalid")
		if got := ask.tree("outside"); len(got) != 2 || ask.read("outside/file") != "kept" {
			t.Errorf("%s: %v", what, got)
		}
		if err := os.RemoveAll(ask.path("into")); err != nil {
			t.Fatal(err)
		}
	}
	// A link in the place of a file is replaced by it, never written through.
	ask.as(ask.unpack("into", archiveOf(t, link("l", outside+"/file"), file("l"), hard("h", "l"), file("/absolute"))), nil)
	mustBe(t, []string{ask.read("into/l"), ask.read("into/h"), ask.read("into/absolute"), ask.read("outside/file")}, []string{"xxx", "xxx", "xxx", "kept"})
	// Setuid is nobody's to give.
	ask.as(ask.unpack("into", archiveOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "suid", Mode: 0o4777})), nil)
	if info, _ := os.Stat(ask.path("into/suid")); info.Mode()&os.ModeSetuid != 0 {
		t.Error(info.Mode())
	}
}

func TestAnArchiveThatIsNoneIsRefused(t *testing.T) {
	ask := newFilesAsker(t)
	whole := archiveOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "first", Size: 3}, tar.Header{Typeflag: tar.TypeReg, Name: "second", Size: 3_000})
	var zipped bytes.Buffer
	writer := gzip.NewWriter(&zipped)
	_, _ = writer.Write(whole)
	_ = writer.Close()
	damaged := append([]byte{}, zipped.Bytes()...)
	damaged[len(damaged)/2] ^= 0xff
	for what, archive := range map[string][]byte{
		"nothing": {}, "text": []byte("hello"), "noise": bytes.Repeat([]byte("noise"), 1_000), "half": whole[:2_048],
		"half a gzip": zipped.Bytes()[:zipped.Len()/2], "a damaged gzip": damaged, "gzip's first bytes": {0x1f, 0x8b},
	} {
		if code := ask.refused(ask.unpack("into", archive)); code != "archive_invalid" {
			t.Errorf("%s: %q", what, code)
		}
	}
	if names := ask.names("into"); len(names) > 1 {
		t.Errorf("half a file is there: %v", names)
	}
}

func TestAnArchiveThatGrowsBeyondTheDiskIsRefusedBeforeItIsFull(t *testing.T) {
	ask := newFilesAsker(t)
	disk := ask.smallDisk("4")
	var bomb bytes.Buffer
	zipped := gzip.NewWriter(&bomb)
	writer := tar.NewWriter(zipped)
	_ = writer.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "bomb", Size: 1 << 40, Mode: 0o644})
	_, _ = io.CopyN(writer, zeros{}, 16<<20)
	_ = zipped.Close()
	answer := ask.send("PUT", "/unpack", aboutPath(disk), &bomb, nil)
	ask.mustRefuse(answer, "disk_full")
	mustBe(t, len(ask.names("small")), 0)
	// Headers without end would be kept in memory.
	long := archiveOf(t, tar.Header{
		Typeflag: tar.TypeReg, Name: "x", PAXRecords: map[string]string{"VENDOR.x": strings.Repeat("x", 600_000)}, Format: tar.FormatPAX,
	})
	const tarBlockBytes = 512
	extension := long[:len(long)-3*tarBlockBytes]
	ask.mustRefuse(ask.send("PUT", "/unpack", aboutPath(disk), bytes.NewReader(append(append([]byte{}, extension...), long...)), nil), "archive_invalid")
	ask.as(ask.send("PUT", "/unpack", aboutPath(disk), bytes.NewReader(long), nil), nil)
}

type zeros struct{}

func (zeros) Read(into []byte) (int, error) {
	for index := range into {
		into[index] = 0
	}
	return len(into), nil
}

func TestAnArchiveThatBreaksOffLeavesWholeFilesOnly(t *testing.T) {
	ask := newFilesAsker(t)
	whole := archiveOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "first", Size: 3}, tar.Header{Typeflag: tar.TypeReg, Name: "second", Size: 300_000})
	answer := ask.send("PUT", "/unpack", aboutPath(ask.path("into")), brokenBody{bytes.NewReader(whole[:100_000])}, nil)
	if answer.broken == nil {
		t.Errorf("%d %s", answer.status, answer.body)
	}
	for deadline := time.Now().Add(testWait); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if entries, _ := os.ReadDir(ask.path("into")); len(entries) == 1 {
			break
		}
	}
	mustBe(t, ask.tree("into")[1:], []string{"/first -rw-r--r-- xxx"})
}

// Each holds a piece of the agent's memory for as long as its reader likes.
func TestArchivesAtATimeAreBounded(t *testing.T) {
	ask := newFilesAsker(t)
	ask.write("x/large", strings.Repeat("0123456789", 1_000_000))
	order := `{"paths":["` + ask.path("x") + `"],"format":"tar"}`
	var held []*http.Response
	for count := 0; count < archivesAtOnceMax; count++ {
		response, err := ask.client.Post(ask.base+"/pack", "application/json", strings.NewReader(order))
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatal(response, err)
		}
		held = append(held, response)
	}
	ask.mustRefuse(ask.post("/pack", map[string]any{"paths": []string{ask.path("x")}, "format": "tar"}), "sandbox_busy")
	for _, response := range held {
		response.Body.Close()
	}
	for deadline := time.Now().Add(testWait); len(archiveTurns) > 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	packed := ask.post("/pack", map[string]any{"paths": []string{ask.path("x")}, "format": "tar"})
	mustBe(t, packed.status, http.StatusOK)
}

// Random archives of names, links and kinds that get in each other's way: the outside stays as it is.
func TestNoSequenceOfEntriesReachesOut(t *testing.T) {
	ask := newFilesAsker(t)
	ask.write("outside/file", "kept")
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewSource(seed))
	names := []string{"a", "b", "a/b", "a/c", "b/a", "a/b/c", "./a", "/b", "a//c", "a/./b", "..", "a/../../outside", "../outside/file", "b/file"}
	targets := []string{"..", ".", "/", "../outside", "../../outside", "a", "b", "../outside/file", ask.path("outside"), "a/b"}
	kinds := []byte{tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink, tar.TypeSymlink}
	for round := 0; round < 150; round++ {
		var headers []tar.Header
		for count := 1 + random.Intn(6); count > 0; count-- {
			header := tar.Header{Typeflag: kinds[random.Intn(len(kinds))], Name: names[random.Intn(len(names))], Mode: 0o755}
			switch header.Typeflag {
			case tar.TypeReg:
				header.Size = 3
			case tar.TypeSymlink, tar.TypeLink:
				header.Linkname = targets[random.Intn(len(targets))]
			}
			headers = append(headers, header)
		}
		answer := ask.unpack("into", archiveOf(t, headers...))
		if answer.broken != nil {
			t.Fatal(answer.broken)
		}
		if got := ask.tree("outside"); len(got) != 2 || ask.read("outside/file") != "kept" || len(ask.names("")) > 2 {
			t.Fatalf("%+v led to %v", headers, got)
		}
		ask.post("/remove", map[string]any{"path": ask.path("into"), "recursive": true})
	}
}
