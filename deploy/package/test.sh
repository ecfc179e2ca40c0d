#!/bin/bash
# test.sh PACKAGES - installs, runs, upgrades and purges the package in a bookworm made for the test, booted under its own systemd.
# Needs root and, the first time, a Debian mirror. make package-test calls it.
#
# What it does not see: DeviceAllow= and IPAddressAllow= at work. They are programs in the kernel's cgroups, which a container
# may not load; deploy/check.sh sees that systemd takes them.
set -euo pipefail
cd "$(dirname "$0")/../.."
packages=$(realpath "$1")
[ "$(id -u)" = 0 ] || { echo "test.sh: needs root, for debootstrap and systemd-nspawn" >&2; exit 1; }
.ci/need debootstrap systemd-container curl lintian
arch=$(dpkg --print-architecture)
cache=${CAMGW_TEST_CACHE:-/var/cache/camgw-test}
root=$(mktemp -d /var/tmp/camgw-package-test.XXXXXX)
nspawn=

finish() {
	status=$?
	if [ -n "$nspawn" ]; then
		[ "$status" = 0 ] || cat "$root/hostcam" || true
		[ "$status" = 0 ] || inside journalctl --no-pager -n 60 -u camgw.service || true
		# With its first process the whole container ends.
		kill -KILL "${init:-$nspawn}" 2>/dev/null || true
		wait "$nspawn" 2>/dev/null || true
	fi
	rm -rf --one-file-system "$root"
	[ "$status" = 0 ] && echo "package-test: passed" || echo "package-test: FAILED" >&2
}
trap finish EXIT

