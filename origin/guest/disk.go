package main

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	rootDevice = "/dev/vda"
	rootKind   = "ext4"
	// EXT4_IOC_RESIZE_FS of linux/fs/ext4/ext4.h: _IOW('f', 16, __u64).
	ext4ResizeFs = 0x40086610
	// Blocks of the file system, as infra/image makes it.
	rootBlockBytes = 4096
)

// mountRootDisk leaves inode tables uninitialised until they are used: an unallocated cluster of the overlay reads as
// zeros anyway, and writing those zeros would cost gigabytes of overlay on a large disk.
func mountRootDisk() error {
	if err := os.MkdirAll(newRoot, 0o755); err != nil {
		return err
	}
	if err := waitForFile(rootDevice, deviceWait); err != nil {
		return err
	}
	return unix.Mount(rootDevice, newRoot, rootKind, unix.MS_NOATIME, "")
}

// growRootDisk makes the file system as large as the disk. It costs nothing when it already is.
func growRootDisk() error {
	deviceBytes, err := blockDeviceBytes(rootDevice)
	if err != nil {
		return err
	}
	root, err := os.Open("/")
	if err != nil {
		return err
	}
	defer root.Close()
	blocks := deviceBytes / rootBlockBytes
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, root.Fd(), ext4ResizeFs, uintptr(unsafe.Pointer(&blocks))); errno != 0 {
		return errno
	}
	return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_NOATIME, "noinit_itable")
}

func blockDeviceBytes(path string) (uint64, error) {
	device, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer device.Close()
	var bytes uint64
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, device.Fd(), unix.BLKGETSIZE64, uintptr(unsafe.Pointer(&bytes))); errno != 0 {
		return 0, errno
	}
	return bytes, nil
}

// waitForFile polls because there is no udev to tell; a device is there within milliseconds of its module.
func waitForFile(path string, atMost time.Duration) error {
	deadline := time.Now().Add(atMost)
	for {
		_, err := os.Stat(path)
		if err == nil || !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s did not appear within %v", path, atMost)
		}
		time.Sleep(time.Millisecond)
	}
}
