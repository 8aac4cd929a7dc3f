package main

import (
	"fmt"
	"strconv"
	"strings"
)

// stretch is a part of a file: from its first byte up to, and without, its end.
type stretch struct{ from, end int64 }

func (s stretch) length() int64 { return s.end - s.from }

func (s stretch) contentRange(size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", s.from, s.end-1, size)
}

type rangeVerdict int

const (
	rangeWhole rangeVerdict = iota
	rangePart
	rangeOutside
)

// readRange reads a Range header. As HTTP has it, what is not understood, or asks for several parts, is answered with the whole.
func readRange(header string, size int64) (stretch, rangeVerdict) {
	whole := stretch{0, size}
	spec, isBytes := strings.TrimPrefix(header, "bytes="), strings.HasPrefix(header, "bytes=")
	first, last, hasDash := strings.Cut(strings.TrimSpace(spec), "-")
	if !isBytes || !hasDash || strings.Contains(spec, ",") {
		return whole, rangeWhole
	}
	if first == "" {
		count, err := parseOffset(last)
		switch {
		case err != nil:
			return whole, rangeWhole
		case count == 0 || size == 0:
			return whole, rangeOutside
		case count > size:
			count = size
		}
		return stretch{size - count, size}, rangePart
	}
	from, err := parseOffset(first)
	if err != nil {
		return whole, rangeWhole
	}
	end := size
	if last != "" {
		through, err := parseOffset(last)
		if err != nil || through < from {
			return whole, rangeWhole
		}
		if through < size {
			end = through + 1
		}
	}
	if from >= size {
		return whole, rangeOutside
	}
	return stretch{from, end}, rangePart
}

// parseOffset takes digits alone; one that is too large for a number is as far as a file can go.
func parseOffset(digits string) (int64, error) {
	for _, digit := range digits {
		if digit < '0' || digit > '9' {
			return 0, strconv.ErrSyntax
		}
	}
	offset, err := strconv.ParseInt(digits, 10, 64)
	if err != nil && len(digits) > 0 {
		return exactMax, nil
	}
	return offset, err
}
