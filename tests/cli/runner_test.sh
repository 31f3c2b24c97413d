#!/usr/bin/env bash
# tools/run-tests.sh must not take for success what is none.
. tests/support/test.sh

# run_program NAME BODY: runs a test script with that body; the result stands in $scratch/result.
run_program() {
    printf '. tests/support/test.sh\n%s\n' "$2" >"$scratch/$1_test.sh"
    shift 2
    env BUILD="$scratch/build" "$@" tools/run-tests.sh "$scratch"/*_test.sh >"$scratch/result"
}

expect_failure() {
    local wanted=$1
    shift
    if run_program "$@"; then
        echo "taken for success:"
        cat "$scratch/result"
        return 1
    fi
    [ "$(tail -n 1 "$scratch/result")" = "$wanted" ] || {
        cat "$scratch/result"
        return 1
    }
}

adds_up() {
    run_program good 'a() { true; }; b() { skip "no data here"; }; run_test a; run_test b; finish'
    [ "$(tail -n 1 "$scratch/result")" = "1 passed, 0 failed, 1 skipped" ]
    expect_text "$scratch/result" 'b: no data here$'
    run_program other 'a() { true; }; run_test a; run_test a; finish'
    [ "$(tail -n 1 "$scratch/result")" = "3 passed, 0 failed, 1 skipped" ]
    rm "$scratch"/*_test.sh
}

sees_failures() {
    expect_failure '1 passed, 1 failed, 0 skipped' bad \
        'a() { true; }; b() { echo because; false; true; }; run_test a; run_test b; finish'
    expect_text "$scratch/result" because
}

sees_a_status_without_a_failed_test() {
    expect_failure '1 passed, 1 failed, 0 skipped' bad 'a() { true; }; run_test a; exit 3'
    expect_text "$scratch/result" 'status 3'
}

sees_crashes() {
    expect_failure '1 passed, 1 failed, 0 skipped' bad 'a() { true; }; run_test a; kill -SEGV $$'
    expect_text "$scratch/result" 'signal SEGV'
}

# What a cmocka program leaves that ends inside its second of three tests, with status 0.
sees_an_early_end() {
    expect_failure '1 passed, 2 failed, 0 skipped' bad \
        'printf "%s\n" "[==========] Running 3 test(s)." "[ RUN      ] a" "[       OK ] a" "[ RUN      ] b"'
}

sees_a_hang() {
    expect_failure '0 passed, 1 failed, 0 skipped' bad 'read -r < <(sleep 60)' TEST_TIMEOUT=1
    expect_text "$scratch/result" 'did not end within 1 s'
}

sees_that_nothing_ran() {
    expect_failure '0 passed, 1 failed, 0 skipped' bad 'finish'
    expect_text "$scratch/result" 'ran no tests'
    if tools/run-tests.sh >"$scratch/result"; then
        echo 'no programs at all are a success'
        return 1
    fi
}

run_test adds_up
run_test sees_failures
run_test sees_a_status_without_a_failed_test
run_test sees_crashes
run_test sees_an_early_end
run_test sees_a_hang
run_test sees_that_nothing_ran
finish
