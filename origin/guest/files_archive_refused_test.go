package main

import (
	"archive/tar"
	"os"
	"testing"
)

// A client that looks whether something is there must not take what is left of a refused archive for it.
func TestNothingIsLeftOfAnArchiveThatIsRefusedAtOnce(t *testing.T) {
	ask := newFilesAsker(t)
	for what, archive := range map[string][]byte{
		"nothing": {}, "text": []byte("hello"), "gzip's first bytes": {0x1f, 0x8b},
		"a name that climbs": archiveOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "../out", Size: 3}),
		"a device":           archiveOf(t, tar.Header{Typeflag: tar.TypeChar, Name: "null", Devmajor: 1, Devminor: 3}),
		"a link that climbs": archiveOf(t, tar.Header{Typeflag: tar.TypeLink, Name: "h", Linkname: "../out"}),
	} {
		ask.mustRefuse(ask.unpack("new/into", archive), "archive_invalid")
		if _, err := os.Stat(ask.path("new")); !os.IsNotExist(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := os.MkdirAll(ask.path("old/into"), 0o755); err != nil {
		t.Fatal(err)
	}
	ask.mustRefuse(ask.unpack("old/into", []byte("hello")), "archive_invalid")
	mustBe(t, ask.tree("old"), []string{" drwxr-xr-x ", "/into drwxr-xr-x "})
	ask.as(ask.unpack("empty", archiveOf(t, tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755})), nil)
	mustBe(t, ask.tree("empty"), []string{" drwxr-xr-x "})
}
