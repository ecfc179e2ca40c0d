package metrics

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// An expression is read here only as far as names go: which metrics it asks for, which labels of them, and which values
// of these. That it is PromQL at all is promtool's to say.

// use is one metric in an expression.
type use struct {
	metric   string
	matchers []matcher
}

type matcher struct{ label, op, value string }

// uses are the metrics and the labels that an expression groups or joins by.
type uses struct {
	metrics []use
	labels  []string
}

var (
	promToken = regexp.MustCompile(`^(?:\s+|"(?:[^"\\]|\\.)*"|'[^']*'|[a-zA-Z_][a-zA-Z0-9_:]*|[0-9][0-9a-zA-Z.]*|=~|!~|!=|==|>=|<=|\[[^\]]*\]|.)`)
	promName  = regexp.MustCompile(`^[a-zA-Z_]`)

	promGrouping = []string{"by", "without", "on", "ignoring", "group_left", "group_right"}
	promWords    = []string{"and", "or", "unless", "bool", "offset"}
)

func promTokens(expr string) (tokens []string) {
	for expr != "" {
		token := promToken.FindString(expr)
		expr = expr[len(token):]
		if strings.TrimSpace(token) != "" {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// readPromQL finds the uses in an expression.
func readPromQL(expr string) (u uses, err error) {
	tokens := promTokens(expr)
	peek := func() string {
		if len(tokens) == 0 {
			return ""
		}
		return tokens[0]
	}
	next := func() string {
		token := peek()
		if token != "" {
			tokens = tokens[1:]
		}
		return token
	}
	for len(tokens) > 0 {
		token := next()
		switch {
		case slices.Contains(promGrouping, token):
			if peek() != "(" {
				continue // group_left without labels
			}
			for next(); peek() != ")"; {
				if label := next(); label == "" {
					return u, fmt.Errorf("%s: the labels of %s do not end", expr, token)
				} else if label != "," {
					u.labels = append(u.labels, label)
				}
			}
			next()
		case !promName.MatchString(token) || slices.Contains(promWords, token) || slices.Contains([]string{"(", "by", "without"}, peek()): // or a function
		default:
			one := use{metric: token}
			if peek() == "{" {
				for next(); peek() != "}"; {
					if peek() == "" {
						return u, fmt.Errorf("%s: the labels of %s do not end", expr, token)
					}
					if peek() == "," {
						next()
						continue
					}
					one.matchers = append(one.matchers, matcher{next(), next(), strings.Trim(next(), `"'`)})
				}
				next()
			}
			u.metrics = append(u.metrics, one)
		}
	}
	return u, nil
}
