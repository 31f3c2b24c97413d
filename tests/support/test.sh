# shellcheck shell=bash
# For test scripts: sourced by tests/*/*_test.sh. run_test FUNCTION runs one test in a subshell and
# prints what cmocka would print, so that tools/run-tests.sh counts both alike. A test fails when
# any of its commands fails; it can say `skip REASON`. finish ends the script.
set -u

failed_tests=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

skip() {
    echo "$*"
    exit 77
}

# expect_text FILE PATTERN: the file has a line with the extended regular expression.
expect_text() {
    if ! grep -qE -- "$2" "$1"; then
        echo "no line with '$2' in:"
        cat "$1"
        return 1
    fi
}

run_test() {
    local status
    echo "[==========] Running 1 test(s)."
    echo "[ RUN      ] $1"
    # Not as a condition: there `set -e` would be ignored.
    (
        set -e
        "$1"
    ) 2>&1
    status=$?
    case $status in
    0) echo "[       OK ] $1" ;;
    77) echo "[  SKIPPED ] $1" ;;
    *)
        echo "[  FAILED  ] $1"
        failed_tests=$((failed_tests + 1))
        ;;
    esac
}

finish() {
    exit $((failed_tests != 0))
}
