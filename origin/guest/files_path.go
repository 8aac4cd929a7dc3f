package main

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"path"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// workRoot is where relative paths begin.
const workRoot = "/workspace"

// filePath is absolute and clean: the bytes that the kernel is asked about.
type filePath string

func (p filePath) parent() filePath { return filePath(path.Dir(string(p))) }
func (p filePath) name() string     { return path.Base(string(p)) }

func (p filePath) below(relative string) filePath {
	if relative == "" {
		return p
	}
	return filePath(path.Join(string(p), relative))
}

// newFilePath takes what was asked for. A path that climbs out of where it begins is a mistake, or an attempt.
func newFilePath(asked string) (filePath, error) {
	switch {
	case asked == "":
		return "", refuseFile("invalid_path", "A path is needed.")
	case len(asked) >= unix.PathMax:
		return "", refuseFile("invalid_path", "A path has less than %d bytes.", unix.PathMax)
	case strings.IndexByte(asked, 0) >= 0:
		return "", refuseFile("invalid_path", "A path has no NUL in it.")
	case climbs(asked):
		return "", refuseFile("invalid_path", "%s climbs out of where it begins.", textOf(asked))
	case asked[0] == '/':
		return filePath(path.Clean(asked)), nil
	default:
		return filePath(path.Join(workRoot, asked)), nil
	}
}

// climbs is whether a path is ever above where it begins.
func climbs(path string) bool {
	depth := 0
	for _, part := range strings.Split(path, "/") {
		switch part {
		case "", ".":
		case "..":
			depth--
		default:
			depth++
		}
		if depth < 0 {
			return true
		}
	}
	return false
}

// pathOfQuery reads `path`, or `path_base64` for what is not text.
func pathOfQuery(query url.Values) (filePath, error) {
	encoded := query.Get("path_base64")
	if encoded == "" {
		return newFilePath(query.Get("path"))
	}
	decoded, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(encoded, "="))
	if err != nil {
		return "", refuseFile("invalid_path", "path_base64 is not base64url.")
	}
	return newFilePath(string(decoded))
}

// pathField is a path in JSON: text, or {"base64"} for what is not text.
type pathField string

func (p *pathField) UnmarshalJSON(raw []byte) error {
	if len(raw) == 0 || raw[0] != '{' {
		return json.Unmarshal(raw, (*string)(p))
	}
	var bytes struct {
		Base64 []byte `json:"base64"`
	}
	err := json.Unmarshal(raw, &bytes)
	*p = pathField(bytes.Base64)
	return err
}

// textOf is a name or a path as text, with a mark for each byte that is none.
func textOf(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	return string([]rune(name))
}

// base64Of is what is lost in the text, if anything is.
func base64Of(name string) string {
	if utf8.ValidString(name) {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(name))
}

func isMissing(err error) bool {
	errno, isErrno := err.(syscall.Errno)
	return isErrno && errno == syscall.ENOENT
}
