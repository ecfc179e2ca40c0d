package main

import (
	"fmt"
	"strconv"
	"strings"
)

// row is one thing that is measured.
type row struct {
	Viewers int
	KB      int     // of 1,000 bytes, per picture
	FPS     float64 // of the camera
	Stalled int     // percent of the viewers
}

func (r row) stalled() int { return r.Viewers * r.Stalled / 100 }

func (r row) String() string {
	s := fmt.Sprintf("%dx%d@%g", r.Viewers, r.KB, r.FPS)
	if r.Stalled > 0 {
		s += fmt.Sprintf("/%d", r.Stalled)
	}
	return s
}

// parseRow reads what String writes.
func parseRow(s string) (row, error) {
	var r row
	viewers, rest, ok1 := strings.Cut(s, "x")
	kb, rest, ok2 := strings.Cut(rest, "@")
	fps, stalled, some := strings.Cut(rest, "/")
	var err1, err2, err3, err4 error
	r.Viewers, err1 = strconv.Atoi(viewers)
	r.KB, err2 = strconv.Atoi(kb)
	r.FPS, err3 = strconv.ParseFloat(fps, 64)
	if some {
		r.Stalled, err4 = strconv.Atoi(stalled)
	}
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil || !ok1 || !ok2 {
			return r, fmt.Errorf("row %q is not VIEWERSxKB@FPS or VIEWERSxKB@FPS/STALLED", s)
		}
	}
	if r.Viewers < 1 || r.KB < 1 || r.KB > 1000 || !(r.FPS > 0 && r.FPS <= 1000) || r.Stalled < 0 || r.Stalled > 99 {
		return r, fmt.Errorf("row %q: viewers and kB from 1, at most 1000 kB and frames a second, at most 99 %% stalled", s)
	}
	return r, nil
}

// rowList is a flag that may be given several times.
type rowList []row

func (l *rowList) String() string { return fmt.Sprint([]row(*l)) }

func (l *rowList) Set(s string) error {
	r, err := parseRow(s)
	*l = append(*l, r)
	return err
}

// quick is what decides: the sizes of audience and picture that the product promises something for.
var quick = []row{
	{10, 21, 30, 0},
	{100, 21, 30, 0},
	{300, 21, 30, 0},
	{300, 21, 30, 20},
	{1000, 21, 30, 0},
	{100, 150, 10, 0},
	{5000, 6, 5, 0},
}

// all are the audiences and pictures that one core and its neighbour can serve and watch, each without and with stalled viewers.
var all = func() []row {
	var rows []row
	for _, picture := range []struct {
		kb      int
		fps     float64
		viewers []int
	}{
		{21, 30, []int{10, 100, 300, 1000}},
		{6, 30, []int{10, 100, 300, 1000}},
		{6, 5, []int{5000}},
		{150, 10, []int{10, 100, 300}},
	} {
		for _, n := range picture.viewers {
			rows = append(rows, row{n, picture.kb, picture.fps, 0}, row{n, picture.kb, picture.fps, 20})
		}
	}
	return rows
}()
