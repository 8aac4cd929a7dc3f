package main

import (
	"archive/tar"
	"io"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func (u *unpacking) entry(header *tar.Header, content io.Reader) error {
	if header.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := nameInArchive(header.Name)
	if err != nil || name == "." {
		return err
	}
	var make func() error
	switch header.Typeflag {
	case tar.TypeDir:
		make = func() error { return u.directory(name, uint32(header.Mode)) }
	case tar.TypeReg, tar.TypeRegA, tar.TypeCont, tar.TypeGNUSparse:
		make = func() error { return u.file(name, header, content) }
	case tar.TypeSymlink:
		make = func() error {
			return u.link(name, func(parent int) error { return unix.Symlinkat(header.Linkname, parent, path.Base(name)) })
		}
	case tar.TypeLink:
		target, err := nameInArchive(header.Linkname)
		if err != nil {
			return err
		}
		make = func() error { return u.hardLink(name, target) }
	default:
		return refuseFile("archive_invalid", "%s is neither a file nor a directory nor a link.", textOf(header.Name))
	}
	if err := u.begin(); err != nil {
		return err
	}
	return about(u.path.below(name), make())
}

// nameInArchive is the path below the directory. A leading slash means nothing, as everywhere.
func nameInArchive(name string) (string, error) {
	relative := strings.TrimLeft(name, "/")
	for _, part := range strings.Split(relative, "/") {
		if part == ".." {
			return "", refuseFile("archive_invalid", "%s climbs out of the archive.", textOf(name))
		}
	}
	if strings.IndexByte(relative, 0) >= 0 || len(relative) >= unix.PathMax {
		return "", refuseFile("archive_invalid", "A name in the archive is none.")
	}
	return path.Clean(relative), nil
}

// parentOf opens the directory in which a name belongs, and makes it. With the rights of the user.
func (u *unpacking) parentOf(name string) (int, error) {
	directory := path.Dir(name)
	parent, err := openAt(u.root, directory, openPlace, withinTree, 0)
	if !isMissing(err) || directory == "." {
		return parent, throughLink(directory, err)
	}
	above, err := u.parentOf(directory)
	if err != nil {
		return -1, err
	}
	defer unix.Close(above)
	if err := unix.Mkdirat(above, path.Base(directory), usualDirectoryMode); err != nil && err != syscall.EEXIST {
		return -1, err
	}
	parent, err = openAt(above, path.Base(directory), openPlace, withinTree, 0)
	return parent, throughLink(directory, err)
}

func throughLink(name string, err error) error {
	if err == syscall.ELOOP || err == syscall.EXDEV {
		return refuseFile("archive_invalid", "%s is a link, and nothing is unpacked through links.", textOf(name))
	}
	return err
}

func (u *unpacking) directory(name string, mode uint32) error {
	mode &= 0o777
	if mode&0o700 != 0o700 {
		if u.closed = append(u.closed, closedDirectory{name, mode}); len(u.closed) > closedModesMax {
			return errWalkEnds
		}
	}
	u.done.Directories++
	return asUser(u.who, func() error {
		parent, err := u.parentOf(name)
		if err != nil {
			return err
		}
		defer unix.Close(parent)
		if err := unix.Mkdirat(parent, path.Base(name), mode|0o700); err != nil && err != syscall.EEXIST {
			return err
		}
		place, err := openAt(parent, path.Base(name), openDirectory, withinTree, 0)
		if err != nil {
			return throughLink(name, err)
		}
		defer unix.Close(place)
		return unix.Fchmod(place, mode|0o700)
	})
}

func (u *unpacking) file(name string, header *tar.Header, content io.Reader) error {
	if err := u.mustFit(header.Size); err != nil {
		return err
	}
	mode := uint32(header.Mode) & 0o777
	var staged *stagedFile
	err := asUser(u.who, func() error {
		parent, err := u.parentOf(name)
		if err != nil {
			return err
		}
		staged, err = stageAt(u.who, parent, path.Base(name), stageOrder{mode: &mode})
		return err
	})
	if err != nil {
		return err
	}
	defer staged.drop()
	if err := u.fill(staged, content); err != nil {
		return err
	}
	if err := setModified(staged.file, unix.Timespec{Sec: header.ModTime.Unix(), Nsec: int64(header.ModTime.Nanosecond())}); err != nil {
		return err
	}
	u.done.Files++
	u.done.Bytes += header.Size
	return asUser(u.who, func() error { return staged.publish(false) })
}

func (u *unpacking) fill(staged *stagedFile, content io.Reader) error {
	chunk := fileChunks.Get().(*[fileChunkBytes]byte)
	defer fileChunks.Put(chunk)
	for {
		count, err := content.Read(chunk[:])
		if count > 0 {
			if _, failed := staged.Write(chunk[:count]); failed != nil {
				return failed
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return archiveError(err)
		}
	}
}

// mustFit refuses at once what the disk has no room for: a few bytes of an archive can stand for any number.
func (u *unpacking) mustFit(bytes int64) error {
	var disk unix.Statfs_t
	if err := unix.Fstatfs(u.root, &disk); err != nil {
		return err
	}
	if bytes > 0 && uint64(bytes) > disk.Bavail*uint64(disk.Bsize) {
		return syscall.ENOSPC
	}
	return nil
}

// link puts a link in place of what is there.
func (u *unpacking) link(name string, make func(parent int) error) error {
	u.done.Files++
	return asUser(u.who, func() error {
		parent, err := u.parentOf(name)
		if err != nil {
			return err
		}
		defer unix.Close(parent)
		if err = make(parent); err != syscall.EEXIST {
			return err
		}
		if err := unix.Unlinkat(parent, path.Base(name), 0); err != nil {
			return err
		}
		return make(parent)
	})
}

// hardLink leads to what the archive has unpacked before, or to what was there, and never out of the directory.
func (u *unpacking) hardLink(name, target string) error {
	if target == name {
		return nil
	}
	return u.link(name, func(parent int) error {
		from, err := openAt(u.root, path.Dir(target), openPlace, withinTree, 0)
		if err != nil {
			return throughLink(target, err)
		}
		defer unix.Close(from)
		return unix.Linkat(from, path.Base(target), parent, path.Base(name), 0)
	})
}
