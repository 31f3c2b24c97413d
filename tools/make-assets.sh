#!/usr/bin/env bash
# Makes the clip in videos/ and the network in models/ anew, by the very commands that the README.md
# of each folder shows. Drives to learn from and to be measured on go to BUILD/assets.
#
#     [BUILD=FOLDER] tools/make-assets.sh
set -euo pipefail
cd "$(dirname "$0")/.."

build=$(realpath "${BUILD:-build}")
rm -rf "$build/assets"
mkdir -p "$build/assets"
# The commands name the programs without a folder.
PATH=$build:$PATH
for document in videos/README.md models/README.md; do
    sed -n '/^```sh$/,/^```$/p' "$document" | grep -v '^```' >"$build/assets/commands.sh"
    echo "$document"
    bash -euxo pipefail "$build/assets/commands.sh"
done
