#!/usr/bin/env bash
# Samples per second of training PilotNet (forward, backward, SGD with momentum; batch 64, two
# threads), and PyTorch's beside it, in turns; medians. Without PyTorch it says so and goes on.
#
#     [PYTHON=python3] [ROUNDS=7] [STEPS=8] tests/bench/train-peer.sh [TRAIN_BENCH]
set -euo pipefail
cd "$(dirname "$0")/../.."

bench=${1:-build/tests/bench/train_bench}
python=${PYTHON:-/usr/bin/python3}
rounds=${ROUNDS:-7}
steps=${STEPS:-8}
batch=64

median() {
    printf '%s\n' "$@" | sort -g | sed -n "$(($# / 2 + 1))p"
}

# Both wait for a line before each round; descriptors 3 and 4 go to them, 5 and 6 come from them.
pipes=$(mktemp -d)
trap 'rm -rf "$pipes"' EXIT
mkfifo "$pipes"/{ours,peer}-{in,out}

"$bench" "$batch" "$steps" "$rounds" <"$pipes/ours-in" >"$pipes/ours-out" &
exec 3>"$pipes/ours-in" 5<"$pipes/ours-out"
version=
if "$python" -c 'import torch' 2>/dev/null; then
    "$python" tests/bench/train-peer.py "$batch" "$steps" <"$pipes/peer-in" >"$pipes/peer-out" 3>&- &
    exec 4>"$pipes/peer-in" 6<"$pipes/peer-out"
    read -r version <&6
fi

own=()
other=()
for ((i = 0; i < rounds; i++)); do
    echo >&3
    read -r rate <&5
    own+=("$rate")
    [ -n "$version" ] || continue
    echo >&4
    read -r rate <&6
    other+=("$rate")
done

exec 3>&-
[ -z "$version" ] || exec 4>&-
wait

echo "load average    $(cut -d' ' -f1-3 /proc/loadavg)"
printf 'vbp             %s samples/s (%s)\n' "$(median "${own[@]}")" "${own[*]}"
if [ -z "$version" ]; then
    echo "PyTorch         is not installed for $python (Debian: python3-torch)"
    exit 0
fi
printf 'PyTorch %-7s %s samples/s (%s)\n' "$version" "$(median "${other[@]}")" "${other[*]}"
awk -v a="$(median "${own[@]}")" -v b="$(median "${other[@]}")" \
    'BEGIN { printf "vbp / PyTorch   %.2f\n", a / b }'
