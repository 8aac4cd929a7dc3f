package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func (a *filesAsker) list(route string, query url.Values) (told []string, isCut bool) {
	a.t.Helper()
	var list struct {
		Entries   []fileFacts
		Truncated bool
	}
	a.as(a.send("GET", route, query, nil, nil), &list)
	told = []string{}
	for _, entry := range list.Entries {
		told = append(told, strings.TrimPrefix(entry.Path, a.home+"/"))
	}
	return told, list.Truncated
}

func mustBe[T any](t *testing.T, got, want T) {
	t.Helper()
	gotText, _ := json.Marshal(got)
	wantText, _ := json.Marshal(want)
	if string(gotText) != string(wantText) {
		t.Errorf("got %s, want %s", gotText, wantText)
	}
}

func TestAListGoesLevelByLevelAndNeverThroughALink(t *testing.T) {
	ask := newFilesAsker(t)
	for _, name := range []string{"b/x/deep", "a", "b/y", "c/z"} {
		ask.write(name, "12345")
	}
	if err := os.Symlink("../b", ask.path("c/link")); err != nil {
		t.Fatal(err)
	}
	at := func(depth, limit string) url.Values {
		return url.Values{"path": {ask.home}, "depth": {depth}, "limit": {limit}}
	}
	told, isCut := ask.list("/list", at("1", ""))
	mustBe(t, told, []string{"a", "b", "c"})
	mustBe(t, isCut, false)
	told, _ = ask.list("/list", at("9", ""))
	mustBe(t, told, []string{"a", "b", "c", "b/x", "b/y", "c/link", "c/z", "b/x/deep"})
	told, isCut = ask.list("/list", at("9", "3"))
	mustBe(t, told, []string{"a", "b", "c"})
	mustBe(t, isCut, true)
	var link fileFacts
	ask.as(ask.send("GET", "/stat", url.Values{"path": {ask.path("c/link")}, "follow": {"false"}}, nil, nil), &link)
	mustBe(t, []string{link.Type, link.Target, link.TargetType}, []string{"symlink", "../b", "directory"})
	ask.as(ask.send("GET", "/stat", aboutPath(ask.path("c/link")), nil, nil), &link)
	mustBe(t, link.Type, "directory")
	ask.mustRefuse(ask.send("GET", "/list", aboutPath(ask.path("a")), nil, nil), "not_a_directory")
	ask.mustRefuse(ask.send("GET", "/list", at("101", ""), nil, nil), "too_many")
	ask.mustRefuse(ask.send("GET", "/list", aboutPath(ask.path("none")), nil, nil), "file_not_found")
}

func TestAListSaysWhichDirectoriesAreClosed(t *testing.T) {
	ask := newFilesAsker(t)
	if err := os.Mkdir(ask.path("closed"), 0o700); err != nil {
		t.Fatal(err)
	}
	var list struct{ Entries []fileFacts }
	ask.as(ask.send("GET", "/list", url.Values{"path": {ask.home}, "depth": {"3"}}, nil, nil), &list)
	mustBe(t, list.Entries[0].Unread, "permission_denied")
	ask.mustRefuse(ask.send("GET", "/list", aboutPath(ask.path("closed")), nil, nil), "permission_denied")
	// /proc and /sys go on for ever; a list of the root says that they were left out.
	ask.as(ask.send("GET", "/list", url.Values{"path": {"/"}, "depth": {"2"}}, nil, nil), &list)
	for _, entry := range list.Entries {
		if entry.Path == "/proc" && entry.Unread == "" || strings.HasPrefix(entry.Path, "/proc/") {
			t.Errorf("%+v", entry)
			break
		}
	}
}

