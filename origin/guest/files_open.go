package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Everything is found from a directory that is held open, by openat2, without the magic links of /proc: those would lead past the
// directories that a user may not enter, into what the agent itself has open.

const (
	openDirectory = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NONBLOCK
	openPlace     = unix.O_PATH | unix.O_DIRECTORY
	// withinTree is for what lies in a tree that others may be changing meanwhile: no link leads out of it.
	withinTree = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS
)

func openAt(directory int, path string, flags int, resolve uint64, mode uint32) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC | unix.O_NOCTTY | unix.O_LARGEFILE),
		Resolve: resolve | unix.RESOLVE_NO_MAGICLINKS,
		Mode:    uint64(mode),
	}
	// O_PATH goes with few others.
	if flags&unix.O_PATH != 0 {
		how.Flags = uint64(flags | unix.O_CLOEXEC)
	}
	for tries := 1; ; tries++ {
		descriptor, err := unix.Openat2(directory, path, &how)
		// EAGAIN: something on the way was renamed in this moment.
		if err == syscall.EINTR || (err == syscall.EAGAIN && tries < openTriesMax) {
			continue
		}
		if err != nil {
			return -1, err
		}
		if isAgentsOwn(descriptor) {
			_ = unix.Close(descriptor)
			return -1, syscall.EACCES
		}
		return descriptor, nil
	}
}

// isAgentsOwn is whether this is in the agent's own directory of /proc: to itself the kernel denies nothing there. Only root may
// see it, as in any other process.
func isAgentsOwn(descriptor int) bool {
	if user, _ := unix.SetfsuidRetUid(-1); user == 0 {
		return false
	}
	if kind, err := fileSystemOf(descriptor); err != nil || kind != unix.PROC_SUPER_MAGIC {
		return err != nil
	}
	path, err := realPathOf(descriptor)
	own := "/proc/" + strconv.Itoa(os.Getpid())
	return err != nil || path == own || strings.HasPrefix(path, own+"/")
}

func fileSystemOf(descriptor int) (int64, error) {
	var stat unix.Statfs_t
	err := unix.Fstatfs(descriptor, &stat)
	return stat.Type, err
}

// realPathOf is where something is, without any link.
func realPathOf(descriptor int) (string, error) {
	return readLinkAt(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(descriptor))
}

func readLinkAt(directory int, name string) (string, error) {
	buffer := make([]byte, unix.PathMax)
	count, err := unix.Readlinkat(directory, name, buffer)
	if err != nil {
		return "", err
	}
	return string(buffer[:count]), nil
}

// openParent opens the directory in which a path's last name stands. The root stands in itself.
func openParent(path filePath) (directory int, name string, err error) {
	directory, err = openAt(unix.AT_FDCWD, string(path.parent()), openPlace, 0, 0)
	if path == "/" {
		return directory, ".", err
	}
	return directory, path.name(), err
}

// openRegular opens a file for reading, and nothing but a file: a pipe would wait for its writer, and a device may do anything.
func openRegular(directory int, path string, resolve uint64) (descriptor int, stat unix.Stat_t, err error) {
	place, err := openAt(directory, path, unix.O_PATH, resolve, 0)
	if err != nil {
		return -1, stat, err
	}
	err = unix.Fstat(place, &stat)
	_ = unix.Close(place)
	if err == nil {
		err = mustBeRegular(stat)
	}
	if err != nil {
		return -1, stat, err
	}
	// What took its place meanwhile is opened without waiting, and closed again.
	if descriptor, err = openAt(directory, path, unix.O_RDONLY|unix.O_NONBLOCK, resolve, 0); err != nil {
		return -1, stat, err
	}
	if err = unix.Fstat(descriptor, &stat); err == nil {
		err = mustBeRegular(stat)
	}
	if err != nil {
		_ = unix.Close(descriptor)
	}
	return descriptor, stat, err
}

func mustBeRegular(stat unix.Stat_t) error {
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return nil
	case unix.S_IFDIR:
		return syscall.EISDIR
	default:
		return syscall.ENXIO
	}
}
