package metrics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/oasdiff/yaml"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	rulesFile     = "../../deploy/prometheus/camgw.rules.yml"
	rulesTestFile = "../../deploy/prometheus/camgw.rules_test.yml"
	scrapeFile    = "../../deploy/prometheus/prometheus.yml"
	dashboardFile = "../../deploy/grafana/camgw.json"
	runbook       = "docs/troubleshooting.md"
)

// promtool runs Debian's, which judges by Prometheus's own code.
func promtool(t *testing.T, stdin []byte, args ...string) {
	t.Helper()
	cmd := exec.Command("promtool", args...)
	cmd.Stdin = bytes.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPromtool(t *testing.T) {
	promtool(t, nil, "check", "rules", rulesFile)
	promtool(t, nil, "check", "config", scrapeFile)
	promtool(t, nil, "test", "rules", rulesTestFile)

	scrape := httptest.NewRecorder()
	NewHandler(registry(t)).ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
	if scrape.Code != http.StatusOK {
		t.Fatal(scrape.Code)
	}
	promtool(t, scrape.Body.Bytes(), "check", "metrics")
}

// rule is an alert, or a recorded series.
type rule struct {
	Alert, Record, Expr string
	Labels, Annotations map[string]string
}

func readRules(t *testing.T) (rules []rule) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	readYAML(t, rulesFile, &file)
	for _, g := range file.Groups {
		rules = append(rules, g.Rules...)
	}
	if len(rules) == 0 {
		t.Fatal("no rules")
	}
	return rules
}

func readYAML(t *testing.T, name string, to any) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := yaml.Unmarshal(b, to, yaml.DecodeOpts{}); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// expressions are those of the rules and of the dashboard, by where they stand.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, r := range readRules(t) {
		all[r.Alert+r.Record] = r.Expr
	}
	for where, expr := range dashboard(t).expressions() {
		all[where] = expr
	}
	return all
}

// board is what the tests read of the dashboard.
type board struct {
	Panels []struct {
		Title, Type, Description string
		Targets                  []struct{ Expr, LegendFormat string }
	}
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
	Annotations struct{ List []struct{ Name, Expr string } }
}

func dashboard(t *testing.T) board {
	t.Helper()
	b, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var d board
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d board) expressions() map[string]string {
	all := map[string]string{}
	for i, p := range d.Panels {
		for j, target := range p.Targets {
			all[fmt.Sprintf("panel %d, %s, query %c", i, p.Title, 'A'+j)] = target.Expr
		}
	}
	for _, a := range d.Annotations.List {
		all["annotation "+a.Name] = a.Expr
	}
	return all
}

// foreign are the metrics that are Prometheus's own, with their labels beside those of the target.
var foreign = map[string][]string{"up": {}, "ALERTS": {"alertname", "alertstate", "severity", "camera"}}

// series are the labels that a metric has, and the values of each that are there from the start.
type series map[string]map[string]bool

