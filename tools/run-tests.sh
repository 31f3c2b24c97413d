#!/usr/bin/env bash
# Runs test programs from the top folder and adds up what they say.
#
#     VBP=PROGRAM [BUILD=FOLDER] [SANITIZER=...] tools/run-tests.sh TEST...
#
# A test is a cmocka program or a *_test.sh script that prints the same lines (tests/support/test.sh).
# Each gets TEST_TIMEOUT seconds (300); tests in a folder `window` get an X server of their own.
# What a test prints stands in BUILD/logs and, if it failed, is shown. The last line is the sum:
#
#     N passed, N failed, N skipped
#
# Exit 1 if a test failed, if a program crashed, hung, or ended before all its tests had, or if no
# test ran at all.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

build=${BUILD:-build}
sanitizer=${SANITIZER:-}
timeout_seconds=${TEST_TIMEOUT:-300}
logs=$build/logs
mkdir -p "$logs" || exit 1

# Allocations that cannot be are for the program to refuse, so the sanitizers leave them alone.
# Absolute paths: tests may change the folder before they start the program.
suppressions=$PWD/tests/support
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:allocator_may_return_null=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$suppressions/leaks.supp:print_suppressions=0}
export TSAN_OPTIONS=${TSAN_OPTIONS:-suppressions=$suppressions/races.supp:allocator_may_return_null=1}

# ThreadSanitizer of GCC 12 and Clang 14 cannot place its memory where the kernel spreads addresses
# as widely as new kernels do.
launcher=()
if [ "$sanitizer" = thread ] && command -v setarch >/dev/null; then
    launcher=(setarch "$(uname -m)" --addr-no-randomize)
fi

xvfb=
trap '[ -z "$xvfb" ] || kill "$xvfb"' EXIT

# Starts the X server for window tests once, and waits until it says which display it is.
start_display() {
    local number=
    [ -z "$xvfb" ] || return 0
    # The server's own words go to a log; descriptor 3 is where it writes its number.
    rm -f "$logs/display"
    mkfifo "$logs/display" || return 1
    Xvfb -displayfd 3 -screen 0 1920x1080x24 -nolisten tcp 3>"$logs/display" 2>"$logs/xvfb.log" &
    xvfb=$!
    read -r -t 30 number <"$logs/display"
    rm -f "$logs/display"
    if [ -z "$number" ]; then
        echo "no X server: $(tail -n 1 "$logs/xvfb.log")" >&2
        return 1
    fi
    # Drawing without OpenGL: its libraries are unloaded with memory still in use, which
    # LeakSanitizer then cannot name any more.
    window_environment=(DISPLAY=":$number" WAYLAND_DISPLAY= SDL_VIDEODRIVER=x11
        SDL_RENDER_DRIVER=software SDL_FRAMEBUFFER_ACCELERATION=0)
}

# Reads what a program printed; prints "PASSED FAILED SKIPPED", then one line for each skipped test:
# its name and what it printed. Every test that was announced and neither passed nor was skipped
# has failed, whatever the reason.
count() {
    awk '
        /\[==========\].*Running [0-9]+ test/ {
            match($0, /Running [0-9]+/)
            announced += substr($0, RSTART + 8, RLENGTH - 8)
        }
        /\[ RUN      \] / { name = $NF; said = ""; next }
        /\[       OK \] / { if (name != "") passed++; name = ""; next }
        /\[  SKIPPED \] / && name != "" && $NF == name {
            skipped++
            reasons = reasons name ": " (said == "" ? "no reason given" : said) "\n"
            name = ""
            next
        }
        name != "" && NF { said = $0 }
        END { printf "%d %d %d\n%s", passed, announced - passed - skipped, skipped, reasons }' "$1"
}

passed=0
failed=0
skipped=0
reasons=
for test in "$@"; do
    name=${test#"$build"/}
    log=$logs/$(tr / - <<<"$name").log
    command=("${launcher[@]}" "./$test")
    case $test in
    /*) command=("${launcher[@]}" "$test") ;;
    esac
    case $test in
    *.sh) command=(bash "$test") ;;
    esac
    window_environment=()
    started=$SECONDS
    status=0
    if [[ $test == */window/* ]] && ! start_display 2>"$log"; then
        status=1
    else
        # The outer redirection is for what bash says about a program that crashed.
        {
            env "${window_environment[@]}" timeout --kill-after=10 "$timeout_seconds" \
                "${command[@]}" </dev/null >"$log" 2>&1 || status=$?
        } 2>/dev/null
    fi

    { read -r now_passed now_failed now_skipped; now_reasons=$(cat); } < <(count "$log")
    problem=
    if [ "$status" = 124 ] || [ "$status" = 137 ]; then
        problem="did not end within $timeout_seconds s"
    elif [ "$status" -gt 128 ]; then
        problem="ended by signal $(kill -l $((status - 128)))"
    elif [ "$status" != 0 ] && [ "$now_failed" = 0 ]; then
        problem="ended with status $status"
    elif [ $((now_passed + now_failed + now_skipped)) = 0 ]; then
        problem="ran no tests"
    fi
    # A program that goes down between or after its tests counts as one test that failed.
    if [ -n "$problem" ] && [ "$now_failed" = 0 ]; then
        now_failed=1
    fi
    passed=$((passed + now_passed))
    failed=$((failed + now_failed))
    skipped=$((skipped + now_skipped))
    [ -z "$now_reasons" ] || reasons+=$(sed "s|^|  $name |" <<<"$now_reasons")$'\n'

    result=ok
    [ "$now_failed" = 0 ] || result=FAILED
    printf '%-6s %-40s %4d passed' "$result" "$name" "$now_passed"
    [ "$now_failed" = 0 ] || printf ', %d failed' "$now_failed"
    [ "$now_skipped" = 0 ] || printf ', %d skipped' "$now_skipped"
    printf ' (%d s)%s\n' $((SECONDS - started)) "${problem:+: $problem}"
    [ "$now_failed" = 0 ] || sed 's/^/    /' "$log"
done

[ -z "$reasons" ] || printf 'skipped:\n%s' "$reasons"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ $((passed + skipped)) != 0 ]
