package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// lineReader reads lines that end with CRLF and nothing else.
type lineReader struct{ r *bufio.Reader }

func newLineReader(r io.Reader) *lineReader { return &lineReader{bufio.NewReaderSize(r, 64<<10)} }

func (l *lineReader) line() (string, error) {
	s, err := l.r.ReadString('\n')
	if err != nil {
		return s, err
	}
	line, ok := strings.CutSuffix(s, "\r\n")
	if !ok {
		return s, fmt.Errorf("line %q does not end with CRLF", s)
	}
	return line, nil
}
