package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// terminalSize is that of a terminal, in characters.
type terminalSize struct {
	Cols uint16 `json:"cols"`
	Rows uint16 `json:"rows"`
}

func (s terminalSize) isUsable() bool {
	return s.Cols > 0 && s.Rows > 0 && s.Cols <= terminalCellsMax && s.Rows <= terminalCellsMax
}

// pty is both ends of a pseudo terminal: ours, and theirs, which a shell has for its three streams. Theirs is open twice: one
// is the shell's, and closed on our side when it has started; the other is held until the shell has ended.
type pty struct{ ours, theirs, held *os.File }

// openPty makes a pseudo terminal that belongs to the user, as a login would: programs open it again by its name.
func openPty(size terminalSize, owner user) (*pty, error) {
	ours, err := os.OpenFile("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	made := &pty{ours: ours}
	if err := made.setUp(size, owner); err != nil {
		made.close()
		return nil, err
	}
	return made, nil
}

func (p *pty) setUp(size terminalSize, owner user) error {
	err := p.control(func(fd int) error {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		for _, end := range []**os.File{&p.theirs, &p.held} {
			if err := openPeer(fd, end); err != nil {
				return err
			}
		}
		peer := int(p.held.Fd())
		if err := unix.Fchown(peer, int(owner.id), -1); err != nil {
			return err
		}
		return readUTF8(peer)
	})
	if err != nil {
		return err
	}
	return p.resize(size)
}

// openPeer goes by the descriptor and not by a path: what stands under /dev/pts may be the sandbox's doing.
func openPeer(fd int, into **os.File) error {
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return errno
	}
	*into = os.NewFile(peer, "pts")
	return nil
}

// readUTF8 lets the terminal's own line editing take back a character, and not only the last of its bytes.
func readUTF8(fd int) error {
	modes, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	modes.Iflag |= unix.IUTF8
	return unix.IoctlSetTermios(fd, unix.TCSETS, modes)
}

// resize tells whoever runs in the foreground.
func (p *pty) resize(size terminalSize) error {
	return p.control(func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: size.Cols, Row: size.Rows})
	})
}

// control leaves our end with the runtime's poller, so that closing it ends whoever waits for it.
func (p *pty) control(use func(fd int) error) error {
	raw, err := p.ours.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = use(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// streams are those of the shell, of which nothing is ours: both ends are the terminal's.
func (p *pty) streams() (*streams, error) {
	return &streams{theirs: [3]*os.File{p.theirs, p.theirs, p.theirs}, isTerminal: true}, nil
}

func (p *pty) close() {
	for _, end := range []*os.File{p.ours, p.theirs, p.held} {
		if end != nil {
			_ = end.Close()
		}
	}
}
