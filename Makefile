# camgw: what a person needs, by name. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS  := -s -w -X main.version=$(VERSION) -X main.revision=$(REVISION)
GO       ?= go
FUZZTIME ?= 60s
BOARD    ?= ai_thinker

# The C that firmware/Makefile does not format itself.
CLANG_FORMAT := clang-format --style=file:firmware/.clang-format
C_SOURCES = $(wildcard $(addsuffix /*.[ch],internal/bench/load firmware/ports/posix firmware/ports/posix/test \
	firmware/ports/esp-idf/main firmware/ports/esp-idf/check firmware/ports/esp-idf/check_boards))

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | while IFS=$$'\t' read -r t d; do printf '  %-14s %s\n' "$$t" "$$d"; done

.PHONY: build
build: ## build bin/camgw
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/camgw ./cmd/camgw

NFPM_VERSION := v2.45.2
NFPM := bin/tools/nfpm-$(NFPM_VERSION)

$(NFPM):
	@mkdir -p $(@D)
	GOBIN=$(abspath $(@D)) $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)
	@mv $(@D)/nfpm $@

.PHONY: package
package: $(NFPM) ## build Debian packages and tarballs into bin/package; ARCHS="amd64 arm64 armhf"
	@rm -rf bin/package
	VERSION=$(VERSION) REVISION=$(REVISION) NFPM=$(NFPM) deploy/package/build.sh bin/package $(ARCHS)

.PHONY: package-test
package-test: package ## install, upgrade and purge the package in a Debian of its own, under its own systemd (root, network)
	deploy/package/test.sh bin/package

.PHONY: hostcam
hostcam: need-build ## build bin/hostcam, the firmware's core behind a pty
	@$(MAKE) -s --no-print-directory -C firmware/ports/posix

.PHONY: run
run: build hostcam ## serve a moving picture without hardware, at http://127.0.0.1:8080
	@dir=$$(mktemp -d); trap 'kill $$cam 2>/dev/null; rm -rf $$dir' EXIT; \
	bin/hostcam --link $$dir/cam.tty & cam=$$!; \
	echo "Open http://127.0.0.1:8080 in a browser. Stop with Ctrl-C."; \
	bin/camgw serve --port demo=$$dir/cam.tty

.PHONY: test
test: need-test hostcam ## pass every test: Go, C, and the real programs together
	$(MAKE) -j3 --output-sync=recurse test-hostcam test-check test-firmware test-link test-32 test-prepare
	$(GO) test -race -shuffle=on -parallel 4 -timeout 20m ./...
	$(MAKE) -s test-abuse
	$(MAKE) chaos CHAOS_SEED=1

# Side by side: hostcam's emulated wires have their time to keep and leave the processors idle; what computes makes way for them.
.PHONY: test-hostcam test-check test-firmware test-link test-prepare
test-hostcam: need-test hostcam
	$(MAKE) -C firmware/ports/posix test
test-check: need-test
	nice -n 19 $(MAKE) check
test-firmware: need-test
	nice -n 19 $(MAKE) -C firmware test events
	nice -n 19 $(MAKE) firmware-check firmware-size

# Without the race detector, under which it would take four times as long and find no more: it is one goroutine.
test-link: need-test
	nice -n 19 $(GO) test -count=1 -timeout 15m ./internal/linkmodel

test-prepare: need-test
	-nice -n 19 $(MAKE) -s bin/tools/go2rtc
	nice -n 19 $(GO) build -race ./...

# By itself: it measures what attackers cost healthy viewers, and not what other tests do.
ABUSE ?= 1
.PHONY: test-abuse
test-abuse: need-test hostcam ## floods, slow readers and such against healthy viewers; ABUSE=10 is ten times as much
	$(GO) test -count=1 -v -run '^TestAbuse$$' ./cmd/camgw -args -abuse $(ABUSE)

MODEL ?= -pairs 0
.PHONY: model
model: need-test ## search the link for a schedule of faults that breaks it; MODEL="-pairs 0 -within 1h" ends sooner
	nice -n 19 $(GO) test -count=1 -v -timeout 48h ./internal/linkmodel -args -deep -liars 3000 $(MODEL)

# One of the clients that the tests try; a module of its own keeps its dependencies out of ours.
bin/tools/go2rtc: tools/go2rtc/go.mod tools/go2rtc/go.sum
	cd tools/go2rtc && CGO_ENABLED=0 $(GO) build -o ../../$@ github.com/AlexxIT/go2rtc

# A thread may tear 64 bits there, and an int holds no more than 2^31. Not its web tests: browsers and players say the same of them twice.
.PHONY: test-32
test-32: ## the Go tests on 32 bits: atomics, and what overflows
	CGO_ENABLED=0 GOARCH=386 nice -n 19 $(GO) test -shuffle=on -timeout 10m $$($(GO) list ./internal/... | grep -v -e /internal$$ -e /internal/bench -e /internal/linkmodel -e /internal/web$$)

.PHONY: check
check: need-test check-page check-deploy lint ## formatting and static checks
	@test -z "$$(gofmt -l cmd internal deploy)" || { gofmt -d cmd internal deploy; exit 1; }
	$(GO) vet ./...
	$(MAKE) -C firmware fmt-check
	$(CLANG_FORMAT) --dry-run --Werror $(C_SOURCES)

.PHONY: check-page
check-page: need-test ## types of the page's JavaScript
	tsc -p internal/web/tsconfig.json

.PHONY: check-deploy
check-deploy: need-test ## unit, socket and install.sh against docs/operations.md
	deploy/check.sh

# Versions of the Go tools: tools/check/go.mod. Those from Debian, and gcc: the release that make runs on, bookworm in CI.
CHECKERS := bin/tools/staticcheck bin/tools/actionlint bin/tools/govulncheck
$(CHECKERS): tools/check/go.mod tools/check/go.sum
	cd tools/check && CGO_ENABLED=0 $(GO) build -o ../../bin/tools/ tool
	@touch $(CHECKERS)

.PHONY: lint lint-go lint-c lint-shell
lint: lint-go lint-c lint-shell ## static analysis of Go, C, shell and workflows; what is vulnerable, where that can be looked up
	.ci/vulncheck --offline-ok
lint-go: bin/tools/staticcheck
	bin/tools/staticcheck ./...
lint-c: need-lint
	.ci/lint c
lint-shell: need-lint bin/tools/actionlint
	.ci/lint shell

.PHONY: vulncheck
vulncheck: bin/tools/govulncheck ## known vulnerabilities of what camgw calls; needs vuln.go.dev, or VULNDB=file:///DIRECTORY
	.ci/vulncheck

.PHONY: firmware
firmware: ## build the firmware image for BOARD (ai_thinker, esp32s3_eye, ...), with ESP-IDF
	@[ -n "$$IDF_PATH" ] || { echo "camgw: IDF_PATH is not set; get ESP-IDF 5.1 to 5.5 as docs/flashing.md says, then: . \$$IDF_PATH/export.sh && make firmware BOARD=$(BOARD)" >&2; exit 1; }
	cd firmware/ports/esp-idf && idf.py -B build/$(BOARD) -DSDKCONFIG=build/$(BOARD)/sdkconfig \
		-DSDKCONFIG_DEFAULTS="sdkconfig.defaults;boards/$(BOARD).defaults" build

.PHONY: firmware-check
firmware-check: need-test ## test the ESP-IDF port's own logic and its boards on this machine
	$(MAKE) -C firmware/ports/esp-idf/check check
	$(MAKE) -C firmware/ports/esp-idf/check_boards check

.PHONY: firmware-size
firmware-size: need-test ## text, data, bss and deepest stack of the firmware's core on a 32-bit chip
	$(MAKE) -C firmware size

.PHONY: fuzz
fuzz: need-test ## fuzz every target for FUZZTIME of CPU time each; TARGETS="c.wire internal/tape.FuzzPlayer"
	tools/fuzz.sh $(FUZZTIME:s=) $(TARGETS)

DAMAGE_FLAGS ?= -frames 10000000 -c-frames 1000000 -page docs/robustness.md

.PHONY: damage
damage: need-test ## what gets through a line that damages every frame, into docs/robustness.md: 10 million frames in Go, 1 million in C
	$(MAKE) -s -C firmware damage
	$(GO) run ./internal/bench/damage $(DAMAGE_FLAGS)

.PHONY: bench
bench: ## Go benchmarks of decode, publish and write
	$(GO) test -run '^$$' -bench . -benchmem ./internal/camlink ./internal/fanout ./internal/web ./internal/camera

BENCH_FLAGS ?=
BENCH_CFLAGS := -O2 -std=c11 -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wmissing-prototypes -Wvla -Werror

bin/bench/floor bin/bench/viewers: bin/bench/%: internal/bench/load/%.c internal/bench/load/stamp.h
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -o $@ $<

.PHONY: bench-programs
bench-programs: build hostcam bin/bench/floor bin/bench/viewers
	@.ci/need util-linux
	$(GO) build -o bin/bench ./internal/bench/fanout ./internal/bench/ingest

.PHONY: bench-fanout
bench-fanout: bench-programs ## cost per viewer against one write(2), into docs/benchmarks.md and README.md; BENCH=full: every row
	bin/bench/fanout $(if $(filter full,$(BENCH)),-full) -page docs/benchmarks.md -brief README.md $(BENCH_FLAGS)

.PHONY: bench-ingest
bench-ingest: bench-programs ## cost of taking pictures in against cat, into docs/benchmarks.md
	bin/bench/ingest -page docs/benchmarks.md $(BENCH_FLAGS)

CHAOS_TIME ?= 60s
CHAOS_SEED ?= 0
CHAOS_RACE ?=

.PHONY: chaos-programs
chaos-programs: hostcam
	@.ci/need util-linux patch
	@mkdir -p bin/chaos
	$(GO) build -o bin/chaos ./internal/chaos/run ./internal/chaos/soak ./internal/chaos/proof

.PHONY: chaos
chaos: chaos-programs ## break everything around the real programs for CHAOS_TIME, by CHAOS_SEED (0: by chance); CHAOS_RACE=1: with the race detector
	bin/chaos/run -build . $(if $(CHAOS_RACE),-race)
	bin/chaos/run -time $(CHAOS_TIME) -seed $(CHAOS_SEED) $(if $(CHAOS_RACE),-race)

.PHONY: chaos-proof
chaos-proof: chaos-programs ## plant a bug of each class, and see each caught; about 10 minutes; into docs/chaos.md
	bin/chaos/proof -page docs/chaos.md internal/chaos/testdata/*.patch

.PHONY: soak
soak: build chaos-programs ## 8 hours' pictures and replugs as fast as the wire carries them, into docs/chaos.md and docs/images
	nice -n 19 bin/chaos/soak -images docs/images -page docs/chaos.md

.PHONY: fmt
fmt: need-test ## format Go and C
	gofmt -w cmd internal deploy
	$(MAKE) -C firmware fmt
	$(CLANG_FORMAT) -i $(C_SOURCES)

.PHONY: clean
clean: ## remove what was built
	rm -rf bin firmware/build firmware/ports/posix/build

.PHONY: need-build need-lint need-test
need-build:
	@.ci/need gcc make libc6-dev 'libjpeg62-turbo-dev|libjpeg-dev'

need-lint: need-build
	@.ci/need cppcheck clang-tidy shellcheck

need-test: need-lint
	@.ci/need clang clang-format 'libclang-rt-dev|libclang-rt-14-dev' gcc-multilib gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf python3 ffmpeg chromium curl util-linux patch procps node-typescript systemd prometheus
	@.ci/need mpv vlc-bin vlc-plugin-base gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good python3-opencv wget motion nginx-light \
		firefox-esr webkit2gtk-driver xvfb nodejs
