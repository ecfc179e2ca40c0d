#!/bin/bash
# check.sh - holds unit, socket, rules and install.sh to what docs/operations.md says of them. Part of make test: it needs neither
# root nor network.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "deploy/check.sh: $*" >&2; exit 1; }

# The unit, as systemd reads it. The program need not be installed for that.
mkdir "$work/units"
cp deploy/systemd/camgw.{service,socket} "$work/units"
printf '#!/bin/sh\n' >"$work/camgw"
chmod +x "$work/camgw"
sed -i "s|/usr/bin/camgw|$work/camgw|" "$work/units/camgw.service"
verify() {
	if ! systemd-analyze verify --man=no "$work/units/camgw.service" "$work/units/camgw.socket" >"$work/verify" 2>&1 || [ -s "$work/verify" ]; then
		cat "$work/verify" >&2
		fail "systemd-analyze verify is not clean"
	fi
}
exposure() {
	SYSTEMD_UNIT_PATH="$work/units:" systemd-analyze security --no-pager --offline=true camgw.service |
		sed -n 's/.*exposure level for camgw.service: \([0-9.]*\).*/\1/p'
}
verify
plain=$(exposure)
mkdir "$work/units/camgw.service.d"
cp deploy/systemd/lan-only.conf "$work/units/camgw.service.d"
verify
lan=$(exposure)
if [ -z "$plain" ] || ! awk "BEGIN {exit !($plain <= 1.5 && $lan < $plain)}"; then fail "exposure $plain, with lan-only.conf $lan"; fi
grep -q "exposure level is $plain, and $lan with" docs/operations.md || fail "docs/operations.md gives another exposure level than $plain and $lan"
systemd-sysusers --dry-run "$PWD/deploy/systemd/camgw.sysusers" >"$work/users" 2>&1 || fail "$(cat "$work/users")"

# install.sh with an apt that only tells.
mkdir "$work/bin" "$work/packages"
printf '#!/bin/sh\necho "apt-get $*"\n' >"$work/bin/apt-get"
printf '#!/bin/sh\nexec "$@"\n' >"$work/bin/sudo"
chmod +x "$work"/bin/*
arch=$(dpkg --print-architecture)
deb=camgw_1.0-1_$arch.deb
run() { PATH="$work/bin:$PATH" sh install.sh "$work/packages" 2>&1; }
refuses() { # WHY
	if out=$(run); then fail "install.sh installs: $out"; fi
	grep -q "$1" <<<"$out" || fail "install.sh says \"$out\", not \"$1\""
	! grep -q '^apt-get' <<<"$out" || fail "install.sh calls apt all the same"
}
refuses "no camgw_\*_$arch.deb"
echo package >"$work/packages/$deb"
refuses "no SHA256SUMS"
echo "$(sha256sum </dev/null | cut -d' ' -f1)  other.deb" >"$work/packages/SHA256SUMS"
refuses "does not speak of $deb"
echo "$(sha256sum </dev/null | cut -d' ' -f1)  $deb" >>"$work/packages/SHA256SUMS"
refuses "is damaged"
(cd "$work/packages" && sha256sum "$deb" >SHA256SUMS)
[ "$(run | tail -1)" = "apt-get install --yes ./$deb" ] || fail "install.sh: $(run)"
touch "$work/packages/camgw_1.1-1_$arch.deb"
refuses "several packages"

for script in deploy/check.sh deploy/package/*.sh; do bash -n "$script"; done
for script in install.sh deploy/package/{postinst,prerm,postrm}; do sh -n "$script"; done
echo "deploy: exposure $plain, with lan-only.conf $lan; install.sh refuses what it should"
