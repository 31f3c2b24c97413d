#!/usr/bin/env bash
# On emulated processors without AVX, and with AVX2 but not AVX-512: no instruction gets in that they
# do not have, which would end the program, and results are those of the same kernels on this one.
. tests/support/test.sh

build=${BUILD:-build}
vbp=${VBP:-$build/vbp}
# Tests of what has kernels of its own for each instruction set, and of what is built on them.
kernel_tests=(convolution_flat convolution_direct planes vector_math map resize)

needs_emulation() {
    [ "$(uname -m)" = x86_64 ] || skip "this is no x86-64 machine"
    [ -z "${SANITIZER:-}" ] || skip "sanitizers do not run in the emulator"
    command -v qemu-x86_64 >/dev/null || skip "qemu-x86_64 is absent (Debian: qemu-user)"
}

# emulate CPU COMMAND...: OpenBLAS is told the processor too, as the environment may name another.
# What the emulator says of features that no program sees is left out.
emulate() {
    local cpu=$1
    shift
    OPENBLAS_CORETYPE=$cpu qemu-x86_64 -cpu "$cpu" "$@" 2> >(grep -v "^qemu-x86_64: warning: TCG" >&2)
}

# refuses CPU INSTRUCTION: it ends a program that uses it (128 + SIGILL).
refuses() {
    local status=0
    echo "int main(void) { __asm__ volatile(\"$2\"); return 0; }" >"$scratch/one.c"
    # CC may be a command with options.
    # shellcheck disable=SC2086
    ${CC:-cc} "$scratch/one.c" -o "$scratch/one"
    { emulate "$1" "$scratch/one" || status=$?; } 2>/dev/null
    [ "$status" = 132 ]
}

emulation_sees_foreign_instructions() {
    needs_emulation
    refuses Nehalem 'vaddps %ymm0, %ymm0, %ymm0'
    refuses Nehalem 'vfmadd231ps %xmm0, %xmm0, %xmm0'
    refuses Haswell 'vaddps %zmm0, %zmm0, %zmm0'
}

# same_frame CPU LEVEL: there by its own choice of kernels, here with that level's, bit by bit.
same_frame() {
    local cpu=$1 level=$2
    emulate "$cpu" "$vbp" bench "$scratch/net.onnx" --runs 1 -q >"$scratch/choice"
    expect_text "$scratch/choice" "^kernels +$level,"
    emulate "$cpu" "$vbp" frame "$scratch/frame.png" -m "$scratch/net.onnx" --raw -q -y \
        -o "$scratch/there"
    VBP_ISA=$level OPENBLAS_CORETYPE=$cpu "$vbp" frame "$scratch/frame.png" -m "$scratch/net.onnx" \
        --raw -q -y -o "$scratch/here"
    diff -r "$scratch/here" "$scratch/there"
}

draw_frame_and_network() {
    [ ! -e "$scratch/frame.png" ] || return 0
    "$build/roadsim" --seed 4 --frames 4 --size 96x54 --samples 1 --cameras 1 -q \
        --log "$scratch/set" --truth log
    "$vbp" train "$scratch/set" -o "$scratch/net.onnx" --net pilotnet --lr 0 --epochs 1 -q
    ffmpeg -v error -y -i "$(find "$scratch/set" -name '*.jpg' | sort | head -n 1)" \
        "$scratch/frame.png"
}

frames_without_avx() {
    needs_emulation
    draw_frame_and_network
    same_frame Nehalem c
}

frames_with_avx2() {
    needs_emulation
    grep -qw avx2 /proc/cpuinfo || skip "this machine has no AVX2 to compare with"
    draw_frame_and_network
    same_frame Haswell avx2
}

# test_kernels CPU: the unit tests pass there.
test_kernels() {
    local name
    for name in "${kernel_tests[@]}"; do
        emulate "$1" "$build/tests/unit/${name}_test" >"$scratch/log" 2>&1 || {
            cat "$scratch/log"
            return 1
        }
    done
}

kernels_without_avx() {
    needs_emulation
    test_kernels Nehalem
}

kernels_with_avx2() {
    needs_emulation
    test_kernels Haswell
}

run_test emulation_sees_foreign_instructions
run_test frames_without_avx
run_test frames_with_avx2
run_test kernels_without_avx
run_test kernels_with_avx2
finish
