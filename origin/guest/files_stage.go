package main

import (
	"crypto/rand"
	"encoding/hex"
	"path"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// stagedFile is a file that nobody sees until it is whole. It has no name meanwhile, so that whatever ends it leaves nothing.
//
//	stage -> write ... -> publish     it is there now, in place of what was there before
//	                   -> drop        it never was
type stagedFile struct {
	file int
	// Where it will be.
	directory int
	name      string
	// replaces: a file of this name was there when it was staged.
	replaces bool
	// passing is the name that it has already, in a file system that keeps none without.
	passing string
}

type stageOrder struct {
	// mode is what it shall have; nil leaves what it replaces, or else what is usual, as it is.
	mode *uint32
	// usual is for what was not there before.
	usual uint32
	// bytes are kept free for it, when they are many.
	bytes int64
	// keepsOther: what is there already stays.
	keepsOther bool
}

const (
	usualFileMode      = 0o644
	usualDirectoryMode = 0o755
	// passingPrefix begins the names of what is about to be something else; a watch does not tell of them.
	passingPrefix = ".atoll-passing-"
)

func newPassingName() (string, error) {
	var random [8]byte
	_, err := rand.Read(random[:])
	return passingPrefix + hex.EncodeToString(random[:]), err
}

func isPassing(name string) bool { return strings.HasPrefix(name, passingPrefix) }

// stagePath stages the file that a path leads to; parents are made, and links at its end followed. With the rights of the user.
func stagePath(who user, full filePath, order stageOrder) (*stagedFile, error) {
	directory, err := makeDirectories(full.parent())
	if err != nil {
		return nil, err
	}
	name := full.name()
	for follows := 0; follows < linksFollowedMax; follows++ {
		var stat unix.Stat_t
		err := unix.Fstatat(directory, name, &stat, unix.AT_SYMLINK_NOFOLLOW)
		if err != nil || !isLink(stat) {
			return stageAt(who, directory, name, order)
		}
		target, err := readLinkAt(directory, name)
		if err != nil {
			_ = unix.Close(directory)
			return nil, err
		}
		next, err := openAt(directory, path.Dir(target), openPlace, 0, 0)
		_ = unix.Close(directory)
		if err != nil {
			return nil, err
		}
		directory, name = next, path.Base(target)
	}
	_ = unix.Close(directory)
	return nil, syscall.ELOOP
}

// stageAt stages a file of a directory, which it closes when it is done. With the rights of the user.
func stageAt(who user, directory int, name string, order stageOrder) (*stagedFile, error) {
	staged := &stagedFile{file: -1, directory: directory, name: name}
	if err := staged.begin(who, order); err != nil {
		staged.drop()
		return nil, err
	}
	return staged, nil
}

func (s *stagedFile) begin(who user, order stageOrder) error {
	var there unix.Stat_t
	err := unix.Fstatat(s.directory, s.name, &there, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil && !isMissing(err) {
		return err
	}
	s.replaces = err == nil
	if s.replaces {
		if err := mayReplace(s.directory, s.name, there, order); err != nil {
			return err
		}
	}
	if err := s.open(); err != nil {
		return err
	}
	mode := order.usual
	if s.replaces && isRegular(there) {
		mode = there.Mode & 0o777
		// What root writes into somebody's file stays theirs.
		if who.id == 0 {
			if err := unix.Fchown(s.file, int(there.Uid), int(there.Gid)); err != nil {
				return err
			}
		}
	}
	if order.mode != nil {
		mode = *order.mode
	}
	if err := unix.Fchmod(s.file, mode); err != nil {
		return err
	}
	return s.reserve(order.bytes)
}

// mayReplace asks the kernel what it would say to somebody who wrote into the file itself.
func mayReplace(directory int, name string, there unix.Stat_t, order stageOrder) error {
	switch {
	case order.keepsOther:
		return syscall.EEXIST
	case isDirectory(there):
		return syscall.EISDIR
	case isLink(there):
		return nil
	case !isRegular(there):
		return syscall.ENXIO
	default:
		return unix.Faccessat2(directory, name, unix.W_OK, unix.AT_EACCESS|unix.AT_SYMLINK_NOFOLLOW)
	}
}

func (s *stagedFile) open() error {
	file, err := openAt(s.directory, ".", unix.O_TMPFILE|unix.O_RDWR, 0, 0o600)
	passing := ""
	if err == syscall.EOPNOTSUPP || err == syscall.EISDIR {
		if passing, err = newPassingName(); err != nil {
			return err
		}
		file, err = openAt(s.directory, passing, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_NOFOLLOW, 0, 0o600)
	}
	if err != nil {
		return err
	}
	s.file, s.passing = file, passing
	return nil
}

// reserve finds out now whether the disk has room, not after all of it was sent.
func (s *stagedFile) reserve(bytes int64) error {
	if bytes < reserveFromBytes {
		return nil
	}
	err := unix.Fallocate(s.file, unix.FALLOC_FL_KEEP_SIZE, 0, bytes)
	if err == syscall.EOPNOTSUPP || err == syscall.ENOSYS {
		return nil
	}
	return err
}

func (s *stagedFile) Write(bytes []byte) (int, error) {
	written := 0
	for written < len(bytes) {
		count, err := unix.Write(s.file, bytes[written:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return written, err
		}
		written += count
	}
	return written, nil
}

// publish gives the file its name. With the rights of the user.
func (s *stagedFile) publish(keepsOther bool) (err error) {
	own := "/proc/self/fd/" + strconv.Itoa(s.file)
	if s.passing == "" && !s.replaces {
		err := unix.Linkat(unix.AT_FDCWD, own, s.directory, s.name, unix.AT_SYMLINK_FOLLOW)
		if err != syscall.EEXIST || keepsOther {
			return err
		}
	}
	if s.passing == "" {
		passing, err := newPassingName()
		if err != nil {
			return err
		}
		if err := unix.Linkat(unix.AT_FDCWD, own, s.directory, passing, unix.AT_SYMLINK_FOLLOW); err != nil {
			return err
		}
		s.passing = passing
	}
	var flags uint
	if keepsOther {
		flags = unix.RENAME_NOREPLACE
	}
	if err := unix.Renameat2(s.directory, s.passing, s.directory, s.name, flags); err != nil {
		return err
	}
	s.passing = ""
	return nil
}

// drop gives back what it holds; what was published stays.
func (s *stagedFile) drop() {
	if s.passing != "" {
		_ = unix.Unlinkat(s.directory, s.passing, 0)
	}
	if s.file >= 0 {
		_ = unix.Close(s.file)
	}
	_ = unix.Close(s.directory)
}

// setModified gives an open file a time; when it was last read is nobody's concern.
func setModified(file int, modified unix.Timespec) error {
	omitted := unix.Timespec{Nsec: unix.UTIME_OMIT}
	return unix.UtimesNanoAt(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(file), []unix.Timespec{omitted, modified}, 0)
}
