#!/usr/bin/env bash
# train and eval as their users run them: drives that roadsim draws, a network that learns from them.
. tests/support/test.sh

vbp=${VBP:-build/vbp}
roadsim=${BUILD:-build}/roadsim
small=(--optimizer adam --lr 0.003 --batch 16 --seed 3 --threads 2 --net "$scratch/net.json" -q)

cat >"$scratch/net.json" <<'NET'
{"input": [3, 27, 48], "layers": [{"conv": 8, "kernel": 5, "stride": 2},
                                  {"conv": 8, "kernel": 3, "stride": 2}, {"dense": 16}]}
NET
"$roadsim" --seed 4 --drives 4 --frames 15 --size 96x54 --samples 1 --fps 5 --cameras 1 -q \
    --log "$scratch/set" --truth log

learns_and_shows() {
    "$vbp" train "$scratch/set" -o "$scratch/a.onnx" "${small[@]}" --epochs 4 --flip --shift 0.1 \
        --brightness 0.2 --shadow 0.3 --blur 0.1 --cosine --weight-decay 0.01 --loss huber \
        --masks "$scratch/masks" --log "$scratch/a.csv" --plot "$scratch/a.png"
    [ "$(wc -l <"$scratch/a.csv")" = 5 ]
    expect_text "$scratch/a.csv" '^epoch,training_loss,validation_loss,'
    [ -s "$scratch/a.png" ]
    [ -s "$scratch/masks/strip.png" ]
    [ -s "$scratch/masks/frame_1_epoch_0.png" ]
    [ -s "$scratch/masks/frame_1_epoch_1.png" ]
    "$vbp" info "$scratch/a.onnx" >"$scratch/info"
    expect_text "$scratch/info" "card +the model's metadata"
    expect_text "$scratch/info" 'levels +2'
    "$vbp" eval "$scratch/set" -m "$scratch/a.onnx" --json >"$scratch/eval.json"
    expect_text "$scratch/eval.json" '"samples":[[:space:]]*60'
    expect_text "$scratch/eval.json" '"straight_mean_error"'
    expect_text "$scratch/eval.json" '"degrees_per_unit":[[:space:]]*180'
}

