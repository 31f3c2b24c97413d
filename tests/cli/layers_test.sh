#!/usr/bin/env bash
# tools/check-layers must accept this tree and notice every kind of arrow that points up.
. tests/support/test.sh

this_tree_is_clean() {
    tools/check-layers
}

# Looks at a tree of one file, with that include in its line 3.
check_tree() {
    local tree=$scratch/tree
    rm -rf "$tree"
    mkdir -p "$tree/src" "$tree/include" "$tree/$(dirname "$1")"
    printf '#include <stdint.h>\n\n#include %s\n' "$2" >"$tree/$1"
    tools/check-layers "$tree" >"$scratch/found"
}

# expect_finding FILE INCLUDE REASON
expect_finding() {
    if check_tree "$1" "$2"; then
        echo "$1 may include $2"
        return 1
    fi
    expect_text "$scratch/found" "^$1:3: .*$3"
}

expect_nothing() {
    check_tree "$1" "$2" || {
        cat "$scratch/found"
        return 1
    }
}

arrows_that_point_up() {
    expect_finding src/base/a.c '"kernels/b.h"' 'base may not know kernels'
    expect_finding src/kernels/a.h '"graph/b.h"' 'kernels may not know graph'
    expect_finding src/graph/a.c '"nn/b.h"' 'graph may not know nn'
    expect_finding src/formats/a.c '"nn/b.h"' 'formats may not know nn'
    expect_finding src/nn/a.c '"saliency/b.h"' 'nn may not know saliency'
    expect_finding src/saliency/a.c '"formats/b.h"' 'saliency may not know formats'
    expect_finding src/train/a.c '"formats/b.h"' 'train may not know formats'
    expect_finding src/api/a.c '"media/b.h"' 'api may not know media'
    expect_finding src/media/a.c '"graph/b.h"' 'media may not know graph'
    expect_finding src/draw/a.c '"media/b.h"' 'draw may not know media'
    expect_finding src/pipeline/a.c '"nn/b.h"' 'pipeline may not know nn'
    expect_finding src/window/a.c '"cli/b.h"' 'window may not know cli'
    expect_finding src/kernels/rows.inc '"nn/b.h"' 'kernels may not know nn'
}

arrows_that_point_down() {
    expect_nothing src/base/a.c '"vbp.h"'
    expect_nothing src/saliency/a.c '"nn/b.h"'
    expect_nothing src/pipeline/a.c '"draw/b.h"'
    expect_nothing src/window/a.c '<SDL.h>'
    expect_nothing src/draw/text.c '<SDL_ttf.h>'
    expect_nothing src/media/a.h '<libavutil/frame.h>'
    expect_nothing src/formats/onnx_tensor.c '"onnx/onnx.pb-c.h"'
    expect_nothing src/kernels/gemm.c '<cblas.h>'
    expect_nothing src/cli/main.c '"window/b.h"'
}

libraries_of_others() {
    expect_finding src/pipeline/a.c '<SDL.h>' 'may include SDL.h'
    expect_finding src/window/a.c '<SDL2/SDL_ttf.h>' 'may include SDL2/SDL_ttf.h'
    expect_finding src/draw/a.c '<libavutil/frame.h>' 'may include libavutil/frame.h'
    expect_finding src/nn/a.c '<cblas.h>' 'may include cblas.h'
    expect_finding src/formats/torch7.c '<hdf5.h>' 'may include hdf5.h'
    expect_finding src/api/a.c '<zip.h>' 'may include zip.h'
    expect_finding src/formats/torch7.c '"onnx/onnx.pb-c.h"' 'may include onnx/onnx.pb-c.h'
}

names_that_hide_a_layer() {
    expect_finding src/base/a.c '"../graph/b.h"' 'write LAYER/NAME.h'
    expect_finding src/base/a.c '"b.h"' 'write LAYER/NAME.h'
    expect_finding src/base/a.c '<graph/b.h>' 'header of this project'
    expect_finding src/base/a.c 'HEADER' 'not a macro'
    expect_finding src/other/a.c '"base/b.h"' 'other may not know base'
    expect_text "$scratch/found" '^src/other/a.c:1: the layer other is not known'
    expect_finding include/vbp.h '"base/error.h"' 'stands alone'
}

run_test this_tree_is_clean
run_test arrows_that_point_up
run_test arrows_that_point_down
run_test libraries_of_others
run_test names_that_hide_a_layer
finish
