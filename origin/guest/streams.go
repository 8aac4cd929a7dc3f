package main

import "os"

// streams are the three pipes of a process. Without anything to say to it, stdin is /dev/null.
type streams struct {
	ours, theirs [3]*os.File
	// isTerminal: theirs are the terminal that is to control the process's session.
	isTerminal bool
}

func openPipes(hasStdin bool) func() (*streams, error) {
	return func() (*streams, error) { return openStreams(hasStdin) }
}

func openStreams(hasStdin bool) (made *streams, err error) {
	made = &streams{}
	defer func() {
		if err != nil {
			made.closeOurs()
			made.closeTheirs()
		}
	}()
	if hasStdin {
		made.theirs[0], made.ours[0], err = os.Pipe()
	} else {
		made.theirs[0], err = os.Open(os.DevNull)
	}
	for index := 1; index < len(made.ours) && err == nil; index++ {
		made.ours[index], made.theirs[index], err = os.Pipe()
	}
	return made, err
}

func (s *streams) theirDescriptors() (descriptors [3]int) {
	for index, file := range s.theirs {
		descriptors[index] = int(file.Fd())
	}
	return descriptors
}

// feed writes the text and closes stdin. A process that does not read it is its own affair: the pipe breaks when it ends.
func (s *streams) feed(text string) {
	if s.ours[0] != nil {
		_, _ = s.ours[0].WriteString(text)
		_ = s.ours[0].Close()
	}
}

func (s *streams) closeOurs()   { closeAll(s.ours) }
func (s *streams) closeTheirs() { closeAll(s.theirs) }

func closeAll(files [3]*os.File) {
	for _, file := range files {
		if file != nil {
			_ = file.Close()
		}
	}
}
