package main

import (
	"context"
	"errors"
	"sort"
	"syscall"

	"golang.org/x/sys/unix"
)

// walk looks at everything below a directory, one directory after another, and holds no more than two of them open. Nobody else
// is waited for with the rights of the user: a directory is read in pieces, and each piece is visited afterwards.
type walk struct {
	who  user
	root int
	path filePath
	// isByLevel: all of one depth before the next, in the order of their names; otherwise in whatever order is cheapest.
	isByLevel bool
	// entriesMax of one directory are read when they are to be put in order.
	entriesMax int
	depthMax   int
	// unread hears of a directory that could not be looked into; what it returns ends the walk.
	unread func(directory walkedDirectory, err error) error

	isInvented bool
}

// walkedDirectory is one that is to be looked into. Its relative path is empty for the root of the walk.
type walkedDirectory struct {
	relative string
	depth    int
	// tag is whatever the visitor wanted to be reminded of.
	tag int
}

// walkedEntry is one that is there: `directory` is open for as long as it is visited.
type walkedEntry struct {
	directory int
	name      string
	relative  string
	stat      unix.Stat_t
	depth     int
}

// visitor says whether a directory is to be looked into, and what it wants to be reminded of then.
type visitor func(entry walkedEntry) (tag int, descends bool, err error)

var errWalkEnds = refuseFile("too_many", "That is more than one request looks at.")

func (w *walk) each(ctx context.Context, visit visitor) error {
	ahead := []walkedDirectory{{}}
	for len(ahead) > 0 {
		var directory walkedDirectory
		if w.isByLevel {
			directory, ahead = ahead[0], ahead[1:]
		} else {
			directory, ahead = ahead[len(ahead)-1], ahead[:len(ahead)-1]
		}
		err := w.lookInto(ctx, directory, func(entry walkedEntry) error {
			tag, descends, err := visit(entry)
			if err != nil || !descends || !isDirectory(entry.stat) || entry.depth >= w.depthMax {
				return err
			}
			if len(ahead) >= directoriesAheadMax {
				return errWalkEnds
			}
			ahead = append(ahead, walkedDirectory{entry.relative, entry.depth, tag})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) lookInto(ctx context.Context, directory walkedDirectory, visit func(walkedEntry) error) error {
	listing, err := w.open(directory)
	if err != nil {
		if directory.depth == 0 {
			return about(w.path, err)
		}
		// What is gone by now, or is none any more, is nothing to report.
		if err == syscall.ENOENT || err == syscall.ENOTDIR {
			return nil
		}
		return w.unread(directory, about(w.path.below(directory.relative), err))
	}
	defer listing.close()
	for {
		if ctx.Err() != nil {
			return errBrokenOff
		}
		entries, err := w.readSome(listing, directory)
		if err != nil || len(entries) == 0 {
			return about(w.path.below(directory.relative), err)
		}
		for _, entry := range entries {
			if err := visit(entry); err != nil {
				return err
			}
		}
	}
}

func (w *walk) open(directory walkedDirectory) (listing *directoryListing, err error) {
	err = asUser(w.who, func() error {
		path, resolve := directory.relative, uint64(withinTree)
		if path == "" {
			path = "."
		}
		descriptor, err := openAt(w.root, path, openDirectory, resolve, 0)
		if err != nil {
			return err
		}
		if directory.depth == 0 {
			w.isInvented = isInvented(descriptor)
		} else if !w.isInvented && isInvented(descriptor) {
			_ = unix.Close(descriptor)
			return errInvented
		}
		listing = &directoryListing{descriptor: descriptor}
		return nil
	})
	return listing, err
}

// errInvented keeps a walk out of /proc and its like, unless it began there.
var errInvented = errors.New("it belongs to the kernel")

// isInvented is whether a directory is of a file system that the kernel invents as one looks.
func isInvented(descriptor int) bool {
	kind, err := fileSystemOf(descriptor)
	return err != nil || kind == unix.PROC_SUPER_MAGIC || kind == unix.SYSFS_MAGIC || kind == unix.CGROUP2_SUPER_MAGIC
}

// readSome is empty at the end of a directory.
func (w *walk) readSome(listing *directoryListing, directory walkedDirectory) (entries []walkedEntry, err error) {
	err = asUser(w.who, func() error {
		for len(entries) == 0 {
			names, err := listing.next(w.namesAtOnce())
			if err != nil || len(names) == 0 {
				return err
			}
			if w.isByLevel {
				sort.Strings(names)
			}
			entries = w.lookAtEach(listing.descriptor, names, directory)
		}
		return nil
	})
	return entries, err
}

func (w *walk) namesAtOnce() int {
	if w.isByLevel {
		return w.entriesMax
	}
	return 1
}

func (w *walk) lookAtEach(directory int, names []string, below walkedDirectory) []walkedEntry {
	entries := make([]walkedEntry, 0, len(names))
	for _, name := range names {
		entry := walkedEntry{directory: directory, name: name, relative: name, depth: below.depth + 1}
		if below.relative != "" {
			entry.relative = below.relative + "/" + name
		}
		if unix.Fstatat(directory, name, &entry.stat, unix.AT_SYMLINK_NOFOLLOW) == nil {
			entries = append(entries, entry)
		}
	}
	return entries
}

// directoryListing reads the names in a directory.
type directoryListing struct {
	descriptor int
	isAtEnd    bool
}

// next reads at least so many names, if there are as many, and none at the end.
func (l *directoryListing) next(atLeast int) (names []string, err error) {
	buffer := make([]byte, directoryBatchBytes)
	for !l.isAtEnd && len(names) < atLeast {
		count, err := unix.ReadDirent(l.descriptor, buffer)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		l.isAtEnd = count == 0
		_, _, names = unix.ParseDirent(buffer[:count], -1, names)
	}
	return names, nil
}

func (l *directoryListing) close() { _ = unix.Close(l.descriptor) }
