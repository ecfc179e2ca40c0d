package camlink

import "bytes"

// minText is the shortest line reported: noise at a wrong rate often looks like a few letters.
const minText = 4

type lineState uint8

const (
	lineGood lineState = iota
	lineEsc            // after ESC
	lineSeq            // inside ESC [ ... letter
	lineBad            // no text: ignored up to its end
)

// line collects bytes that belong to no packet into lines of text (protocol 2.2).
type line struct {
	state lineState
	size  int
	text  [MaxText]byte
}

// feed takes bytes of p up to the end of the first line worth telling. It returns how many it took, and that line if
// there was one.
func (l *line) feed(p []byte) (n int, text string, ok bool) {
	for n < len(p) {
		if l.state == lineBad {
			end := bytes.IndexByte(p[n:], '\n')
			if end < 0 {
				return len(p), "", false
			}
			n += end + 1
			l.reset()
			continue
		}
		c := p[n]
		n++
		if c == '\n' {
			ok = l.state == lineGood && l.size >= minText
			if ok {
				text = string(l.text[:l.size])
			}
			l.reset()
			if ok {
				return n, text, true
			}
			continue
		}
		l.add(c)
	}
	return n, "", false
}

// add takes a byte other than a line feed.
func (l *line) add(c byte) {
	printable := c >= 0x20 && c <= 0x7E
	switch {
	case l.state == lineEsc && c == '[':
		l.state = lineSeq
	case l.state == lineEsc:
		l.state = lineBad
	case l.state == lineSeq && (c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'):
		l.state = lineGood
	case l.state == lineSeq && printable:
	case l.state == lineGood && c == 0x1B:
		l.state = lineEsc
	case l.state == lineGood && c == '\r':
	case l.state == lineGood && printable && l.size < MaxText:
		l.text[l.size] = c
		l.size++
	default:
		l.state = lineBad
	}
}

func (l *line) reset() {
	l.state = lineGood
	l.size = 0
}
