#!/usr/bin/env bash
# What `make demo` shows once vbp is built: the clip in videos/ with the masks of the network in
# models/, in a window where there is a display, else as an annotated clip.
#
#     [BUILD=FOLDER] tools/demo.sh
set -euo pipefail
cd "$(dirname "$0")/.."

build=${BUILD:-build}
clip=videos/road.mp4
network=models/road-pilotnet.onnx
annotated=$build/demo.mp4

if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    echo 'In the window, ? lists the keys and q quits.'
    if "$build/vbp" watch "$clip" -m "$network"; then
        exit 0
    fi
    echo 'No window; writing a clip instead.' >&2
fi
"$build/vbp" export "$clip" -m "$network" -o "$annotated" -y
echo "The annotated drive is $annotated."