# By weather and road as roadsim drew them, and where the mask lies.
measures_by_kind() {
    "$roadsim" --seed 5 --drives 2 --frames 3 --size 96x54 --samples 1 --cameras 1 -q \
        --weather rain --road country --log "$scratch/kinds" --truth log
    "$roadsim" --seed 6 --frames 4 --size 96x54 --samples 1 --cameras 1 -q --weather fog \
        --road motorway --log "$scratch/kinds/drive_0003" --truth log
    "$vbp" train "$scratch/kinds" -o "$scratch/untrained.onnx" "${small[@]}" --epochs 1 --lr 0
    "$vbp" eval "$scratch/kinds" -m "$scratch/untrained.onnx" --truth >"$scratch/kinds.txt"
    expect_text "$scratch/kinds.txt" '^degrees +samples .* lift$'
    for group in 'fog +4' 'rain +6' 'country +6' 'motorway +4' 'all +10'; do
        expect_text "$scratch/kinds.txt" "^$group .*%.*% +[0-9.]+$"
    done
    # The same network, said to steer in degrees to the left, is measured in the labels' unit.
    cat >"$scratch/left.json" <<'CARD'
{"input": {"scale": 0.00784313725, "bias": -1.0},
 "output": {"unit": "degrees", "positive": "left"}}
CARD
    "$vbp" eval "$scratch/kinds" -m "$scratch/untrained.onnx" --card "$scratch/left.json" --json \
        >"$scratch/left" 2>"$scratch/notes"
    expect_text "$scratch/notes" 'taken for normalized'
    rm "$scratch/kinds/drive_0001/IMG/center_000001.jpg"
    "$vbp" eval "$scratch/kinds" -m "$scratch/untrained.onnx" >"$scratch/kinds.txt" 2>"$scratch/notes"
    expect_text "$scratch/kinds.txt" '^all +9 '
    expect_text "$scratch/notes" '1 images are missing, the first is .*center_000001.jpg'
    rm -r "$scratch/kinds"/*/truth
    ! "$vbp" eval "$scratch/kinds" -m "$scratch/untrained.onnx" --truth 2>"$scratch/errors"
    expect_text "$scratch/errors" 'no truth pictures'
}

# The same seed gives the same file.
repeats() {
    for name in b c; do
        "$vbp" train "$scratch/set" -o "$scratch/$name.onnx" "${small[@]}" --epochs 3
    done
    cmp "$scratch/b.onnx" "$scratch/c.onnx"
}

# Killed at any moment and resumed, a run ends as if it had not been.
survives_a_kill() {
    "$vbp" train "$scratch/set" -o "$scratch/whole.onnx" "${small[@]}" --epochs 40
    "$vbp" train "$scratch/set" -o "$scratch/killed.onnx" "${small[@]}" --epochs 40 \
        --checkpoint "$scratch/run" &
    trainer=$!
    # The first checkpoint appears by rename; inotify would need a package of its own.
    until [ -s "$scratch/run" ] || ! kill -0 $trainer 2>/dev/null; do :; done
    kill -9 $trainer 2>/dev/null || true
    wait $trainer 2>/dev/null || true
    "$vbp" train "$scratch/set" -o "$scratch/killed.onnx" "${small[@]}" --epochs 40 \
        --checkpoint "$scratch/run" --resume
    cmp "$scratch/whole.onnx" "$scratch/killed.onnx"
}

# A network that was trained goes on from where it is.
fine_tunes() {
    "$vbp" train "$scratch/set" -o "$scratch/first.onnx" "${small[@]}" --epochs 6
    "$vbp" train "$scratch/set" -m "$scratch/first.onnx" -o "$scratch/second.onnx" \
        --optimizer sgd --lr 0 --epochs 1 --batch 16 -q
    for name in first second; do
        "$vbp" eval "$scratch/set" -m "$scratch/$name.onnx" >"$scratch/$name.txt"
    done
    # Nothing was learned at a rate of 0, and nothing was forgotten.
    diff "$scratch/first.txt" "$scratch/second.txt"
}

# refuse WORD ARGUMENTS: exit 1, one line, that word in it, no network.
refuse() {
    local word=$1 status=0
    shift
    "$vbp" train "$@" -o "$scratch/none.onnx" "${small[@]}" --epochs 1 2>"$scratch/errors" ||
        status=$?
    [ "$status" = 1 ]
    [ "$(wc -l <"$scratch/errors")" = 1 ]
    expect_text "$scratch/errors" "$word"
    [ ! -e "$scratch/none.onnx" ]
}

refuses_bad_data() {
    mkdir -p "$scratch/bad/IMG"
    cp "$scratch"/set/drive_0001/IMG/* "$scratch/bad/IMG"
    image=IMG/$(ls "$scratch/bad/IMG" | head -n 1)
    header=center,left,right,steering,throttle,brake,speed
    : >"$scratch/bad/driving_log.csv"
    refuse driving_log "$scratch/bad"
    echo $header >"$scratch/bad/driving_log.csv"
    refuse driving_log "$scratch/bad"
    printf '%s\n%s,,,left,0,0,0\n' $header "$image" >"$scratch/bad/driving_log.csv"
    refuse 'driving_log.csv:2' "$scratch/bad"
    printf '%s\nIMG/none.jpg,,,0.1,0,0,0\n' $header >"$scratch/bad/driving_log.csv"
    refuse none.jpg "$scratch/bad"
    printf '%s\n%s,,,0.1,0,0,0\n%s,,,0.1,0,0,0\n' $header "$image" "$image" \
        >"$scratch/bad/driving_log.csv"
    echo broken >"$scratch/bad/$image"
    refuse "${image#IMG/}" "$scratch/bad"
    refuse nowhere "$scratch/nowhere"
}

run_test learns_and_shows
run_test measures_by_kind
run_test repeats
run_test survives_a_kill
run_test fine_tunes
run_test refuses_bad_data
finish
