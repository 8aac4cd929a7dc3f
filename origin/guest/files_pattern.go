package main

import (
	"path"
	"strings"
)

// namePattern says whether a name, or the path below where the search began, is one that is sought.
type namePattern func(name, relative string) bool

// newNamePattern reads a pattern: with a slash it is for the path, without for the name, and without any sign for a part of it.
func newNamePattern(pattern string) (namePattern, error) {
	if pattern == "" || len(pattern) > patternBytesMax {
		return nil, refuseFile("invalid_path", "A pattern has 1 to %d bytes.", patternBytesMax)
	}
	hasSigns, hasSlash := strings.ContainsAny(pattern, `*?[\`), strings.Contains(pattern, "/")
	if !hasSigns {
		return func(name, relative string) bool {
			if hasSlash {
				return strings.Contains(relative, pattern)
			}
			return strings.Contains(name, pattern)
		}, nil
	}
	parts := strings.Split(strings.Trim(pattern, "/"), "/")
	for _, part := range parts {
		if _, err := path.Match(part, ""); err != nil {
			return nil, refuseFile("invalid_path", "%s is not a pattern.", textOf(pattern))
		}
	}
	if !hasSlash {
		return func(name, _ string) bool { return matchesPart(pattern, name) }, nil
	}
	return func(_, relative string) bool { return matchesPath(parts, strings.Split(relative, "/")) }, nil
}

func matchesPart(pattern, name string) bool {
	isMatch, _ := path.Match(pattern, name)
	return isMatch
}

// matchesPath goes through the names once for each part of the pattern, whatever the pattern: reached[i] is whether the parts so
// far can stand for the first i names.
func matchesPath(parts, names []string) bool {
	reached := make([]bool, len(names)+1)
	reached[0] = true
	for _, part := range parts {
		next := make([]bool, len(names)+1)
		for index := range next {
			switch {
			case part == "**":
				next[index] = reached[index] || (index > 0 && next[index-1])
			case index > 0:
				next[index] = reached[index-1] && matchesPart(part, names[index-1])
			}
		}
		reached = next
	}
	return reached[len(names)]
}
