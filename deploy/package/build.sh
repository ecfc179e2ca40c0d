#!/bin/bash
# build.sh OUT [ARCH...] - builds the Debian packages and the tarballs into OUT; make package calls it. The same commit gives the
# same bytes: times are the commit's, names are sorted, and nothing of this machine gets in.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$1
shift
archs=${*:-amd64 arm64 armhf}
nfpm=${NFPM:?NFPM is not set; try: make package}

umask 022
export LC_ALL=C TZ=UTC GOWORK=off CGO_ENABLED=0
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
version=${VERSION:-$(git describe --tags --always --dirty)}
revision=${REVISION:-$(git rev-parse HEAD)}
case $version in
v[0-9]*)
	# v1.2.0-rc.1-5-gabc1234 is 1.2.0~rc.1+5.gabc1234 to dpkg: a candidate sorts before, what follows a tag behind.
	DEB_VERSION=$(sed -E 's/^v//; s/-([0-9]+)-g/+\1.g/; s/-dirty$/+dirty/; s/-/~/' <<<"$version")
	;;
*) DEB_VERSION=0~$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M).g$(tr - + <<<"$version") ;;
esac
export DEB_VERSION

mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compile() { # GOARCH GOARM OUTPUT [FLAG...]
	GOOS=linux GOARCH=$1 GOARM=$2 go build "${@:4}" -trimpath -buildvcs=false \
		-ldflags "-s -w -buildid= -X main.version=$version -X main.revision=$revision" -o "$3" ./cmd/camgw
}

# What the program tells of itself, by a build for this machine.
compile "$(go env GOHOSTARCH)" "" "$work/camgw" -tags man
mkdir "$work/man"
"$work/camgw" man --dir "$work/man"
compile "$(go env GOHOSTARCH)" "" "$work/camgw"
"$work/camgw" completion bash >"$work/camgw.bash"
"$work/camgw" completion zsh >"$work/camgw.zsh"
"$work/camgw" completion fish >"$work/camgw.fish"

go build -o "$work/sbom" ./deploy/package/sbom

third_party() {
	echo "camgw contains the following. Each is followed by its license and notices."
	echo
	echo "== The Go runtime and standard library"
	cat "$(go env GOROOT)/LICENSE"
	echo
	echo "== uPlot"
	cat internal/web/page/uPlot.LICENSE.txt
	GOOS=linux GOARCH=arm go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/camgw |
		sort -u | while read -r path release dir; do
		echo
		echo "== $path $release"
		found=
		for f in "$dir"/LICENSE* "$dir"/COPYING* "$dir"/NOTICE* "$dir"/PATENTS*; do
			[ ! -f "$f" ] || { cat "$f"; found=1; }
		done
		[ -n "$found" ] || { echo "build.sh: $path has no license" >&2; exit 1; }
	done
}
third_party >"$work/third-party"

documents() { # DIRECTORY
	mkdir -p "$1"
	cp docs/*.md "$1"
}

stage_deb() { # ROOT GOARCH GOARM
	local root=$1 share=$1/usr/share doc=$1/usr/share/doc/camgw
	mkdir -p "$root"/usr/{bin,lib/{systemd/system,udev/rules.d,sysusers.d}} "$share"/{man/man1,camgw/systemd,lintian/overrides} \
		"$share"/{bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d} "$doc"
	compile "$2" "$3" "$root/usr/bin/camgw"
	cp deploy/systemd/camgw.service deploy/systemd/camgw.socket "$root/usr/lib/systemd/system"
	cp deploy/systemd/camgw.sysusers "$root/usr/lib/sysusers.d/camgw.conf"
	cp deploy/udev/70-camgw.rules "$root/usr/lib/udev/rules.d"
	cp deploy/systemd/lan-only.conf "$share/camgw/systemd"
	for kind in prometheus grafana; do
		[ ! -d "deploy/$kind" ] || cp -r "deploy/$kind" "$share/camgw/"
	done
	cp "$work"/man/*.1 "$share/man/man1"
	gzip -9n "$share"/man/man1/*.1
	cp "$work/camgw.bash" "$share/bash-completion/completions/camgw"
	cp "$work/camgw.zsh" "$share/zsh/vendor-completions/_camgw"
	cp "$work/camgw.fish" "$share/fish/vendor_completions.d/camgw.fish"
	cp deploy/package/lintian-overrides "$share/lintian/overrides/camgw"
	cp deploy/package/copyright "$doc"
	"$work/sbom" "$version" "$root/usr/bin/camgw" >"$work/$ARCH.cdx.json"
	gzip -9n <"$work/$ARCH.cdx.json" >"$doc/camgw.cdx.json.gz"
	gzip -9n <"$work/third-party" >"$doc/third-party.gz"
	gzip -9n <CHANGELOG.md >"$doc/changelog.gz"
	cat <<-END | gzip -9n >"$doc/changelog.Debian.gz"
		camgw ($DEB_VERSION-1) unstable; urgency=medium

		  * What has changed is in changelog.gz. Built from
		    $revision.

		 -- camgw maintainers <camgw@users.noreply.github.com>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
	END
	documents "$doc/docs"
	chmod -R u=rwX,go=rX "$root"
	chmod 755 "$root/usr/bin/camgw"
	find "$root" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
}

stage_tarball() { # ROOT BINARY SBOM
	mkdir -p "$1"/{man,completions}
	cp "$2" "$1/camgw"
	cp "$3" "$1/camgw.cdx.json"
	cp LICENSE README.md CHANGELOG.md SECURITY.md "$1"
	cp "$work/third-party" "$1/THIRD-PARTY"
	cp "$work"/man/*.1 "$1/man"
	cp "$work"/camgw.{bash,zsh,fish} "$1/completions"
	cp -r deploy "$1/deploy"
	rm -r "$1/deploy/package"
	documents "$1/docs"
	chmod -R u=rwX,go=rX "$1"
}

for ARCH in $archs; do
	case $ARCH in
	amd64) goarch=amd64 goarm= ;;
	arm64) goarch=arm64 goarm= ;;
	armhf) goarch=arm goarm=6 ;; # Raspberry Pi OS's armhf is ARMv6: the Pi Zero and the first Pi
	*) echo "build.sh: unknown architecture $ARCH; there are amd64, arm64 and armhf" >&2; exit 2 ;;
	esac
	STAGE=$work/$ARCH
	export ARCH STAGE
	stage_deb "$STAGE" "$goarch" "$goarm"
	"$nfpm" package --packager deb --config deploy/package/nfpm.yaml --target "$out/camgw_${DEB_VERSION}-1_$ARCH.deb" >"$work/nfpm.log" || { cat "$work/nfpm.log" >&2; exit 1; }
	name=camgw_${DEB_VERSION}_linux_$ARCH
	cp "$work/$ARCH.cdx.json" "$out/$name.cdx.json"
	stage_tarball "$work/tar/$name" "$STAGE/usr/bin/camgw" "$work/$ARCH.cdx.json"
	tar -C "$work/tar" --sort=name --format=ustar --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf - "$name" |
		gzip -9n >"$out/$name.tar.gz"
done
cp install.sh "$out"
(cd "$out" && sha256sum -- *.deb *.tar.gz *.cdx.json >SHA256SUMS && cat SHA256SUMS)
