package main

import (
	"context"
	"net/http"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

type moveOrder struct {
	From      pathField `json:"from"`
	To        pathField `json:"to"`
	User      string    `json:"user"`
	Overwrite *bool     `json:"overwrite"`
	// Of a copy.
	Recursive bool `json:"recursive"`
}

func (o *moveOrder) keepsOther() bool { return o.Overwrite != nil && !*o.Overwrite }

func (o *moveOrder) read() (who user, from, to filePath, err error) {
	if who, from, err = whoAndPath(o.User, o.From); err != nil {
		return who, from, to, err
	}
	to, err = newFilePath(string(o.To))
	return who, from, to, err
}

func handleMove(ctx context.Context, response http.ResponseWriter, order *moveOrder) error {
	who, from, to, err := order.read()
	if err != nil {
		return err
	}
	if from == "/" || to == "/" {
		return refuseFile("invalid_path", "The root of the machine is not moved.")
	}
	if strings.HasPrefix(string(to), string(from)+"/") {
		return intoItself(from)
	}
	err = asUser(who, func() error { return rename(from, to, order.keepsOther()) })
	if err == syscall.EXDEV {
		err = moveAcross(ctx, who, from, to, order.keepsOther())
	}
	return answerFacts(response, who, to, false, err)
}

// rename is for one file system. With the rights of the user.
func rename(from, to filePath, keepsOther bool) error {
	source, sourceName, err := openParent(from)
	if err != nil {
		return about(from, err)
	}
	defer unix.Close(source)
	var stat unix.Stat_t
	if err := unix.Fstatat(source, sourceName, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return about(from, err)
	}
	target, err := makeDirectories(to.parent())
	if err != nil {
		return err
	}
	defer unix.Close(target)
	var flags uint
	if keepsOther {
		flags = unix.RENAME_NOREPLACE
	}
	switch err := unix.Renameat2(source, sourceName, target, to.name(), flags); err {
	case syscall.EXDEV:
		return err
	case syscall.EINVAL:
		return intoItself(from)
	default:
		return about(to, err)
	}
}

func intoItself(from filePath) error {
	return refuseFile("invalid_path", "%s cannot be moved into itself.", textOf(string(from)))
}

// moveAcross copies to the other file system, and removes what was copied when the copy is there.
func moveAcross(ctx context.Context, who user, from, to filePath, keepsOther bool) error {
	work := copying{who: who, keepsOther: keepsOther, isWhole: true}
	if err := work.copyPath(ctx, from, to, true); err != nil {
		return err
	}
	_, err := removePath(ctx, who, from, true)
	return about(from, err)
}