say() { echo "== $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
is() { # WHAT WANT GOT
	[ "$2" = "$3" ] || fail "$1: want \"$2\", got \"$3\""
	echo "   $1: $3"
}
soon() { # SECONDS WHAT COMMAND...
	local limit=$1 what=$2
	shift 2
	for ((i = 0; i < limit * 10; i++)); do
		if "$@" >/dev/null 2>&1; then return; fi
		sleep 0.1
	done
	fail "$what: not within $limit s"
}

say "two versions of the package"
new=$(echo "$packages"/camgw_*_"$arch".deb)
SOURCE_DATE_EPOCH=86400 VERSION=old NFPM=${NFPM:-$(ls bin/tools/nfpm-*)} deploy/package/build.sh "$root/old" "$arch" >/dev/null
old=$(echo "$root"/old/camgw_*_"$arch".deb)
for deb in "$packages"/*.deb; do
	lintian --allow-root --fail-on error,warning --tag-display-limit 0 "$deb"
done

say "a bookworm"
if [ ! -e "$cache/bookworm-$arch.tar" ]; then
	mkdir -p "$cache"
	debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,udev,kmod,procps,libjpeg62-turbo,umockdev bookworm "$root/base" >/dev/null
	tar -C "$root/base" -cf "$cache/bookworm-$arch.tar.new" .
	mv "$cache/bookworm-$arch.tar.new" "$cache/bookworm-$arch.tar"
	rm -rf "$root/base"
fi
vm=$root/vm
mkdir "$vm"
tar -C "$vm" -xf "$cache/bookworm-$arch.tar"
cp "$old" "$vm/old.deb"
cp "$new" "$vm/new.deb"
install -m 755 bin/hostcam "$vm/usr/local/bin/hostcam"

say "boot"
systemd-nspawn --quiet --directory "$vm" --boot --register=no --keep-unit --private-network </dev/null >"$root/console" 2>&1 &
nspawn=$!
leader() { pgrep -P "$nspawn" -x systemd; }
soon 20 "the container's systemd" leader
init=$(leader)
inside() { nsenter --target "$init" --mount --uts --ipc --net --pid --cgroup --root --wdns=/ /usr/bin/env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
web() { nsenter --target "$init" --net curl --silent --show-error --fail --max-time 5 "$@"; }
booted() { [[ $(inside systemctl is-system-running) =~ ^(running|degraded)$ ]]; }
soon 60 "boot" booted
# shellcheck disable=SC2016 # dpkg-query's own variable
installed() { inside dpkg-query -W -f '${Version}' camgw; }
property() { inside systemctl show --value --property "$1" "${2:-camgw.service}"; }
pid() { property MainPID; }
status_is() { [ "$(property StatusText)" = "$1" ]; }
restarted() { local now; now=$(pid); [ "$now" != 0 ] && [ "$now" != "$1" ] && [ "$(property ActiveState)" = active ]; }

say "install"
inside dpkg -i /old.deb
is "version" "$(dpkg-deb -f "$old" Version)" "$(installed)"
is "the SBOM's hash of the program" "$(inside sha256sum /usr/bin/camgw | cut -d' ' -f1)" \
	"$(inside gzip -dc /usr/share/doc/camgw/camgw.cdx.json.gz | sed -n '/"metadata"/,/"licenses"/s/.*"content": "\([0-9a-f]*\)".*/\1/p')"
is "configuration" "root:camgw 640" "$(inside stat -c '%U:%G %a' /etc/camgw/camgw.toml)"
is "enabled" disabled "$(inside systemctl is-enabled camgw.service || true)"
is "running" inactive "$(inside systemctl is-active camgw.service || true)"
is "the user's shell" /usr/sbin/nologin "$(inside getent passwd camgw | cut -d: -f7)"
inside systemd-analyze verify --man=no /usr/lib/systemd/system/camgw.service /usr/lib/systemd/system/camgw.socket
exposure=$(inside systemd-analyze security --no-pager camgw.service | sed -n 's/.*exposure level for camgw.service: \([0-9.]*\).*/\1/p')
is "exposure" 1.5 "$exposure"
inside bash -n /usr/share/bash-completion/completions/camgw

say "names of ports, by the rules, on devices that umockdev makes up"
cp deploy/udev/test.sh "$vm/usr/local/bin/udev-test"
inside udev-test

say "run, with a camera on a pty and a simulated one"
inside install -d -o camgw -g camgw /run/test
inside setpriv --reuid camgw --regid camgw --clear-groups hostcam --link /run/test/cam.tty --fps 20 >"$root/hostcam" 2>&1 &
camera=$!
inside mkdir -p /etc/systemd/system/camgw.service.d
cameras="--port door=/run/test/cam.tty --port yard=sim:size=96x96"
configure() { # CAMERAS WATCHDOG [MORE]
	cat >"$vm/etc/systemd/system/camgw.service.d/test.conf" <<-END
		[Service]
		DeviceAllow=char-pts rw
		WatchdogSec=$2
		ExecStart=
		ExecStart=/usr/bin/camgw serve $1 ${3:-}
	END
	inside systemctl daemon-reload
}
configure "$cameras" 30s
inside systemctl enable --now camgw.service
soon 10 "status" status_is "2 of 2 cameras linked, 0 viewers"
is "ready" "active running notify" "$(property ActiveState) $(property SubState) $(property Type)"
is "user" camgw "$(inside ps -o user= -p "$(pid)" | tr -d ' ')"
web -o "$root/door.jpg" http://127.0.0.1:8080/cam/door/snapshot.jpg
is "a picture from the pty" "ff d8" "$(od -An -tx1 -N2 "$root/door.jpg" | xargs)"

say "the sandbox, by its effects"
inside grep -E '^(Cap...|NoNewPrivs|Seccomp|Umask):' "/proc/$(pid)/status" | tr -s '\t ' ' ' >"$root/status"
is "capabilities" "" "$(grep ^Cap "$root/status" | grep -v ' 0000000000000000$' || true)"
is "no new privileges" "NoNewPrivs: 1" "$(grep NoNewPrivs "$root/status")"
is "system calls" "Seccomp: 2" "$(grep '^Seccomp:' "$root/status")"
is "umask" "Umask: 0027" "$(grep Umask "$root/status")"
is "groups" dialout "$(inside ps -o supgrp= -p "$(pid)" | tr ',' '\n' | grep -v '^camgw$' | tr -d ' ' | sort -u)"
most=$(ulimit -Hn) # a container cannot raise it
((most < 65536)) || most=65536
is "descriptors" "$most $most" "$(inside grep 'Max open files' "/proc/$(pid)/limits" | awk '{print $4, $5}')"
mounts() { inside cat "/proc/$(pid)/mountinfo"; }
option() { mounts | awk -v at="$1" '$5 == at {split($6, o, ","); print o[1]}' | tail -1; }
is "/ is read only" ro "$(option /)"
is "its state is not" rw "$(option /var/lib/camgw)"
is "/home is hidden" 1 "$(mounts | awk '$5 == "/home"' | wc -l)"
is "/tmp is its own" 1 "$(mounts | awk '$5 == "/tmp" && $4 ~ /systemd-private/' | wc -l)"
is "other processes are hidden" 1 "$(mounts | grep -c 'hidepid=invisible.*subset=pid')"
# The same limits around a shell show what they refuse.
limits=$(sed -n '/^\[Service\]/,/^\[Install\]/p' "$vm/usr/lib/systemd/system/camgw.service" |
	grep -E '^(User|Group|SupplementaryGroups|DevicePolicy|DeviceAllow|Protect|Private|ProcSubset|NoNew|Capab|Ambient|Restrict(SUID|Name|Real|Addr)|RemoveIPC|Lock|Memory(Deny)|Keyring|SystemCall|UMask|Limit)[A-Za-z]*=' |
	sed 's/^/--property=/')
try() { mapfile -t all <<<"$limits"; inside systemd-run --quiet --wait --pipe --collect "${all[@]}" "$@" 2>&1; }
refused() { # WHAT COMMAND...
	local what=$1
	shift
	if try "$@" >"$root/refused"; then fail "$what is possible: $(cat "$root/refused")"; fi
	echo "   refused: $what"
}
try true || fail "nothing runs under these limits"
refused "to write below /etc" touch /etc/camgw/x
refused "to write below /usr" touch /usr/x
refused "to see a home" ls /root
refused "to become root" setpriv --reuid 0 true
refused "a namespace" unshare --user true
refused "to mount" mount -t tmpfs none /mnt
refused "real time" chrt --fifo 1 true
refused "to see other processes" ls /proc/1
refused "tunables" sh -c 'echo 1 >/proc/sys/kernel/panic'
refused "the kernel's log" dmesg
refused "the host name" hostname other
refused "the clock" date -s 2001-01-01
refused "a packet socket" perl -e 'socket(S, 17, 3, 0) or die'
refused "netlink" perl -e 'socket(S, 16, 3, 0) or die'
# shellcheck disable=SC2016 # Perl's variables, not the shell's
refused "memory that is written and run" perl -e '$p = syscall(9, 0, 4096, 7, 34, -1, 0); exit($p == -1 ? 1 : 0)'

say "50 viewers, and what becomes of them"
viewers=()
for i in $(seq 50); do
	(nsenter --target "$init" --net curl --silent --no-buffer --output /dev/null http://127.0.0.1:8080/cam/yard/stream.mjpg) &
	viewers+=($!)
done
soon 10 "status" status_is "2 of 2 cameras linked, 50 viewers"
cpu_before=$(web http://127.0.0.1:8080/metrics | sed -n 's/^camgw_client_frames_sent_total{camera="yard",transport="mjpeg"} //p')
sleep 2
sent=$(web http://127.0.0.1:8080/metrics | sed -n 's/^camgw_client_frames_sent_total{camera="yard",transport="mjpeg"} //p')
awk "BEGIN {exit !($sent - $cpu_before > 500)}" || fail "50 viewers got $sent - $cpu_before pictures in two seconds"
echo "   pictures in two seconds: $(awk "BEGIN {print $sent - $cpu_before}")"
kill "${viewers[@]}" 2>/dev/null || true
soon 10 "viewers leave" status_is "2 of 2 cameras linked, 0 viewers"

say "killed, frozen, hung"
before=$(pid)
inside kill -KILL "$before"
soon 10 "restart after SIGKILL" restarted "$before"
configure "$cameras" 3s
inside systemctl restart camgw.service
soon 10 "status" status_is "2 of 2 cameras linked, 0 viewers"
before=$(pid)
sleep 5
is "the watchdog of a healthy daemon" "$before" "$(pid)"
inside kill -STOP "$before"
soon 40 "restart of a stopped process" restarted "$before"
is "why" watchdog "$(inside journalctl -u camgw.service --output cat | sed -n "s/.*Failed with result '\(.*\)'.*/\1/p" | tail -1)"
configure "$cameras --port attic=sim:size=96x96,hang=8s" 3s
inside systemctl restart camgw.service
soon 10 "status" status_is "3 of 3 cameras linked, 0 viewers"
before=$(pid)
soon 60 "restart of a hung reader" restarted "$before"
inside journalctl -u camgw.service -p err --output cat | grep 'no progress.*waiting_for="camera attic"' >/dev/null || fail "the journal does not say what hung"
echo "   $(inside journalctl -u camgw.service -p err --output cat | grep 'no progress' | tail -1)"
inside journalctl -u camgw.service --output cat | grep 'simcam.(\*Line).Read' >/dev/null || fail "the journal does not show where"
configure "$cameras" 30s
inside systemctl restart camgw.service

say "a configuration that makes no sense is not tried again"
if inside camgw serve --help | grep -e --config >/dev/null; then
	echo 'nonsense = 1' >"$vm/etc/camgw/nonsense.toml"
	configure "--config /etc/camgw/nonsense.toml" 30s
	inside systemctl restart camgw.service || true
	sleep 4
	is "state" "failed 0 78" "$(property ActiveState) $(property NRestarts) $(property ExecMainStatus)"
	inside journalctl -u camgw.service -p err --output cat | grep nonsense.toml >/dev/null || fail "the mistake is not in the journal as an error"
	rm "$vm/etc/camgw/nonsense.toml"

	say "reload"
	printf '[[camera]]\nname = "yard"\nport = "sim:size=96x96"\n' >"$vm/etc/camgw/sim.toml"
	chmod 644 "$vm/etc/camgw/sim.toml"
	configure "--config /etc/camgw/sim.toml" 30s
	inside systemctl restart camgw.service
	soon 10 "status" status_is "1 of 1 cameras linked, 0 viewers"
	before=$(pid)
	printf '[[camera]]\nname = "attic"\nport = "sim:size=96x96"\n' >>"$vm/etc/camgw/sim.toml"
	inside systemctl reload camgw.service
	soon 10 "status after a reload" status_is "2 of 2 cameras linked, 0 viewers"
	echo 'nonsense = 1' >>"$vm/etc/camgw/sim.toml"
	inside systemctl reload camgw.service || true
	sleep 2
	is "after reloading nonsense" "active running $before 2 of 2 cameras linked, 0 viewers" \
		"$(property ActiveState) $(property SubState) $(pid) $(property StatusText)"
	rm "$vm/etc/camgw/sim.toml"
fi

say "socket activation"
configure "$cameras" 30s
inside systemctl stop camgw.service
inside systemctl start camgw.socket
is "before the first request" inactive "$(inside systemctl is-active camgw.service || true)"
web -o "$root/yard.jpg" http://127.0.0.1:8080/cam/yard/snapshot.jpg
is "after it" active "$(inside systemctl is-active camgw.service)"
inside systemctl restart camgw.service &
web --retry 0 --max-time 20 -o "$root/yard.jpg" http://127.0.0.1:8080/healthz || fail "refused while it restarted"
wait $!
inside systemctl stop camgw.socket camgw.service
inside systemctl start camgw.service

say "local network only"
inside install -D -m 644 /usr/share/camgw/systemd/lan-only.conf -t /etc/systemd/system/camgw.service.d/
inside systemctl daemon-reload
inside systemd-analyze verify --man=no /usr/lib/systemd/system/camgw.service
exposure=$(inside systemd-analyze security --no-pager camgw.service | sed -n 's/.*exposure level for camgw.service: \([0-9.]*\).*/\1/p')
is "exposure" 1.4 "$exposure"
inside systemctl restart camgw.service
soon 10 "status" status_is "2 of 2 cameras linked, 0 viewers"

say "upgrade"
echo "# mine" >>"$vm/etc/camgw/camgw.toml"
before=$(pid)
inside dpkg -i /new.deb
is "version" "$(dpkg-deb -f "$new" Version)" "$(installed)"
soon 10 "restart by the upgrade" restarted "$before"
is "configuration" "# mine" "$(tail -1 "$vm/etc/camgw/camgw.toml")"
is "its owner" "root:camgw 640" "$(inside stat -c '%U:%G %a' /etc/camgw/camgw.toml)"
is "enabled" enabled "$(inside systemctl is-enabled camgw.service)"
soon 10 "status" status_is "2 of 2 cameras linked, 0 viewers"

say "remove and purge"
inside dpkg -r camgw
is "running" inactive "$(inside systemctl is-active camgw.service || true)"
is "configuration" "# mine" "$(tail -1 "$vm/etc/camgw/camgw.toml")"
inside dpkg -i /new.deb
is "enabled as before" enabled "$(inside systemctl is-enabled camgw.service)"
inside rm -r /etc/systemd/system/camgw.service.d
inside dpkg -P camgw
kill "$camera" 2>/dev/null || true
left=$(inside find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /var/log -o -path /tmp -o -path /var/tmp \) -prune -o -name '*camgw*' -print)
is "files left" "" "$left"
