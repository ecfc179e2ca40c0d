#!/bin/sh
# install.sh - installs the camgw package for this machine that lies beside this script, or in the directory given.
# It checks the package against SHA256SUMS and lets apt install it, and does nothing else: it fetches nothing.
#
#   sh install.sh [DIRECTORY]
set -eu
dir=${1:-$(dirname "$0")}

fail() {
	echo "install.sh: $1" >&2
	exit 1
}

cd "$dir" || fail "there is no directory $dir"
command -v apt-get >/dev/null || fail "this is no Debian: there is no apt-get; try: the tarball"
arch=$(dpkg --print-architecture)
set -- camgw_*_"$arch".deb
[ -e "$1" ] || fail "no camgw_*_$arch.deb in $dir; try: download it, and SHA256SUMS, beside this script"
[ $# = 1 ] || fail "several packages in $dir: $*; try: keep one of them"
[ -e SHA256SUMS ] || fail "no SHA256SUMS in $dir; try: download it beside this script"
# Only the line of this package: SHA256SUMS speaks of the others too.
line=$(awk -v name="$1" '$2 == name || $2 == "*" name' SHA256SUMS)
[ -n "$line" ] || fail "SHA256SUMS does not speak of $1; try: the one of the same release"
echo "$line" | sha256sum --check --strict - >&2 || fail "$1 is damaged or is not what was released; try: download it again"

if [ "$(id -u)" = 0 ]; then
	exec apt-get install --yes "./$1"
fi
exec sudo apt-get install --yes "./$1"