func TestALargeDirectoryIsCutAndSaysSo(t *testing.T) {
	ask := newFilesAsker(t)
	for index := 0; index < fileEntriesMax+500; index++ {
		if err := os.WriteFile(ask.path(fmt.Sprintf("%05d", index)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	told, isCut := ask.list("/list", aboutPath(ask.home))
	if len(told) != fileEntriesMax || !isCut {
		t.Errorf("%d %v", len(told), isCut)
	}
	var removed filesRemoved
	ask.as(ask.post("/remove", map[string]any{"path": ask.home, "recursive": true, "user": "root"}), &removed)
	mustBe(t, removed.Removed, fileEntriesMax+501)
}

func TestASearchFindsNamesAndPaths(t *testing.T) {
	ask := newFilesAsker(t)
	for _, name := range []string{"src/main.ts", "src/app/main.go", "main.md", "docs/a.md", "MAIN"} {
		ask.write(name, "")
	}
	for pattern, want := range map[string]int{
		"main": 3, "main.*": 3, "*.md": 2, "src/**/main.*": 2, "src/*": 2, "**/*.go": 1, "src/main": 1, "[Mm]*": 4, "nothing": 0, "a?.md": 0,
	} {
		told, _ := ask.list("/search", url.Values{"path": {ask.home}, "pattern": {pattern}})
		if len(told) != want {
			t.Errorf("%s found %v", pattern, told)
		}
	}
	told, isCut := ask.list("/search", url.Values{"path": {ask.home}, "pattern": {"main"}, "limit": {"2"}})
	if len(told) != 2 || !isCut {
		t.Errorf("%v %v", told, isCut)
	}
	for _, pattern := range []string{"", "[", strings.Repeat("x", 4_097)} {
		ask.mustRefuse(ask.send("GET", "/search", url.Values{"path": {ask.home}, "pattern": {pattern}}, nil, nil), "invalid_path")
	}
}

func TestDirectoriesAreMadeWithTheirParents(t *testing.T) {
	ask := newFilesAsker(t)
	var made fileWritten
	ask.as(ask.post("/mkdir", map[string]any{"path": ask.path("a/b/c"), "mode": "0700"}), &made)
	mustBe(t, []any{made.Created, made.File.Mode, made.File.Uid}, []any{true, "0700", 1000})
	ask.as(ask.post("/mkdir", map[string]any{"path": ask.path("a/b/c")}), &made)
	mustBe(t, made.Created, false)
	ask.mustRefuse(ask.post("/mkdir", map[string]any{"path": ask.path("a/b"), "parents": false}), "already_exists")
	ask.mustRefuse(ask.post("/mkdir", map[string]any{"path": ask.path("x/y"), "parents": false}), "file_not_found")
	ask.write("file", "")
	ask.mustRefuse(ask.post("/mkdir", map[string]any{"path": ask.path("file")}), "not_a_directory")
	ask.mustRefuse(ask.post("/mkdir", map[string]any{"path": ask.path("file/x")}), "not_a_directory")
	ask.mustRefuse(ask.post("/mkdir", map[string]any{"path": "/proc/x"}), "file_not_found")
	ask.mustRefuse(ask.post("/mkdir", map[string]any{"path": "/etc/x"}), "permission_denied")
}

func TestModesAreChangedByTheirOwner(t *testing.T) {
	ask := newFilesAsker(t)
	var facts fileFacts
	ask.as(ask.post("/chmod", map[string]any{"path": ask.write("file", ""), "mode": "0750"}), &facts)
	mustBe(t, facts.Mode, "0750")
	ask.mustRefuse(ask.post("/chmod", map[string]any{"path": "/etc/passwd", "mode": "0777"}), "permission_denied")
	for _, mode := range []string{"", "9", "77777", "-1"} {
		ask.mustRefuse(ask.post("/chmod", map[string]any{"path": ask.path("file"), "mode": mode}), "file_refused")
	}
}

func TestWhatIsRemovedIsGoneAndNothingElse(t *testing.T) {
	ask := newFilesAsker(t)
	ask.write("kept/file", "kept")
	deep := "tree" + strings.Repeat("/d", 300)
	ask.write(deep+"/file", "")
	ask.write("tree/x/y", "")
	for _, link := range []string{"tree/link", "tree/d/link", "link"} {
		if err := os.Symlink(ask.path("kept"), ask.path(link)); err != nil {
			t.Fatal(err)
		}
	}
	ask.mustRefuse(ask.post("/remove", map[string]any{"path": ask.path("tree")}), "not_empty")
	ask.as(ask.post("/remove", map[string]any{"path": ask.path("tree"), "recursive": true}), nil)
	ask.as(ask.post("/remove", map[string]any{"path": ask.path("link"), "recursive": true}), nil)
	mustBe(t, ask.names(""), []string{"kept"})
	mustBe(t, ask.read("kept/file"), "kept")
	ask.mustRefuse(ask.post("/remove", map[string]any{"path": ask.path("tree")}), "file_not_found")
	ask.mustRefuse(ask.post("/remove", map[string]any{"path": "/", "recursive": true}), "invalid_path")
	// Who may not remove the directory itself keeps what is in it.
	ask.mustRefuse(ask.post("/remove", map[string]any{"path": ask.home, "recursive": true}), "permission_denied")
	mustBe(t, ask.names(""), []string{"kept"})
}

func TestWhatIsMountedIsNotRemoved(t *testing.T) {
	ask := newFilesAsker(t)
	disk := ask.smallDisk("1")
	ask.as(ask.put(filepath.Join(disk, "file"), []byte("kept")), nil)
	ask.mustRefuse(ask.post("/remove", map[string]any{"path": ask.home, "recursive": true, "user": "root"}), "file_busy")
	mustBe(t, ask.read("small/file"), "kept")
}

func TestAMoveIsOneStepAndReplacesOnlyWhatItMay(t *testing.T) {
	ask := newFilesAsker(t)
	ask.write("from", "moved")
	ask.write("to", "old")
	order := map[string]any{"from": ask.path("from"), "to": ask.path("to"), "overwrite": false}
	ask.mustRefuse(ask.post("/move", order), "already_exists")
	order["overwrite"] = true
	var facts fileFacts
	ask.as(ask.post("/move", order), &facts)
	mustBe(t, []string{ask.read("to"), facts.Name}, []string{"moved", "to"})
	ask.mustRefuse(ask.post("/move", order), "file_not_found")
	ask.write("dir/x", "")
	ask.mustRefuse(ask.post("/move", map[string]any{"from": ask.path("dir"), "to": ask.path("dir/in/itself")}), "invalid_path")
	ask.mustRefuse(ask.post("/move", map[string]any{"from": ask.path("to"), "to": ask.path("dir")}), "is_a_directory")
	ask.as(ask.post("/move", map[string]any{"from": ask.path("dir"), "to": ask.path("new/parent/dir")}), nil)
	mustBe(t, ask.names("new/parent/dir"), []string{"x"})
	ask.mustRefuse(ask.post("/move", map[string]any{"from": "/etc/passwd", "to": ask.path("x")}), "permission_denied")
}

func TestAMoveToAnotherFileSystemIsWholeToo(t *testing.T) {
	ask := newFilesAsker(t)
	disk := ask.smallDisk("4")
	ask.write("tree/sub/file", "text")
	if err := os.Symlink("sub/file", ask.path("tree/link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(ask.path("tree/sub"), 0o555); err != nil {
		t.Fatal(err)
	}
	ask.mustRefuse(ask.post("/move", map[string]any{"from": ask.path("tree"), "to": filepath.Join(disk, "tree")}), "permission_denied")
	mustBe(t, ask.read("tree/sub/file"), "text")
	for _, closed := range []string{"tree/sub", "small/tree/sub"} {
		if err := os.Chmod(ask.path(closed), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ask.as(ask.post("/remove", map[string]any{"path": filepath.Join(disk, "tree"), "recursive": true}), nil)
	ask.as(ask.post("/move", map[string]any{"from": ask.path("tree"), "to": filepath.Join(disk, "tree")}), nil)
	mustBe(t, ask.read("small/tree/sub/file"), "text")
	mustBe(t, ask.names(""), []string{"small"})
	if err := syscall.Mkfifo(ask.path("pipe"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(ask.path("pipe"), 1000, 1000); err != nil {
		t.Fatal(err)
	}
	ask.mustRefuse(ask.post("/move", map[string]any{"from": ask.path("pipe"), "to": filepath.Join(disk, "pipe")}), "not_a_file")
}

func TestACopyIsWholeOrNotThere(t *testing.T) {
	ask := newFilesAsker(t)
	ask.write("tree/sub/file", "text")
	ask.write("tree/script", "#!")
	for _, err := range []error{
		os.Chmod(ask.path("tree/script"), 0o755), os.Symlink("sub/file", ask.path("tree/link")), syscall.Mkfifo(ask.path("tree/pipe"), 0o666),
		os.Chmod(ask.path("tree/sub"), 0o555),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	order := map[string]any{"from": ask.path("tree"), "to": ask.path("copy")}
	ask.mustRefuse(ask.post("/copy", order), "is_a_directory")
	order["recursive"] = true
	ask.as(ask.post("/copy", order), nil)
	mustBe(t, ask.read("copy/link"), "text")
	mustBe(t, ask.names("copy"), []string{"link", "script", "sub"})
	script, _ := os.Stat(ask.path("copy/script"))
	sub, _ := os.Stat(ask.path("copy/sub"))
	mustBe(t, []os.FileMode{script.Mode().Perm(), sub.Mode().Perm()}, []os.FileMode{0o755, 0o555})
	ask.mustRefuse(ask.post("/copy", order), "already_exists")
	for _, within := range []string{"tree/copy", "tree/sub/copy", "tree/link/copy"} {
		order["to"] = ask.path(within)
		if code := ask.refused(ask.post("/copy", order)); code == "" {
			t.Errorf("copied into itself: %s", within)
		}
	}
	// Half of it cannot be read: nothing is there afterwards.
	if err := os.WriteFile(ask.path("tree/secret"), []byte("root's"), 0o600); err != nil {
		t.Fatal(err)
	}
	order["to"] = ask.path("second")
	ask.mustRefuse(ask.post("/copy", order), "permission_denied")
	mustBe(t, ask.names(""), []string{"copy", "tree"})
	ask.as(ask.post("/copy", map[string]any{"from": ask.path("tree/script"), "to": ask.path("tree/script2")}), nil)
	ask.mustRefuse(ask.post("/copy", map[string]any{"from": ask.path("tree/script"), "to": ask.path("tree/script")}), "already_exists")
	ask.as(ask.post("/copy", map[string]any{"from": "/proc/version", "to": ask.path("version")}), nil)
	if ask.read("version") == "" {
		t.Error("what the kernel invents was copied as empty")
	}
}
