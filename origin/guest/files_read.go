package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// fileChunks are lent to whoever copies bytes, so that many at a time cost no more than they hold.
var fileChunks = sync.Pool{New: func() any { return new([fileChunkBytes]byte) }}

func handleFileRead(response http.ResponseWriter, request *http.Request, who user, path filePath) error {
	var file int
	var stat unix.Stat_t
	err := asUser(who, func() (err error) {
		file, stat, err = openRegular(unix.AT_FDCWD, string(path), 0)
		return err
	})
	if err != nil {
		return about(path, err)
	}
	defer unix.Close(file)
	chunk := fileChunks.Get().(*[fileChunkBytes]byte)
	defer fileChunks.Put(chunk)

	header := response.Header()
	header.Set("content-type", "application/octet-stream")
	header.Set("atoll-file-mode", modeText(stat.Mode))
	if tellsNoSize(file, stat) {
		return about(path, answerUnsized(response, request, file, chunk[:]))
	}
	tag := entityTag(stat)
	header.Set("etag", tag)
	header.Set("last-modified", time.Unix(stat.Mtim.Sec, 0).UTC().Format(http.TimeFormat))
	header.Set("accept-ranges", "bytes")
	header.Set("atoll-file-size", strconv.FormatInt(stat.Size, 10))
	part, verdict := readRange(rangeOf(request, tag), stat.Size)
	status := http.StatusOK
	switch verdict {
	case rangeOutside:
		header.Set("content-range", fmt.Sprintf("bytes */%d", stat.Size))
		return refuseFile("range_not_satisfiable", "The file has %d bytes.", stat.Size)
	case rangePart:
		header.Set("content-range", part.contentRange(stat.Size))
		status = http.StatusPartialContent
	}
	header.Set("content-length", strconv.FormatInt(part.length(), 10))
	response.WriteHeader(status)
	if request.Method == http.MethodHead {
		return nil
	}
	return sendPart(response, file, part, chunk[:])
}

// rangeOf drops a range that is for another version of the file than this.
func rangeOf(request *http.Request, tag string) string {
	if expected := request.Header.Get("if-range"); expected != "" && expected != tag {
		return ""
	}
	return request.Header.Get("range")
}

// entityTag changes with the file: a write makes a new one, and anybody else's changes its time.
func entityTag(stat unix.Stat_t) string {
	return fmt.Sprintf(`"%x-%x-%x"`, stat.Ino, stat.Size, stat.Mtim.Nano())
}

// tellsNoSize is whether only reading shows how much there is: of what the kernel invents, and of what says that it is empty.
func tellsNoSize(file int, stat unix.Stat_t) bool { return stat.Size == 0 || isInvented(file) }

// answerUnsized reads ahead as much as it can hold, so that what is short has a length, and what the kernel refuses is refused.
func answerUnsized(response http.ResponseWriter, request *http.Request, file int, chunk []byte) error {
	filled, isWhole := 0, false
	for !isWhole && filled < len(chunk) {
		count, err := readFrom(file, chunk[filled:], -1)
		if err != nil {
			return err
		}
		filled, isWhole = filled+count, count == 0
	}
	if isWhole {
		response.Header().Set("content-length", strconv.Itoa(filled))
	}
	if request.Method == http.MethodHead {
		return nil
	}
	for {
		if _, err := response.Write(chunk[:filled]); err != nil || isWhole {
			return nil
		}
		count, err := readFrom(file, chunk, -1)
		if err != nil {
			return errBrokenOff
		}
		filled, isWhole = count, count == 0
	}
}

// sendPart breaks off when the file has become shorter than was promised.
func sendPart(to io.Writer, file int, part stretch, chunk []byte) error {
	for offset := part.from; offset < part.end; {
		wanted := chunk
		if left := part.end - offset; left < int64(len(chunk)) {
			wanted = chunk[:left]
		}
		count, err := readFrom(file, wanted, offset)
		if err != nil || count == 0 {
			return errBrokenOff
		}
		if _, err := to.Write(wanted[:count]); err != nil {
			return errBrokenOff
		}
		offset += int64(count)
	}
	return nil
}

// readFrom reads at an offset, or with -1 where the last read ended. What would have to be waited for is not there.
func readFrom(file int, into []byte, offset int64) (count int, err error) {
	for {
		if offset < 0 {
			count, err = unix.Read(file, into)
		} else {
			count, err = unix.Pread(file, into, offset)
		}
		switch err {
		case nil:
			return count, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, nil
		default:
			return 0, err
		}
	}
}
