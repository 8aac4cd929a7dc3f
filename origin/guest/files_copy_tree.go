package main

import (
	"context"
	"path"
	"syscall"

	"golang.org/x/sys/unix"
)

// treeCopy fills a new directory with what is in another one.
type treeCopy struct {
	copying
	source, target int
	from, to       filePath
	entries        int
	// closed are directories whose own modes would have kept them from being filled.
	closed []closedDirectory
}

type closedDirectory struct {
	relative string
	mode     uint32
}

func (t *treeCopy) fill(ctx context.Context) error {
	walked := &walk{
		who: t.who, root: t.source, path: t.from, depthMax: treeEntriesMax,
		unread: func(_ walkedDirectory, err error) error {
			if err == errInvented && !t.isWhole {
				return nil
			}
			return err
		},
	}
	err := walked.each(ctx, func(entry walkedEntry) (int, bool, error) {
		if t.entries++; t.entries > treeEntriesMax {
			return 0, false, errWalkEnds
		}
		return 0, true, about(t.from.below(entry.relative), t.copyEntry(ctx, entry))
	})
	if err != nil {
		return err
	}
	return t.close()
}

func (t *treeCopy) copyEntry(ctx context.Context, entry walkedEntry) error {
	switch entry.stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		t.noteMode(entry.relative, entry.stat.Mode)
		if len(t.closed) > closedModesMax {
			return errWalkEnds
		}
		return t.inParent(entry, func(parent int) error {
			return unix.Mkdirat(parent, entry.name, entry.stat.Mode&0o777|0o700)
		})
	case unix.S_IFLNK:
		return t.inParent(entry, func(parent int) error {
			target, err := readLinkAt(entry.directory, entry.name)
			if err != nil {
				return err
			}
			return unix.Symlinkat(target, parent, entry.name)
		})
	case unix.S_IFREG:
		return t.copyRegular(ctx, entry)
	default:
		if t.isWhole {
			return syscall.ENXIO
		}
		return nil
	}
}

func (t *treeCopy) copyRegular(ctx context.Context, entry walkedEntry) error {
	source, stat, err := t.openSource(entry.directory, entry.name, withinTree)
	if err != nil {
		return err
	}
	defer unix.Close(source)
	target := -1
	err = t.inParent(entry, func(parent int) (err error) {
		target, err = openAt(parent, entry.name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, withinTree, stat.Mode&0o777)
		if err == nil {
			err = unix.Fchmod(target, stat.Mode&0o777)
		}
		return err
	})
	if target >= 0 {
		defer unix.Close(target)
	}
	if err != nil {
		return err
	}
	return fillFrom(ctx, &stagedFile{file: target}, source, stat)
}

// inParent does something in the directory of the copy in which an entry belongs. With the rights of the user.
func (t *treeCopy) inParent(entry walkedEntry, do func(parent int) error) error {
	return asUser(t.who, func() error {
		parent, err := openAt(t.target, path.Dir(entry.relative), openPlace, withinTree, 0)
		if err != nil {
			return err
		}
		defer unix.Close(parent)
		return do(parent)
	})
}

func (t *treeCopy) noteMode(relative string, mode uint32) {
	if mode&0o700 != 0o700 || relative == "" {
		t.closed = append(t.closed, closedDirectory{relative, mode & 0o777})
	}
}

// close gives the directories their own modes, the innermost first.
func (t *treeCopy) close() error {
	return asUser(t.who, func() error { return closeDirectories(t.target, t.closed) })
}

func closeDirectories(root int, closed []closedDirectory) error {
	for index := len(closed) - 1; index >= 0; index-- {
		relative := closed[index].relative
		if relative == "" {
			relative = "."
		}
		directory, err := openAt(root, relative, openDirectory, withinTree, 0)
		if err != nil {
			return err
		}
		err = unix.Fchmod(directory, closed[index].mode)
		_ = unix.Close(directory)
		if err != nil {
			return err
		}
	}
	return nil
}

// fillFrom copies a file's bytes inside of the kernel where it can, and its time.
func fillFrom(ctx context.Context, staged *stagedFile, source int, stat unix.Stat_t) error {
	isShort := stat.Size == 0
	for !isShort {
		if ctx.Err() != nil {
			return errBrokenOff
		}
		count, err := unix.CopyFileRange(source, nil, staged.file, nil, copyAtOnceBytes, 0)
		if err == syscall.EINTR {
			continue
		}
		if err == syscall.ENOSPC || err == syscall.EDQUOT || err == syscall.EIO {
			return err
		}
		isShort = err != nil || count == 0
	}
	// What the kernel does not copy by itself, or what says that it is empty, goes through here; mostly nothing is left.
	chunk := fileChunks.Get().(*[fileChunkBytes]byte)
	defer fileChunks.Put(chunk)
	for {
		if ctx.Err() != nil {
			return errBrokenOff
		}
		count, err := readFrom(source, chunk[:], -1)
		if err != nil {
			return err
		}
		if count == 0 {
			break
		}
		if _, err := staged.Write(chunk[:count]); err != nil {
			return err
		}
	}
	return setModified(staged.file, stat.Mtim)
}
