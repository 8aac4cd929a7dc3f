package main

import (
	"context"
	"net/http"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func handleCopy(ctx context.Context, response http.ResponseWriter, order *moveOrder) error {
	who, from, to, err := order.read()
	if err != nil {
		return err
	}
	work := copying{who: who, keepsOther: order.keepsOther(), isRecursive: order.Recursive}
	return answerFacts(response, who, to, false, work.copyPath(ctx, from, to, false))
}

// copying makes copies that appear whole. They have the modes and the times of what they are copies of, and belong to the user.
type copying struct {
	who         user
	keepsOther  bool
	isRecursive bool
	// isWhole: what cannot be copied is refused, because the original is about to go.
	isWhole bool
}

// copyPath copies what a path leads to, or the link that it is.
func (c copying) copyPath(ctx context.Context, from, to filePath, keepsLinks bool) error {
	var stat unix.Stat_t
	var link string
	err := asUser(c.who, func() error {
		directory, name, err := openParent(from)
		if err != nil {
			return err
		}
		defer unix.Close(directory)
		flags := 0
		if keepsLinks {
			flags = unix.AT_SYMLINK_NOFOLLOW
		}
		if err := unix.Fstatat(directory, name, &stat, flags); err != nil || !isLink(stat) {
			return err
		}
		link, err = readLinkAt(directory, name)
		return err
	})
	switch {
	case err != nil:
		return about(from, err)
	case isLink(stat):
		return about(to, asUser(c.who, func() error { return c.linkTo(link, to) }))
	case isDirectory(stat):
		if !c.isRecursive && !c.isWhole {
			return about(from, syscall.EISDIR)
		}
		return c.copyTree(ctx, from, to, stat)
	default:
		return c.copyFile(ctx, from, to)
	}
}

// linkTo makes a link of the same words in place of what is there.
func (c copying) linkTo(target string, to filePath) error {
	directory, err := makeDirectories(to.parent())
	if err != nil {
		return err
	}
	defer unix.Close(directory)
	passing, err := newPassingName()
	if err != nil {
		return err
	}
	if err := unix.Symlinkat(target, directory, passing); err != nil {
		return err
	}
	var flags uint
	if c.keepsOther {
		flags = unix.RENAME_NOREPLACE
	}
	if err := unix.Renameat2(directory, passing, directory, to.name(), flags); err != nil {
		_ = unix.Unlinkat(directory, passing, 0)
		return err
	}
	return nil
}

func (c copying) copyFile(ctx context.Context, from, to filePath) error {
	source, stat, err := c.openSource(unix.AT_FDCWD, string(from), 0)
	if err != nil {
		return about(from, err)
	}
	defer unix.Close(source)
	order := stageOrder{usual: stat.Mode & 0o777, bytes: stat.Size, keepsOther: c.keepsOther}
	_, err = writeFile(c.who, to, order, func(staged *stagedFile) error {
		if isSame(staged, stat) {
			return refuseFile("already_exists", "%s is the same file.", textOf(string(to)))
		}
		return fillFrom(ctx, staged, source, stat)
	})
	return err
}

// isSame is whether a copy would replace its own original.
func isSame(staged *stagedFile, stat unix.Stat_t) bool {
	var there unix.Stat_t
	err := unix.Fstatat(staged.directory, staged.name, &there, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && there.Ino == stat.Ino && there.Dev == stat.Dev
}

func (c copying) openSource(directory int, path string, resolve uint64) (file int, stat unix.Stat_t, err error) {
	err = asUser(c.who, func() error {
		var err error
		file, stat, err = openRegular(directory, path, resolve)
		return err
	})
	return file, stat, err
}

// copyTree makes the copy beside the place where it will be, and moves it there when it is whole.
func (c copying) copyTree(ctx context.Context, from, to filePath, stat unix.Stat_t) error {
	source, err := openTree(c.who, from)
	if err != nil {
		return err
	}
	defer unix.Close(source)
	passing, err := newPassingName()
	if err != nil {
		return err
	}
	directory, target := -1, -1
	err = asUser(c.who, func() error {
		if directory, err = makeDirectories(to.parent()); err != nil {
			return err
		}
		if err := mayHold(directory, to.name(), source); err != nil {
			return err
		}
		if err := unix.Mkdirat(directory, passing, 0o700); err != nil {
			return err
		}
		target, err = openAt(directory, passing, openDirectory, withinTree, 0)
		return err
	})
	if directory >= 0 {
		defer unix.Close(directory)
	}
	if err != nil {
		return about(to, err)
	}
	defer unix.Close(target)
	tree := &treeCopy{copying: c, source: source, from: from, target: target, to: to}
	tree.noteMode("", stat.Mode)
	if err = tree.fill(ctx); err == nil {
		err = asUser(c.who, func() error {
			return unix.Renameat2(directory, passing, directory, to.name(), unix.RENAME_NOREPLACE)
		})
	}
	if err != nil {
		// Also when nobody waits any more: half a copy is nothing.
		removed := &removal{who: c.who, root: directory, device: deviceOf(target), path: to.parent()}
		_, _ = removed.remove(context.Background(), passing)
	}
	return about(to, err)
}

func deviceOf(descriptor int) uint64 {
	var stat unix.Stat_t
	_ = unix.Fstat(descriptor, &stat)
	return stat.Dev
}

// mayHold refuses a place that is taken, and one that lies within what is to be copied.
func mayHold(directory int, name string, source int) error {
	var there unix.Stat_t
	if err := unix.Fstatat(directory, name, &there, unix.AT_SYMLINK_NOFOLLOW); !isMissing(err) {
		if err == nil {
			return syscall.EEXIST
		}
		return err
	}
	outer, err := realPathOf(source)
	if err != nil {
		return err
	}
	inner, err := realPathOf(directory)
	if err != nil {
		return err
	}
	if inner == outer || outer == "/" || strings.HasPrefix(inner, outer+"/") {
		return refuseFile("invalid_path", "%s cannot be copied into itself.", textOf(outer))
	}
	return nil
}
