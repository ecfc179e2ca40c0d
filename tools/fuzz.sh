#!/usr/bin/env bash
# fuzz.sh SECONDS [TARGET...] - runs each fuzz target, Go and C, until it has used so many seconds of CPU time, one process at a
# time, and prints what each did: executions, CPU time, findings. The exit code is 1 if there was a finding: its input lies in the
# package's testdata/fuzz (Go) or in firmware/build/fuzz (C).
#
# fuzz.sh --list - prints the targets: PACKAGE.FuzzNAME for Go, c.NAME for C.
set -euo pipefail
cd "$(dirname "$0")/.."

targets() {
	grep -roE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' internal cmd |
		sed -E 's,^(.*)/[^/]*_test\.go:func (Fuzz.*),\1.\2,' | sort
	basename -a -s .c firmware/test/fuzz_*.c | sed 's/^fuzz_/c./' | sort
}

[ "${1-}" != --list ] || { targets; exit; }
wanted=${1:?usage: fuzz.sh SECONDS [TARGET...]}
shift
[ $# -gt 0 ] || readarray -t all < <(targets)
[ $# -eq 0 ] || all=("$@")
build=$PWD/bin/fuzz
mkdir -p "$build"

prepare() { # TARGET: builds it
	case $1 in
	c.*) make -s -C firmware "build/fuzz/${1#c.}" ;;
	*) go test -c -fuzz "${1##*.}" -o "$build/$(basename "${1%.*}").test" "./${1%.*}" ;;
	esac
}

round() { # TARGET SECONDS: fuzzes it for so long by the clock
	local name=${1##*.}
	case $1 in
	c.*)
		mkdir -p "firmware/build/fuzz/$name.found"
		(cd firmware && "build/fuzz/$name" -max_total_time="$2" -timeout=10 -max_len=16384 -print_final_stats=1 \
			-artifact_prefix="build/fuzz/$name-" "build/fuzz/$name.found" "test/corpus/$name")
		;;
	*)
		(cd "${1%.*}" && "$build/$(basename "${1%.*}").test" -test.run '^$' -test.fuzz "^$name\$" -test.fuzztime "$2s" \
			-test.fuzzminimizetime 1x -test.parallel 1 -test.fuzzcachedir "$build/corpus/${1%.*}")
		;;
	esac
}

executions() { # of a round, by its output
	sed -nE 's/^fuzz: elapsed: .*execs: ([0-9]+).*/\1/p; s/^stat::number_of_executed_units: +//p' "$1" | tail -n 1
}

printf '%-44s %14s %9s  %s\n' target executions 'CPU s' findings
sum_execs=0 sum_cpu=0 failed=0
TIMEFORMAT='%U %S'
for target in "${all[@]}"; do
	log=$build/$target.log
	log=${log//internal\//}
	mkdir -p "$(dirname "$log")"
	prepare "$target" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
	execs=0 cpu=0 seconds=$wanted found=none
	while :; do
		code=0
		{ time round "$target" "$seconds" >"$log" 2>&1; } 2>"$log.time" || code=$?
		used=$(awk '{ u += $1 + $2 } END { print u }' "$log.time")
		n=$(executions "$log")
		execs=$((execs + ${n:-0}))
		cpu=$(awk "BEGIN { print $cpu + $used }")
		if [ $code != 0 ]; then
			found="see $log" failed=1
			break
		fi
		# On a busy machine it got less than the clock says: the rest is for another round.
		seconds=$(awk "BEGIN { rest = $wanted - $cpu; share = $used / $seconds; if (share < 0.1) share = 0.1; s = int(rest / share + 0.5); if (s > 600) s = 600; print s }")
		if [ "$seconds" -lt 1 ] || ! awk "BEGIN { exit !($cpu < 0.95 * $wanted) }"; then break; fi
	done
	printf '%-44s %14d %9.0f  %s\n' "$target" "$execs" "$cpu" "$found"
	sum_execs=$((sum_execs + execs))
	sum_cpu=$(awk "BEGIN { print $sum_cpu + $cpu }")
done
printf '%-44s %14d %9.0f\n' "${#all[@]} targets" "$sum_execs" "$sum_cpu"
exit $failed
