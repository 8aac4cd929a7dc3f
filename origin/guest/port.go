package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// port is a virtio-serial port as a connection that never hangs up.
//
// The driver reads as an end of file while no host is connected. That is no reason to end anything: the host may come
// back, and it says `hello` when it does. So a read waits for the next event of the port instead, and only a deadline ends it.
type port struct {
	*os.File
	raw syscall.RawConn
}

// openPort finds a port by the name that the host gave it. There is no udev, so there is no /dev/virtio-ports.
func openPort(name string) (*port, error) {
	deadline := time.Now().Add(deviceWait)
	for {
		device, err := findPort(name)
		if err != nil {
			return nil, err
		}
		if device != "" {
			return openPortDevice(device)
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("the port %s did not appear within %v", name, deviceWait)
		}
		time.Sleep(time.Millisecond)
	}
}

func findPort(name string) (device string, err error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return "", err
	}
	for _, path := range names {
		text, err := os.ReadFile(path)
		if err == nil && strings.TrimSpace(string(text)) == name {
			return "/dev/" + filepath.Base(filepath.Dir(path)), nil
		}
	}
	return "", nil
}

func openPortDevice(device string) (*port, error) {
	if err := waitForFile(device, deviceWait); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(device, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &port{file, raw}, nil
}

func (p *port) Read(into []byte) (int, error) {
	var count int
	var readErr error
	err := p.raw.Read(func(fd uintptr) bool {
		count, readErr = syscall.Read(int(fd), into)
		return count > 0 || (readErr != nil && readErr != syscall.EAGAIN && readErr != syscall.EINTR)
	})
	if err != nil {
		return 0, err
	}
	if readErr != nil {
		return 0, readErr
	}
	return count, nil
}

// interrupt makes every read and write that waits, or will wait, fail at once; allow ends that.
func (p *port) interrupt() error { return p.SetDeadline(time.Unix(1, 0)) }
func (p *port) allow() error     { return p.SetDeadline(time.Time{}) }

func isInterrupted(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
