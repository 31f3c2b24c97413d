#!/usr/bin/env bash
# What `make bench` runs: every network on one thread and on two, vbp and ONNX Runtime in turns, and
# what a frame costs around the network. Prints tables in Markdown and writes BUILD/bench.json.
#
#     [BUILD=build] [RUNS=300] [THREADS="1 2"] [INSTALL_DEPS=1] tests/bench/bench.sh
#
# What is not there (the peer, a network) is said and left out.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=${BUILD:-build}
runs=${RUNS:-300}
vbp=$build/vbp
results=$build/bench
data=../shared/data
peers=tests/bench/peers

say() {
    echo "bench: $*" >&2
}

# The peer, in the version that package-lock.json names, once.
peer_is_there() {
    [ "$peers/node_modules/.package-lock.json" -nt "$peers/package-lock.json" ] && return 0
    [ "${INSTALL_DEPS:-1}" != 0 ] || return 1
    tools/install-deps.sh --bench && (cd "$peers" && npm ci --loglevel=error) >&2 || return 1
    touch "$peers/node_modules/.package-lock.json"
}

options=(--runs "$runs" --json)
if peer_is_there; then
    options+=(--peers)
else
    say "ONNX Runtime is not installed and cannot be: vbp alone"
fi

rm -rf "$results"
mkdir -p "$results"

names=()
models=()
if [ -e models/road-pilotnet.onnx ]; then
    pilotnet=models/road-pilotnet.onnx
else
    pilotnet=$results/pilotnet.onnx
    "$build/tests/bench/random_network" pilotnet "$pilotnet"
fi
names+=("PilotNet 66x200x3")
models+=("$pilotnet")
if [ -e "$data/nethvf/nethvf.onnx" ]; then
    names+=("NetHVF 125x640x1")
    models+=("$data/nethvf/nethvf.onnx")
else
    say "$data/nethvf/nethvf.onnx is not there: without NetHVF"
fi
for model in "$data"/zoo/*/*.onnx; do
    [ -e "$model" ] || { say "$data/zoo is not there: without its networks"; continue; }
    name=${model%/*}
    names+=("${name##*/}")
    models+=("$model")
done

tables=()
for i in "${!models[@]}"; do
    for threads in ${THREADS:-1 2}; do
        result=$results/$i-$threads.json
        say "${names[i]}, threads $threads"
        "$vbp" bench "${models[i]}" --threads "$threads" "${options[@]}" >"$result"
        tables+=("${names[i]}=$result")
    done
done
say "frames"
"$build/tests/bench/frame_bench" "$runs" >"$results/frames.json"
tables+=("frames=$results/frames.json")

"$build/tests/bench/bench_table" "$build/bench.json" "${tables[@]}"
say "all numbers are in $build/bench.json"
