#!/usr/bin/env bash
# What users of the installed library rely on: the header alone, the exported names, the libraries
# that come with it, and programs in C and C++, linked both ways.
. tests/support/test.sh

build=${BUILD:-build}
compiler=${CC:-cc}
stage=$scratch/stage

cat >"$scratch/user.c" <<'TEXT'
#include <vbp.h>

#include <stdio.h>
#include <string.h>

/* Names that the library has inside too. */
int error_set(void);
int error_set(void)
{
    return 7;
}

int main(void)
{
    VbpModel *model = (VbpModel *)1;
    VbpError error;

    if (vbp_model_open(&model, "/nothing.onnx", NULL, &error) != VBP_ERROR_IO || model != NULL)
        return 1;
    puts(error.message);
    puts(vbp_version());
    return error_set() != 7 || strstr(error.message, "/nothing.onnx") == NULL;
}
TEXT
sed 's/NULL/nullptr/' "$scratch/user.c" >"$scratch/user.cpp"

# The functions that vbp.h declares.
declared() {
    $compiler -E -P include/vbp.h | grep -oE '\bvbp_[a-z0-9_]+ *\(' | tr -d ' (' | sort -u
}

needs_a_plain_build() {
    [ -z "${SANITIZER:-}" ] || skip "users of a sanitized library need its runtime"
}

header_stands_alone() {
    local options="-Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only"
    echo '#include <vbp.h>' >"$scratch/alone.c"
    # The options are words.
    # shellcheck disable=SC2086
    {
        $compiler -std=c11 $options -Wstrict-prototypes "$scratch/alone.c"
        c++ -x c++ -std=c++11 $options "$scratch/alone.c"
        c++ -x c++ -std=c++20 $options "$scratch/alone.c"
    }
}

exports_nothing_but_the_interface() {
    local library
    declared >"$scratch/declared"
    expect_text "$scratch/declared" '^vbp_model_open$'
    nm -D --defined-only --format=posix "$build/libvbp.so" | cut -d' ' -f1 | sort >"$scratch/shared"
    nm -g --defined-only --format=posix "$build/libvbp.a" | grep -v ':$' | cut -d' ' -f1 |
        sed '/^$/d' | sort >"$scratch/static"
    for library in shared static; do
        if [ -n "$(comm -13 "$scratch/declared" "$scratch/$library")" ]; then
            echo "exported by the $library library, but not in vbp.h:"
            comm -13 "$scratch/declared" "$scratch/$library"
            return 1
        fi
    done
}

exports_the_whole_interface() {
    declared >"$scratch/declared"
    nm -D --defined-only --format=posix "$build/libvbp.so" | cut -d' ' -f1 | sort >"$scratch/shared"
    nm -g --defined-only --format=posix "$build/libvbp.a" | grep '^vbp_' | cut -d' ' -f1 |
        sort >"$scratch/static"
    diff "$scratch/declared" "$scratch/shared"
    diff "$scratch/declared" "$scratch/static"
}

needs_no_player() {
    readelf -d "$build/libvbp.so" >"$scratch/dynamic"
    expect_text "$scratch/dynamic" 'SONAME.*\[libvbp\.so\.[0-9]+\]'
    if grep -E 'NEEDED.*(libav|libsw|SDL|fontconfig|freetype|X11)' "$scratch/dynamic"; then
        return 1
    fi
}

# install_below PREFIX ARGUMENT...: make with these arguments.
install_below() {
    local prefix=$1
    shift
    # Without the -j of the make that may run this test: its job server is not ours.
    env -u MAKELEVEL MAKEFLAGS="$(sed -E 's/(^| )-j[0-9]*|--jobserver[^ ]*//g' <<<"${MAKEFLAGS:-}")" \
        "${MAKE:-make}" --no-print-directory BUILD="$build" PREFIX="$prefix" "$@"
}

installs_and_uninstalls() {
    local root="$scratch/the user's root" # with what a shell would split at
    install_below /usr DESTDIR="$root" install
    (cd "$root" && find . ! -type d | sort) >"$scratch/files"
    cat "$scratch/files"
    for name in lib/libvbp.a lib/libvbp.so lib/pkgconfig/vbp.pc include/vbp.h share/man/man1/vbp.1; do
        expect_text "$scratch/files" "^./usr/$name\$"
    done
    [ ! -x "$build/vbp" ] || [ -x "$root/usr/bin/vbp" ]
    [ -e "$root/usr/lib/libvbp.so" ] # its links lead somewhere
    expect_text "$root/usr/lib/pkgconfig/vbp.pc" '^prefix=/usr$'
    if grep '@' "$root/usr/lib/pkgconfig/vbp.pc"; then
        return 1
    fi
    install_below /usr DESTDIR="$root" uninstall
    [ -z "$(find "$root" ! -type d)" ]
}

# flags WHAT...: what pkg-config says about the staged library.
flags() {
    PKG_CONFIG_PATH=$stage/lib/pkgconfig pkg-config "$@" vbp
}

users_of_the_shared_library() {
    needs_a_plain_build
    install_below "$stage" install
    # The flags are words.
    # shellcheck disable=SC2046
    {
        $compiler -std=c11 "$scratch/user.c" $(flags --cflags --libs) -o "$scratch/user_c"
        c++ -std=c++11 "$scratch/user.cpp" $(flags --cflags --libs) -o "$scratch/user_cpp"
    }
    LD_LIBRARY_PATH=$stage/lib "$scratch/user_c"
    LD_LIBRARY_PATH=$stage/lib "$scratch/user_cpp"
}

users_of_the_static_library() {
    needs_a_plain_build
    install_below "$stage" install
    rm "$stage"/lib/libvbp.so*
    # The flags are words.
    # shellcheck disable=SC2046
    {
        $compiler -std=c11 "$scratch/user.c" $(flags --static --cflags --libs) -o "$scratch/user_c"
        c++ -std=c++11 "$scratch/user.cpp" $(flags --static --cflags --libs) -o "$scratch/user_cpp"
    }
    "$scratch/user_c"
    "$scratch/user_cpp"
    [ "$("$scratch/user_c" | tail -n 1)" = "$(flags --modversion)" ]
}

run_test header_stands_alone
run_test exports_nothing_but_the_interface
run_test exports_the_whole_interface
run_test needs_no_player
run_test installs_and_uninstalls
run_test users_of_the_shared_library
run_test users_of_the_static_library
finish
