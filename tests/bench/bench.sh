#!/usr/bin/env bash
# What `make bench` runs: every network on one thread and on two, vbp and ONNX Runtime in turns, what a
# frame costs around the network, and each kernel alone. Prints tables in Markdown and writes
# BUILD/bench.json.
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

# Before anything here adds to it.
load=$(cut -d' ' -f1-3 /proc/loadavg)

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

tables=()
# measure NAME MODEL [OPTIONS...]
measure() {
    local name=$1 model=$2 result=$results/${#tables[@]}.json
    shift 2
    say "$name $*"
    "$vbp" bench "$model" "${options[@]}" "$@" >"$result"
    tables+=("$name=$result")
}

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
large=${#models[@]}
# The networks of the zoo, as ONNX files, which is what the peer reads.
for model in "$data"/zoo/*/model.{onnx,h5,keras}; do
    [ -e "$model" ] || continue
    name=${model%/*}
    name=${name##*/}
    if [[ $model != *.onnx ]]; then
        "$vbp" convert "$model" -o "$results/$name.onnx" -q
        model=$results/$name.onnx
    fi
    names+=("zoo/$name")
    models+=("$model")
done
[ ${#models[@]} -gt "$large" ] || say "$data/zoo is not there: without its networks"

for i in "${!models[@]}"; do
    for threads in ${THREADS:-1 2}; do
        measure "${names[i]}" "${models[i]}" --threads "$threads"
    done
done
# What machines without AVX-512 would take, but for the peer, which cannot be held back.
if grep -q '"isa":[[:space:]]*"avx512"' "$results/0.json"; then
    for ((i = 0; i < large; i++)); do
        measure "${names[i]}" "${models[i]}" --threads 1 --isa avx2
    done
fi
say "frames"
"$build/tests/bench/frame_bench" "$runs" >"$results/frames.json"
say "kernels"
"$build/tests/bench/kernels_bench" >"$results/kernels.json"
tables+=("frames=$results/frames.json" "kernels=$results/kernels.json")

"$build/tests/bench/bench_table" "$build/bench.json" "$load" "${tables[@]}"
say "all numbers are in $build/bench.json"
