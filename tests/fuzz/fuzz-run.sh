#!/usr/bin/env bash
# Runs the fuzzing programs, each for so many seconds:
#
#     BUILD=FOLDER tests/fuzz/fuzz-run.sh SECONDS "TARGET..." TEST...
#
# No target named: all. The tests write the files that they read as seeds, into BUILD/fuzz/seeds;
# what is new goes to BUILD/fuzz/corpus, what is found to BUILD/fuzz/findings. Exit 1 if anything was
# found: a crash, a leak, an allocation over 1 GiB, or an input that takes longer than 25 s.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

fuzz=${BUILD:-build}/fuzz
seconds=$1
read -ra targets <<<"$2"
shift 2
if [ ${#targets[@]} = 0 ]; then
    for program in "$fuzz"/*_fuzz; do
        program=${program##*/}
        targets+=("${program%_fuzz}")
    done
fi

rm -rf "$fuzz/seeds"
mkdir -p "$fuzz/seeds" "$fuzz/findings" "$fuzz/logs" || exit 1
for test in "$@"; do
    VBP_SEEDS=$PWD/$fuzz/seeds "$test" >"$fuzz/logs/seeds.log" 2>&1 || {
        cat "$fuzz/logs/seeds.log"
        echo "$test failed, which writes seeds"
        exit 1
    }
done

# Allocations that cannot be are for the readers to refuse; libFuzzer ends at those over its limit.
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1
export LSAN_OPTIONS=suppressions=$PWD/tests/support/leaks.supp:print_suppressions=0
# The number behind the first of these words in the log.
figure() {
    grep -oE "$1 *[0-9]+" "$log" | tail -n 1 | grep -oE '[0-9]+$'
}

found=0
for target in "${targets[@]}"; do
    log=$fuzz/logs/$target.log
    seeds=("$fuzz/corpus/$target")
    mkdir -p "${seeds[0]}"
    if [ -d "$fuzz/seeds/$target" ]; then
        seeds+=("$fuzz/seeds/$target")
    else
        echo "$target: no seeds"
        found=1
    fi
    status=0
    "$fuzz/${target}_fuzz" -max_total_time="$seconds" -malloc_limit_mb=1024 -rss_limit_mb=2048 \
        -timeout=25 -max_len=65536 -print_final_stats=1 -artifact_prefix="$fuzz/findings/$target-" \
        "${seeds[@]}" >"$log" 2>&1 &
    process=$!
    wait "$process" || status=$?
    # The folders in memory that fuzz_folder.h makes.
    rm -rf /dev/shm/vbp-fuzz-*-"$process"
    printf '%-8s %9s runs, %6s edges, corpus of %s inputs: %s\n' "$target" \
        "$(figure number_of_executed_units:)" "$(figure cov:)" \
        "$(find "${seeds[@]}" -type f | wc -l)" \
        "$([ "$status" = 0 ] && echo nothing found || echo FOUND)"
    if [ "$status" != 0 ]; then
        grep -vE '^#[0-9]+\s+(NEW|REDUCE|pulse|RELOAD)' "$log" | tail -n 60
        found=1
    fi
done
exit "$found"
