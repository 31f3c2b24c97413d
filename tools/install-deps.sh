#!/usr/bin/env bash
# Installs what building, testing and showing vbp needs, on Debian and Ubuntu. Where nothing is
# missing it does nothing, needs no rights and no network.
#
#     tools/install-deps.sh [--lint] [--bench] [--check]
#
# --lint   also the tools of `make lint`, the Clang builds and the fuzzing programs
# --bench  also what runs the peer of `make bench`
# --check  only say what is missing; exit 1 if something is
set -euo pipefail

# What must be there, and the package that brings it. The first column asks the machine itself and
# not its package manager, so libraries that were installed by other means count:
#     cmd:NAME     a command            pc:NAME     a library that pkg-config knows
#     file:PATTERN a file               |           one of these packages, the first that exists
# qemu-x86_64 is for tests on processors without AVX and without AVX-512.
needed='
cmd:cc                     build-essential
cmd:c++                    build-essential
cmd:make                   make
cmd:ld                     binutils
cmd:pkg-config             pkg-config
cmd:protoc-c               protobuf-c-compiler
cmd:ffmpeg                 ffmpeg
cmd:Xvfb                   xvfb
cmd:qemu-x86_64            qemu-user
pc:libavformat             libavformat-dev
pc:libavcodec              libavcodec-dev
pc:libavutil               libavutil-dev
pc:libswscale              libswscale-dev
pc:sdl2                    libsdl2-dev
pc:SDL2_ttf                libsdl2-ttf-dev
pc:fontconfig              libfontconfig-dev|libfontconfig1-dev
pc:openblas                libopenblas-dev
pc:libprotobuf-c           libprotobuf-c-dev
pc:libcjson                libcjson-dev
pc:hdf5                    libhdf5-dev
pc:libzip                  libzip-dev
pc:zlib                    zlib1g-dev
pc:cmocka                  libcmocka-dev
pc:x11                     libx11-dev
pc:xtst                    libxtst-dev
'
needed+="
file:${ONNX_PROTO:-/usr/include/onnx/onnx.proto}    libonnx-dev
file:/usr/share/fonts/*/dejavu*/DejaVuSans.ttf:/usr/share/fonts/*/DejaVuSans.ttf    fonts-dejavu-core
"
needed_for_lint='
cmd:clang                  clang
cmd:clang-format           clang-format
cmd:clang-tidy             clang-tidy
cmd:cppcheck               cppcheck
cmd:mandoc                 mandoc
cmd:shellcheck             shellcheck
file:/usr/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a:/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a    libclang-rt-dev|libclang-rt-14-dev|libclang-common-14-dev
'
needed_for_bench='
cmd:node                   nodejs
cmd:npm                    npm
'

check_only=0
for argument in "$@"; do
    case $argument in
    --lint) needed+=$needed_for_lint ;;
    --bench) needed+=$needed_for_bench ;;
    --check) check_only=1 ;;
    *)
        echo "usage: tools/install-deps.sh [--lint] [--bench] [--check]" >&2
        exit 2
        ;;
    esac
done

is_there() {
    local pattern
    case $1 in
    cmd:*) command -v "${1#cmd:}" >/dev/null ;;
    pc:*) pkg-config --exists "${1#pc:}" 2>/dev/null ;;
    file:*)
        local IFS=:
        # Unquoted: the patterns are split at colons and expanded.
        # shellcheck disable=SC2086
        for pattern in ${1#file:}; do
            [ -e "$pattern" ] && return 0
        done
        return 1
        ;;
    esac
}

# Sets missing_things and missing_packages (each once) from the table.
find_missing() {
    local thing package
    missing_things=()
    missing_packages=()
    while read -r thing package; do
        if [ -z "$thing" ] || is_there "$thing"; then
            continue
        fi
        missing_things+=("${thing#*:}")
        case " ${missing_packages[*]-} " in
        *" $package "*) ;;
        *) missing_packages+=("$package") ;;
        esac
    done <<<"$needed"
}

find_missing
[ ${#missing_things[@]} -gt 0 ] || exit 0

echo "missing: ${missing_things[*]}" >&2
if [ "$check_only" = 1 ]; then
    echo "Debian packages: ${missing_packages[*]%%|*}" >&2
    exit 1
fi
if ! command -v apt-get >/dev/null; then
    cat >&2 <<'TEXT'
This script installs by apt-get only. Please install with your own package manager, with headers:
  FFmpeg (libavformat, libavcodec, libavutil, libswscale, and the ffmpeg command), SDL 2, SDL_ttf 2,
  fontconfig, OpenBLAS, protobuf-c and its compiler protoc-c, the file onnx.proto of ONNX
  (make ONNX_PROTO=PATH), cJSON, HDF5, libzip, zlib; for tests cmocka, Xvfb, qemu-user, libX11, libXtst; the DejaVu fonts.
TEXT
    exit 1
fi

as_root=(env DEBIAN_FRONTEND=noninteractive)
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "run as root: apt-get install ${missing_packages[*]%%|*}" >&2
        exit 1
    fi
    as_root=(sudo "${as_root[@]}")
fi

echo "installing: ${missing_packages[*]%%|*}" >&2
# Old lists may still do where the network does not answer.
"${as_root[@]}" apt-get -qq -o DPkg::Lock::Timeout=300 update ||
    echo "apt-get update failed, trying with what is known" >&2
chosen=()
for names in "${missing_packages[@]}"; do
    choice=${names%%|*}
    IFS='|' read -ra alternatives <<<"$names"
    for name in "${alternatives[@]}"; do
        if [ -n "$(apt-cache show --no-all-versions "$name" 2>/dev/null)" ]; then
            choice=$name
            break
        fi
    done
    chosen+=("$choice")
done
"${as_root[@]}" apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    install --no-install-recommends "${chosen[@]}" >&2

hash -r
find_missing
if [ ${#missing_things[@]} -gt 0 ]; then
    echo "still missing after the installation: ${missing_things[*]}" >&2
    exit 1
fi
