package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

type mount struct {
	source, target, kind string
	flags                uintptr
	options              string
}

const quiet = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

var earlyMounts = []mount{
	{"devtmpfs", "/dev", "devtmpfs", unix.MS_NOSUID, "mode=0755"},
	{"proc", "/proc", "proc", quiet, ""},
	{"sysfs", "/sys", "sysfs", quiet, ""},
}

// /tmp is on the disk on purpose: a sandbox may put more there than it has memory, and a pause keeps it either way.
var lateMounts = []mount{
	{"devpts", "/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666"},
	{"tmpfs", "/dev/shm", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
	{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755,size=25%"},
	{"cgroup2", "/sys/fs/cgroup", "cgroup2", quiet, ""},
}

// deviceLinks are what a udev would have made.
var deviceLinks = map[string]string{
	"/dev/fd":     "/proc/self/fd",
	"/dev/stdin":  "/proc/self/fd/0",
	"/dev/stdout": "/proc/self/fd/1",
	"/dev/stderr": "/proc/self/fd/2",
}

func mountEarly() error { return mountAll(earlyMounts) }

func mountLate() error {
	if err := mountAll(lateMounts); err != nil {
		return err
	}
	for link, target := range deviceLinks {
		if err := os.Symlink(target, link); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}

func mountAll(mounts []mount) error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.options); err != nil {
			return fmt.Errorf("%s: %w", m.target, err)
		}
	}
	return nil
}

const newRoot = "/newroot"

// switchRoot makes the disk the root and gives the initramfs's memory back. The agent goes on running from a file that no
// longer has a name, so nothing in the guest can replace it.
func switchRoot() error {
	for _, m := range earlyMounts {
		if err := unix.Mount(m.target, filepath.Join(newRoot, m.target), "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("%s: %w", m.target, err)
		}
	}
	for _, leftover := range []string{"/init", moduleDir} {
		if err := os.RemoveAll(leftover); err != nil {
			return err
		}
	}
	if err := os.Chdir(newRoot); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return err
	}
	return unix.Chroot(".")
}
