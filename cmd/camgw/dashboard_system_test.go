package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// drawn is a panel of the dashboard with what Prometheus answered.
type drawn struct {
	Title  string   `json:"title"`
	Type   string   `json:"type"`
	Unit   string   `json:"unit"`
	X      int      `json:"x"`
	Y      int      `json:"y"`
	W      int      `json:"w"`
	H      int      `json:"h"`
	Series []series `json:"series"`
}

type series struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
	Values [][2]any          `json:"values"` // Unix time and number; null for none
}

var legendLabel = regexp.MustCompile(`\{\{(\w+)\}\}`)

// drawDashboard draws the dashboard's panels as Grafana would lay them out, from what a real Prometheus has, and writes
// the picture. Debian has no Grafana. The camera of the row that Grafana repeats for each is one on a damaged wire.
func drawDashboard(t *testing.T, p *prometheus, name string) {
	t.Helper()
	board := struct {
		Begin  float64 `json:"begin"`
		End    float64 `json:"end"`
		Panels []drawn `json:"panels"`
	}{float64(p.begin.Unix()) + 4, float64(time.Now().Unix()), nil}
	for _, panel := range readDashboard(t).Panels {
		g := panel.GridPos
		d := drawn{Title: strings.ReplaceAll(panel.Title, "$camera", "fast"), Type: panel.Type, Unit: panel.FieldConfig.Defaults.Unit,
			X: g.X, Y: g.Y, W: g.W, H: g.H, Series: []series{}}
		for _, target := range panel.Targets {
			for _, s := range p.during(t, inRun(strings.ReplaceAll(target.Expr, "$camera", "fast"))) {
				one := series{Labels: s.Metric, Name: legendLabel.ReplaceAllStringFunc(target.LegendFormat, func(label string) string {
					return s.Metric[strings.Trim(label, "{}")]
				})}
				for _, v := range s.Values {
					n, err := strconv.ParseFloat(v[1].(string), 64)
					if err != nil {
						t.Fatal(err)
					}
					one.Values = append(one.Values, [2]any{v[0], any(nil)})
					if n == n {
						one.Values[len(one.Values)-1][1] = n
					}
				}
				d.Series = append(d.Series, one)
			}
		}
		board.Panels = append(board.Panels, d)
	}
	text, err := json.Marshal(board)
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Replace(slurp(t, "testdata/dashboard.html"), "/*BOARD*/null", string(text), 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			fmt.Fprint(w, page)
		}
	}))
	defer server.Close()
	tab := startBrowser(t).open(t, &daemon{url: server.URL}, "/", window{width: 1600, height: 1200})
	tab.await(ample, "the panels", `document.body?.dataset.drawn`)
	height, err := strconv.Atoi(tab.text(`document.body.dataset.drawn`))
	if err != nil {
		t.Fatal(err)
	}
	tab.resize(window{width: 1600, height: height})
	tab.clean()
	tab.keep(name)
}
