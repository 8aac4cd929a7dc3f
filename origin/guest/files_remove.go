package main

import (
	"context"
	"net/http"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

type removeOrder struct {
	Path      pathField `json:"path"`
	User      string    `json:"user"`
	Recursive bool      `json:"recursive"`
}

type filesRemoved struct {
	Removed int `json:"removed"`
}

func handleRemove(ctx context.Context, response http.ResponseWriter, order *removeOrder) error {
	who, path, err := whoAndPath(order.User, order.Path)
	if err != nil {
		return err
	}
	removed, err := removePath(ctx, who, path, order.Recursive)
	if err != nil {
		return about(path, err)
	}
	writeJSON(response, http.StatusOK, filesRemoved{removed})
	return nil
}

func removePath(ctx context.Context, who user, path filePath, isRecursive bool) (removed int, err error) {
	if path == "/" {
		return 0, refuseFile("invalid_path", "The root of the machine is not removed.")
	}
	directory := -1
	var name string
	var stat unix.Stat_t
	err = asUser(who, func() (err error) {
		if directory, name, err = openParent(path); err != nil {
			return err
		}
		if err = unix.Fstatat(directory, name, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		// Before anything below it is gone: who may not remove the directory itself is told so now.
		return unix.Faccessat2(directory, ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	})
	if directory >= 0 {
		defer unix.Close(directory)
	}
	if err != nil {
		return 0, err
	}
	if isRecursive && isDirectory(stat) {
		tree := &removal{who: who, root: directory, device: stat.Dev, path: path.parent()}
		return tree.remove(ctx, name)
	}
	flags := 0
	if isDirectory(stat) {
		flags = unix.AT_REMOVEDIR
	}
	err = asUser(who, func() error { return unix.Unlinkat(directory, name, flags) })
	return 1, err
}

// removal takes a tree away from its leaves on. It stays in its file system, and never goes through a link.
type removal struct {
	who     user
	root    int
	device  uint64
	path    filePath
	removed int
}

// emptied is a directory that is to be removed: its files are gone, and what was below it too when it comes up again.
type emptied struct {
	relative string
	isSeen   bool
}

func (r *removal) remove(ctx context.Context, name string) (removed int, err error) {
	ahead := []emptied{{relative: name}}
	for len(ahead) > 0 {
		if ctx.Err() != nil {
			return r.removed, errBrokenOff
		}
		last := &ahead[len(ahead)-1]
		if last.isSeen {
			err := asUser(r.who, func() error { return r.unlink(last.relative, unix.AT_REMOVEDIR) })
			if err != nil && !isMissing(err) {
				return r.removed, about(r.path.below(last.relative), err)
			}
			r.removed++
			ahead = ahead[:len(ahead)-1]
			continue
		}
		last.isSeen = true
		relative := last.relative
		var below []string
		err := asUser(r.who, func() (err error) {
			below, err = r.empty(relative)
			return err
		})
		if err != nil && !isMissing(err) {
			return r.removed, about(r.path.below(relative), err)
		}
		if len(ahead)+len(below) > directoriesAheadMax {
			return r.removed, errWalkEnds
		}
		for _, name := range below {
			ahead = append(ahead, emptied{relative: relative + "/" + name})
		}
	}
	return r.removed, nil
}

// empty removes what is no directory, and returns the names of what is.
func (r *removal) empty(relative string) (directories []string, err error) {
	directory, err := openAt(r.root, relative, openDirectory, withinTree, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(directory)
	var stat unix.Stat_t
	if err := unix.Fstat(directory, &stat); err != nil {
		return nil, err
	}
	if stat.Dev != r.device {
		return nil, unix.EBUSY
	}
	listing := &directoryListing{descriptor: directory}
	for {
		names, err := listing.next(1)
		if err != nil || len(names) == 0 {
			return directories, err
		}
		for _, name := range names {
			err := unix.Unlinkat(directory, name, 0)
			switch {
			case err == nil:
				r.removed++
			case err == unix.EISDIR:
				directories = append(directories, name)
			case !isMissing(err):
				return nil, about(r.path.below(relative+"/"+name), err)
			}
		}
	}
}

// unlink finds the parent anew, because nobody held it open all the while.
func (r *removal) unlink(relative string, flags int) error {
	if !strings.Contains(relative, "/") {
		return unix.Unlinkat(r.root, relative, flags)
	}
	parent, err := openAt(r.root, path.Dir(relative), openPlace, withinTree, 0)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	return unix.Unlinkat(parent, path.Base(relative), flags)
}
