#!/bin/bash -eu
# Builds every fuzz target for OSS-Fuzz, in the repository's folder. A test holds this list to the targets there are
# (internal/ossfuzz_test.go).

c_target() { # NAME: firmware/test/fuzz_NAME.c
	make -C firmware CLANG="$CC" WARN=-std=c11 FUZZ_FLAGS="$CFLAGS $LIB_FUZZING_ENGINE" "build/fuzz/$1"
	cp "firmware/build/fuzz/$1" "$OUT/c_$1"
	zip -jq "$OUT/c_$1_seed_corpus.zip" "firmware/test/corpus/$1"/*
}

go_target() { # PACKAGE FuzzNAME
	compile_native_go_fuzzer_v2 "github.com/camgw/camgw/$1" "$2" "$(basename "$1")_$2"
}

c_target decoder
c_target device
c_target jpeg
c_target rate_control
c_target wire

# C alone, to try that half without the image.
[ "${1-}" != c ] || exit 0

go_target internal/access FuzzSigned
go_target internal/camera FuzzSession
go_target internal/camera FuzzWalkJPEG
go_target internal/camera FuzzWishes
go_target internal/camlink FuzzAssembler
go_target internal/camlink FuzzDamage
go_target internal/camlink FuzzDecoder
go_target internal/camlink FuzzMessages
go_target internal/camlink FuzzText
go_target internal/config FuzzFile
go_target internal/config FuzzUsers
go_target internal/serialport FuzzName
go_target internal/simcam FuzzHost
go_target internal/simcam FuzzOptions
go_target internal/tape FuzzOptions
go_target internal/tape FuzzPlayer
go_target internal/tape FuzzRoundTrip
go_target internal/web FuzzClean
go_target internal/web FuzzFrameMeter
go_target internal/web FuzzHost
go_target internal/web FuzzRequestRead_CVE_2008_2654
go_target internal/web FuzzSocketMessage
go_target internal/web FuzzTerms
