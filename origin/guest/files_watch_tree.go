package main

import (
	"context"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	watchedEvents = unix.IN_CREATE | unix.IN_MODIFY | unix.IN_CLOSE_WRITE | unix.IN_ATTRIB | unix.IN_DELETE |
		unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR | unix.IN_EXCL_UNLINK

	missedEvents      = "events"
	missedDirectories = "directories"
)

// watchedTree is a directory with those below it, as the kernel tells of them.
type watchedTree struct {
	who  user
	path filePath
	// only is the one name that is asked about, when the path is a file: its directory is watched, because a file that is
	// replaced is another one.
	only        string
	isRecursive bool
	inotify     int
	// directories by what the kernel calls them; the root is the empty path.
	directories map[int32]string
	// moved are those that left their place and have not been seen at another one.
	moved   map[uint32]movedEntry
	movedAt time.Time
	// missed says why not everything is told, until somebody was told so.
	missed string
}

type movedEntry struct {
	relative string
	isDir    bool
}

func newWatchedTree(ctx context.Context, who user, asked filePath, isRecursive bool) (*watchedTree, error) {
	inotify, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, about(asked, err)
	}
	tree := &watchedTree{
		who: who, path: asked, isRecursive: isRecursive, inotify: inotify, directories: map[int32]string{},
		moved: map[uint32]movedEntry{},
	}
	err = asUser(who, tree.begin)
	if err == nil {
		err = tree.watchBelow(ctx, "", nil)
	}
	if err == syscall.ENOSPC {
		err = refuseFile("too_many", "The machine watches as many directories as its kernel lets it.")
	}
	if err != nil {
		tree.close()
		return nil, about(asked, err)
	}
	return tree, nil
}

func (t *watchedTree) begin() error {
	err := t.watch("")
	if err != syscall.ENOTDIR {
		return err
	}
	place, err := openAt(unix.AT_FDCWD, string(t.path), unix.O_PATH, 0, 0)
	if err != nil {
		return err
	}
	_ = unix.Close(place)
	t.only, t.path, t.isRecursive = t.path.name(), t.path.parent(), false
	return t.watch("")
}

func (t *watchedTree) close() { _ = unix.Close(t.inotify) }

// open opens a directory of the tree for a moment: a root that were held open would not be told of when it is removed. With the
// rights of the user.
func (t *watchedTree) open(relative string) (int, error) {
	root, err := openAt(unix.AT_FDCWD, string(t.path), openPlace, 0, 0)
	if err != nil || relative == "" || relative == "." {
		return root, err
	}
	defer unix.Close(root)
	return openAt(root, relative, openPlace, withinTree, 0)
}

// watch asks the kernel to tell of one directory. With the rights of the user, who must be able to list it.
func (t *watchedTree) watch(relative string) error {
	if len(t.directories) >= watchedMax {
		return syscall.ENOSPC
	}
	place, err := t.open(relative)
	if err != nil {
		return err
	}
	defer unix.Close(place)
	descriptor, err := unix.InotifyAddWatch(t.inotify, "/proc/self/fd/"+strconv.Itoa(place), watchedEvents)
	if err == nil {
		t.directories[int32(descriptor)] = relative
	}
	return err
}

// watchBelow watches what is below a directory that is watched. Each is watched before it is looked into, so that nothing is
// missed in between; what is found is told, if somebody wants to know.
func (t *watchedTree) watchBelow(ctx context.Context, relative string, tell func(change)) error {
	if !t.isRecursive {
		return nil
	}
	var root int
	err := asUser(t.who, func() (err error) {
		root, err = t.open(relative)
		return err
	})
	if err != nil {
		return nil
	}
	defer unix.Close(root)
	found := &walk{who: t.who, root: root, path: t.path.below(relative), depthMax: treeEntriesMax, unread: passOver}
	err = found.each(ctx, func(entry walkedEntry) (int, bool, error) {
		if isPassing(entry.name) {
			return 0, false, nil
		}
		full := path.Join(relative, entry.relative)
		if tell != nil {
			tell(change{kind: changeCreated, relative: full, isDir: isDirectory(entry.stat)})
		}
		if !isDirectory(entry.stat) {
			return 0, false, nil
		}
		return 0, true, t.watchOrMiss(full)
	})
	if err == errWalkEnds {
		t.missed = missedDirectories
		return nil
	}
	return err
}

// watchOrMiss passes over a directory that is gone by now, or is closed to the user.
func (t *watchedTree) watchOrMiss(relative string) error {
	err := asUser(t.who, func() error { return t.watch(relative) })
	if err == syscall.ENOSPC {
		return errWalkEnds
	}
	return nil
}

func (t *watchedTree) stat(relative string, into *unix.Stat_t) error {
	parent, err := t.open(path.Dir(relative))
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	return unix.Fstatat(parent, path.Base(relative), into, unix.AT_SYMLINK_NOFOLLOW)
}

// rename follows a directory to its new place with all that is below it.
func (t *watchedTree) rename(from, to string) {
	for descriptor, relative := range t.directories {
		if relative == from {
			t.directories[descriptor] = to
		} else if strings.HasPrefix(relative, from+"/") {
			t.directories[descriptor] = to + relative[len(from):]
		}
	}
}

// forgetMoved ends the watch of directories that were moved away.
func (t *watchedTree) forgetMoved() {
	for cookie, left := range t.moved {
		delete(t.moved, cookie)
		if !left.isDir {
			continue
		}
		for descriptor, relative := range t.directories {
			if relative == left.relative || strings.HasPrefix(relative, left.relative+"/") {
				_, _ = unix.InotifyRmWatch(t.inotify, uint32(descriptor))
				delete(t.directories, descriptor)
			}
		}
	}
}
