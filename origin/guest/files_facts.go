package main

import (
	"fmt"
	"path"

	"golang.org/x/sys/unix"
)

// fileFacts are what a caller is told of a file; shared/contracts/guest-files.ts says what each field means.
type fileFacts struct {
	Path         string `json:"path"`
	PathBase64   string `json:"path_base64,omitempty"`
	Name         string `json:"name"`
	NameBase64   string `json:"name_base64,omitempty"`
	Type         string `json:"type"`
	Size         int64  `json:"size"`
	Mode         string `json:"mode"`
	ModifiedMs   int64  `json:"modified_ms"`
	Uid          uint32 `json:"uid"`
	Gid          uint32 `json:"gid"`
	Target       string `json:"target,omitempty"`
	TargetBase64 string `json:"target_base64,omitempty"`
	TargetType   string `json:"target_type,omitempty"`
	Unread       string `json:"unread,omitempty"`
}

const (
	// The largest numbers that JavaScript keeps exactly, and that its Date can tell.
	exactMax      = 1<<53 - 1
	dateMsMax     = 8_640_000_000_000_000
	permissions   = 0o7777
	dateSecondMax = dateMsMax / 1_000
)

var fileTypes = map[uint32]string{
	unix.S_IFREG: "file", unix.S_IFDIR: "directory", unix.S_IFLNK: "symlink", unix.S_IFIFO: "fifo", unix.S_IFSOCK: "socket",
	unix.S_IFCHR: "device", unix.S_IFBLK: "device",
}

func fileTypeOf(stat unix.Stat_t) string { return fileTypes[stat.Mode&unix.S_IFMT] }

func isDirectory(stat unix.Stat_t) bool { return stat.Mode&unix.S_IFMT == unix.S_IFDIR }
func isRegular(stat unix.Stat_t) bool   { return stat.Mode&unix.S_IFMT == unix.S_IFREG }
func isLink(stat unix.Stat_t) bool      { return stat.Mode&unix.S_IFMT == unix.S_IFLNK }

func modeText(mode uint32) string { return fmt.Sprintf("%04o", mode&permissions) }

func newFacts(full filePath, stat unix.Stat_t) fileFacts {
	name := path.Base(string(full))
	facts := fileFacts{
		Path: textOf(string(full)), PathBase64: base64Of(string(full)), Name: textOf(name), NameBase64: base64Of(name),
		Type: fileTypeOf(stat), Mode: modeText(stat.Mode), ModifiedMs: millisecondsOf(stat.Mtim), Uid: stat.Uid, Gid: stat.Gid,
	}
	if isRegular(stat) || isLink(stat) {
		facts.Size = clamp(stat.Size, 0, exactMax)
	}
	return facts
}

// factsAt looks at a name in a directory; a link is told of itself, with what it leads to.
func factsAt(directory int, name string, full filePath, stat unix.Stat_t) fileFacts {
	facts := newFacts(full, stat)
	if !isLink(stat) {
		return facts
	}
	if target, err := readLinkAt(directory, name); err == nil {
		facts.Target, facts.TargetBase64 = textOf(target), base64Of(target)
	}
	var led unix.Stat_t
	if unix.Fstatat(directory, name, &led, 0) == nil {
		facts.TargetType = fileTypeOf(led)
	}
	return facts
}

// lookAt tells what a path leads to, or of the link that it is.
func lookAt(who user, full filePath, follows bool) (facts fileFacts, err error) {
	err = asUser(who, func() error {
		directory, name, err := openParent(full)
		if err != nil {
			return err
		}
		defer unix.Close(directory)
		var stat unix.Stat_t
		if !follows {
			if err := unix.Fstatat(directory, name, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
				return err
			}
			facts = factsAt(directory, name, full, stat)
			return nil
		}
		place, err := openAt(directory, name, unix.O_PATH, 0, 0)
		if err != nil {
			return err
		}
		defer unix.Close(place)
		if err := unix.Fstat(place, &stat); err != nil {
			return err
		}
		facts = newFacts(full, stat)
		return nil
	})
	return facts, about(full, err)
}

func millisecondsOf(time unix.Timespec) int64 {
	return clamp(time.Sec, -dateSecondMax, dateSecondMax-1)*1_000 + time.Nsec/1_000_000
}

func clamp(value, least, most int64) int64 {
	switch {
	case value < least:
		return least
	case value > most:
		return most
	default:
		return value
	}
}
