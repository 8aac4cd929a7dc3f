package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

type packOrder struct {
	User   string      `json:"user"`
	Paths  []pathField `json:"paths"`
	Format string      `json:"format"`
}

// handlePack looks at everything first, so that what the user may not read is refused before the first byte. Afterwards only
// breaking the answer off says that something went wrong.
func handlePack(ctx context.Context, response http.ResponseWriter, order *packOrder) error {
	who, err := fileUser(order.User)
	if err != nil {
		return err
	}
	paths, err := readPaths(order.Paths)
	if err != nil {
		return err
	}
	if order.Format != "tar" && order.Format != "tar.gz" {
		return refuseFile("file_refused", "A format is tar or tar.gz.")
	}
	look := &packing{who: who, base: sharedParent(paths)}
	if err := look.each(ctx, paths, look.mustBeReadable); err != nil {
		return err
	}
	response.Header().Set("content-type", archiveTypes[order.Format])
	response.WriteHeader(http.StatusOK)
	if err := streamArchive(ctx, response, order.Format, &packing{who: who, base: look.base}, paths); err != nil {
		return errBrokenOff
	}
	return nil
}

var archiveTypes = map[string]string{"tar": "application/x-tar", "tar.gz": "application/gzip"}

func readPaths(asked []pathField) (paths []filePath, err error) {
	if len(asked) == 0 || len(asked) > filePathsMax {
		return nil, refuseFile("too_many", "One request packs 1 to %d paths.", filePathsMax)
	}
	for _, each := range asked {
		path, err := newFilePath(string(each))
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// sharedParent is the directory below which all the paths are; names in the archive begin there.
func sharedParent(paths []filePath) filePath {
	shared := paths[0].parent()
	for _, each := range paths[1:] {
		for shared != "/" && !strings.HasPrefix(string(each.parent())+"/", string(shared)+"/") {
			shared = shared.parent()
		}
	}
	return shared
}

func streamArchive(ctx context.Context, to io.Writer, format string, pack *packing, paths []filePath) error {
	gathered := bufio.NewWriterSize(to, fileChunkBytes)
	var compressed *gzip.Writer
	if format == "tar.gz" {
		var err error
		if compressed, err = gzip.NewWriterLevel(gathered, gzip.BestSpeed); err != nil {
			return err
		}
		pack.archive = tar.NewWriter(compressed)
	} else {
		pack.archive = tar.NewWriter(gathered)
	}
	if err := pack.each(ctx, paths, pack.add); err != nil {
		return err
	}
	if err := pack.archive.Close(); err != nil {
		return err
	}
	if compressed != nil {
		if err := compressed.Close(); err != nil {
			return err
		}
	}
	return gathered.Flush()
}

// packing goes through paths and all that is below them.
type packing struct {
	who     user
	base    filePath
	entries int
	archive *tar.Writer
}

// packed is one thing on its way into an archive; `in` is open while it is there.
type packed struct {
	in      int
	name    string
	resolve uint64
	path    filePath
	stat    unix.Stat_t
}

func (p *packing) each(ctx context.Context, paths []filePath, do func(packed) error) error {
	for _, path := range paths {
		if err := p.eachBelow(ctx, path, do); err != nil {
			return about(path, err)
		}
	}
	return nil
}

// eachBelow follows a link at the end of the path that was asked for, and none below it.
func (p *packing) eachBelow(ctx context.Context, path filePath, do func(packed) error) error {
	place := -1
	var stat unix.Stat_t
	err := asUser(p.who, func() (err error) {
		if place, err = openAt(unix.AT_FDCWD, string(path), unix.O_PATH, 0, 0); err != nil {
			return err
		}
		return unix.Fstat(place, &stat)
	})
	if place >= 0 {
		defer unix.Close(place)
	}
	if err != nil {
		return err
	}
	if !isDirectory(stat) {
		return p.count(packed{unix.AT_FDCWD, string(path), 0, path, stat}, do)
	}
	if err := p.count(packed{place, ".", 0, path, stat}, do); err != nil {
		return err
	}
	walked := &walk{who: p.who, root: place, path: path, depthMax: treeEntriesMax, unread: exceptInvented}
	return walked.each(ctx, func(entry walkedEntry) (int, bool, error) {
		err := p.count(packed{entry.directory, entry.name, withinTree, path.below(entry.relative), entry.stat}, do)
		return 0, true, err
	})
}

func exceptInvented(_ walkedDirectory, err error) error {
	if err == errInvented {
		return nil
	}
	return err
}

func (p *packing) count(entry packed, do func(packed) error) error {
	if p.entries++; p.entries > treeEntriesMax {
		return errWalkEnds
	}
	return about(entry.path, do(entry))
}

func (p *packing) mustBeReadable(entry packed) error {
	if !isRegular(entry.stat) {
		return nil
	}
	return asUser(p.who, func() error { return unix.Faccessat2(entry.in, entry.name, unix.R_OK, unix.AT_EACCESS) })
}

func (p *packing) add(entry packed) error {
	switch entry.stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return p.archive.WriteHeader(p.header(entry, tar.TypeDir))
	case unix.S_IFLNK:
		return p.addLink(entry)
	case unix.S_IFREG:
		return p.addFile(entry)
	default:
		return nil
	}
}

func (p *packing) header(entry packed, kind byte) *tar.Header {
	name := strings.TrimPrefix(strings.TrimPrefix(string(entry.path), string(p.base)), "/")
	if kind == tar.TypeDir {
		name = path.Clean("./"+name) + "/"
	}
	return &tar.Header{
		Typeflag: kind, Name: name, Mode: int64(entry.stat.Mode & permissions), Uid: int(entry.stat.Uid), Gid: int(entry.stat.Gid),
		ModTime: time.Unix(entry.stat.Mtim.Sec, 0),
	}
}

func (p *packing) addLink(entry packed) error {
	header := p.header(entry, tar.TypeSymlink)
	err := asUser(p.who, func() (err error) {
		header.Linkname, err = readLinkAt(entry.in, entry.name)
		return err
	})
	if err != nil {
		return err
	}
	return p.archive.WriteHeader(header)
}

func (p *packing) addFile(entry packed) error {
	var file int
	err := asUser(p.who, func() (err error) {
		file, entry.stat, err = openRegular(entry.in, entry.name, entry.resolve)
		return err
	})
	if err != nil {
		return err
	}
	defer unix.Close(file)
	header := p.header(entry, tar.TypeReg)
	header.Size = entry.stat.Size
	if err := p.archive.WriteHeader(header); err != nil {
		return err
	}
	chunk := fileChunks.Get().(*[fileChunkBytes]byte)
	defer fileChunks.Put(chunk)
	return sendPart(p.archive, file, stretch{0, entry.stat.Size}, chunk[:])
}