// known are all series there can be: those of the registry, and the recorded ones.
func known(t *testing.T) map[string]series {
	t.Helper()
	all := map[string]series{}
	add := func(name string, labels ...string) {
		s := series{"job": nil, "instance": nil}
		for _, l := range labels {
			s[l] = map[string]bool{}
		}
		all[name] = s
	}
	for _, f := range families {
		m := described.FindStringSubmatch(f.desc.String())
		labels := strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' })
		add(m[1], labels...)
		if f.kind == prometheus.UntypedValue { // a histogram
			delete(all, m[1])
			add(m[1]+"_sum", labels...)
			add(m[1]+"_count", labels...)
			add(m[1]+"_bucket", append(labels, "le")...)
		}
	}
	gathered, err := registry(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range gathered {
		if all[f.GetName()] == nil {
			add(f.GetName())
		}
		for _, m := range f.Metric {
			for _, pair := range m.Label {
				if values := all[f.GetName()][pair.GetName()]; values != nil {
					values[pair.GetValue()] = true
				}
			}
		}
	}
	for name, labels := range foreign {
		add(name, labels...)
	}
	return all
}

// free are the labels whose values are not the code's to choose.
var free = []string{"camera", "instance", "job", "version", "code", "handler", "alertname", "alertstate"}

// TestExpressions: every metric, label and value of a label that rules and dashboard ask for exists.
func TestExpressions(t *testing.T) {
	have := known(t)
	for where, expr := range expressions(t) {
		u, err := readPromQL(expr)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		if len(u.metrics) == 0 {
			t.Errorf("%s asks for no metric: %s", where, expr)
		}
		labels := map[string]bool{}
		for _, use := range u.metrics {
			s, ok := have[use.metric]
			if !ok {
				t.Errorf("%s: there is no metric %s", where, use.metric)
				continue
			}
			for l := range s {
				labels[l] = true
			}
			for _, m := range use.matchers {
				values, ok := s[m.label]
				switch {
				case !ok:
					t.Errorf("%s: %s has no label %s", where, use.metric, m.label)
				case !slices.Contains(free, m.label):
					for value := range strings.SplitSeq(m.value, "|") {
						if !values[value] && !bucketed(use.metric) {
							t.Errorf("%s: %s never has %s=%q, but %v", where, use.metric, m.label, value, slices.Sorted(maps.Keys(values)))
						}
					}
				}
			}
		}
		for _, l := range u.labels {
			if !labels[l] {
				t.Errorf("%s groups by %s, which %v do not have", where, l, u.metrics)
			}
		}
	}
}

// bucketed metrics are gathered under another name, without their values.
func bucketed(name string) bool {
	return strings.HasSuffix(name, "_bucket") || strings.HasSuffix(name, "_sum") || strings.HasSuffix(name, "_count")
}

// TestDashboard: what promtool cannot see in the JSON itself.
func TestDashboard(t *testing.T) {
	d := dashboard(t)
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	variables := regexp.MustCompile(`\$(__)?[a-z_]+`)
	names := []string{"$__rate_interval"}
	for _, v := range d.Templating.List {
		names = append(names, "$"+v.Name)
	}
	n := 0
	for where, expr := range d.expressions() {
		for _, v := range variables.FindAllString(expr, -1) {
			if !slices.Contains(names, v) {
				t.Errorf("%s uses %s, which the dashboard does not define", where, v)
			}
		}
		expr = strings.ReplaceAll(expr, "$__rate_interval", "1m")
		fmt.Fprintf(&rules, "  - record: dashboard:%d\n    expr: %q\n", n, variables.ReplaceAllString(expr, ".*"))
		n++
	}
	name := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(name, []byte(rules.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	promtool(t, nil, "check", "rules", name)

	legend := regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)
	have := known(t)
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			u, err := readPromQL(target.Expr)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range legend.FindAllStringSubmatch(target.LegendFormat, -1) {
				if _, ok := have[u.metrics[0].metric][m[1]]; !ok || strings.HasPrefix(target.Expr, "sum") && !slices.Contains(u.labels, m[1]) {
					t.Errorf("%s: the legend shows %s, which %s does not give", p.Title, m[1], target.Expr)
				}
			}
		}
	}
}

// TestEveryAlertIsExplained: each has a summary, a description, a severity and a section in the page of troubleshooting; that page
// speaks of no other; and there is a test where it fires and one where it does not.
func TestEveryAlertIsExplained(t *testing.T) {
	page, err := os.ReadFile("../../" + runbook)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{} // by anchor
	for _, m := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(string(page), -1) {
		sections[anchor(m[1])] = m[1]
	}
	var tests struct {
		Tests []struct {
			Cases []struct {
				Name   string            `json:"alertname"`
				Alerts []json.RawMessage `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		}
	}
	readYAML(t, rulesTestFile, &tests)
	fires, rests := map[string]bool{}, map[string]bool{}
	for _, test := range tests.Tests {
		for _, c := range test.Cases {
			fires[c.Name] = fires[c.Name] || len(c.Alerts) > 0
			rests[c.Name] = rests[c.Name] || len(c.Alerts) == 0
		}
	}
	explained := map[string]bool{}
	for _, r := range readRules(t) {
		if r.Alert == "" {
			continue
		}
		if !slices.Contains([]string{"info", "warning", "critical"}, r.Labels["severity"]) {
			t.Errorf("%s has severity %q", r.Alert, r.Labels["severity"])
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s has no summary or no description", r.Alert)
		}
		file, fragment, _ := strings.Cut(r.Annotations["runbook_url"], "#")
		section := sections[fragment]
		if !strings.HasSuffix(file, "/"+runbook) || !strings.Contains(section, r.Alert) {
			t.Errorf("%s leads to %q, which is no section about it", r.Alert, r.Annotations["runbook_url"])
		}
		if !fires[r.Alert] || !rests[r.Alert] {
			t.Errorf("%s is not tested where it fires (%v) and where it does not (%v)", r.Alert, fires[r.Alert], rests[r.Alert])
		}
		explained[r.Alert] = true
	}
	for _, name := range regexp.MustCompile(`\bCamgw\w+`).FindAllString(string(page), -1) {
		if !explained[name] {
			t.Errorf("%s speaks of %s, which is no alert", runbook, name)
		}
	}
}

// anchor is what GitHub makes of a heading.
func anchor(heading string) string {
	return strings.ReplaceAll(regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

// TestPagesNameMetricsThatExist: in the documentation and in commands and queries that people copy from it.
func TestPagesNameMetricsThatExist(t *testing.T) {
	have := known(t)
	for _, page := range []string{runbook, "docs/metrics.md"} {
		b, err := os.ReadFile("../../" + page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`\bcamgw_\w+`).FindAllString(string(b), -1) {
			if have[name] == nil && have[name+"_bucket"] == nil {
				t.Errorf("%s names %s, which does not exist", page, name)
			}
		}
	}
}
