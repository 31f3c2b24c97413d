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

# expect_failure STATUS WORD ARGUMENTS: that exit status, one line, that word in it.
expect_failure() {
    local expected=$1 word=$2 status=0
    shift 2
    "$vbp" train "$@" 2>"$scratch/errors" || status=$?
    [ "$status" = "$expected" ] || { echo "exit $status"; cat "$scratch/errors"; return 1; }
    [ "$(wc -l <"$scratch/errors")" = 1 ]
    expect_text "$scratch/errors" "$word"
}

# refuse WORD ARGUMENTS: exit 1, one line, that word in it, no network.
refuse() {
    local word=$1
    shift
    expect_failure 1 "$word" "$@" -o "$scratch/none.onnx" "${small[@]}" --epochs 1
    [ ! -e "$scratch/none.onnx" ]
}

# misuse WORD ARGUMENTS: exit 2.
misuse() {
    local word=$1
    shift
    expect_failure 2 "$word" "$scratch/set" "$@"
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
    # Before the first epoch, although it would come only behind it: the last drive is held out.
    cp -r "$scratch/set" "$scratch/torn"
    image=$(ls "$scratch"/torn/drive_0004/IMG/* | tail -n 1)
    echo broken >"$image"
    expect_failure 1 "mend it .*${image##*/}" "$scratch/torn" -o "$scratch/none.onnx" "${small[@]}" \
        --epochs 1000000
}

# A million epochs would say so if an output were tried only at the end.
tries_outputs_first() {
    local long=("$scratch/set" "${small[@]}" --epochs 1000000) out=(-o "$scratch/tried.onnx")
    mkdir -p "$scratch/tried" "$scratch/tried/full"
    for file in "$scratch/nowhere/x" "$scratch/tried"; do
        expect_failure 1 "cannot write $file: " "${long[@]}" -o "$file"
        for option in --log --plot --checkpoint; do
            expect_failure 1 "cannot write $file: " "${long[@]}" "${out[@]}" "$option" "$file" -y
        done
    done
    echo text >"$scratch/tried/text"
    expect_failure 1 'it is a file|Not a directory' "${long[@]}" "${out[@]}" --masks "$scratch/tried/text"
    rm "$scratch/tried/text"
    for name in strip.png frame_2_epoch_0.1.png; do
        touch "$scratch/tried/full/$name"
        expect_failure 1 "$name exists already" "${long[@]}" "${out[@]}" --masks "$scratch/tried/full"
        rm "$scratch/tried/full/$name"
    done
    # What was made to try is gone again.
    expect_failure 1 nowhere "${long[@]:1}" "$scratch/nowhere" "${out[@]}" --masks "$scratch/tried/new"
    [ "$(find "$scratch/tried" | wc -l)" = 2 ]
    [ ! -e "$scratch/tried.onnx" ]
}

# The network is there whatever becomes of the other outputs, and of those the first that failed.
keeps_the_network() {
    expect_failure 1 'full' "$scratch/set" -o "$scratch/kept.onnx" "${small[@]}" --epochs 1 \
        --log /dev/full --plot "$scratch/kept.png"
    "$vbp" info "$scratch/kept.onnx" >"$scratch/info"
    [ -s "$scratch/kept.png" ]
}

replaces_only_what_it_may() {
    local run=("$scratch/set" "${small[@]}" --epochs 1)
    for option in -o --log --plot --checkpoint; do
        echo precious >"$scratch/precious"
        if [ $option = -o ]; then
            expect_failure 1 'precious exists already' "${run[@]}" -o "$scratch/precious"
        else
            expect_failure 1 'precious exists already' "${run[@]}" -o "$scratch/p.onnx" \
                "$option" "$scratch/precious"
        fi
        # A checkpoint that does not exist is no run to go on with.
        if [ $option != --checkpoint ]; then
            expect_failure 1 'exists already' "${run[@]}" -o "$scratch/p.onnx" "$option" \
                "$scratch/precious" --checkpoint "$scratch/p.none" --resume
        fi
        expect_text "$scratch/precious" precious
    done
    expect_failure 1 'precious: not a checkpoint' "${run[@]}" -o "$scratch/p.onnx" \
        --checkpoint "$scratch/precious" --resume
    "$vbp" train "${run[@]}" -o "$scratch/p.onnx" --checkpoint "$scratch/precious" -y
    expect_failure 1 'precious: .* other settings' "${run[@]}" -o "$scratch/p.onnx" \
        --checkpoint "$scratch/precious" --resume --flip
    expect_failure 1 'precious: .* other data' "${run[@]}" -o "$scratch/p.onnx" \
        --checkpoint "$scratch/precious" --resume --hold-out 0.5
}

refuses_wrong_usage() {
    local x=$scratch/x out=(-o "$scratch/x")
    for option in --log --plot --checkpoint --masks; do
        misuse 'same file' "${out[@]}" "$option" "$scratch/../$(basename "$scratch")/x"
    done
    misuse '--log and --masks are the same file' "${out[@]}" --log "$x.d/strip.png" --masks "$x.d/"
    misuse '--log and --net are the same file' "${out[@]}" --net "$scratch/net.json" \
        --log "$scratch/net.json"
    misuse '--net .* -m ' "${out[@]}" --net nothing -m "$scratch/net.json"
    misuse '--patience .* --hold-out 0' "${out[@]}" --patience 3 --hold-out 0
    for number in 1,5 0x1 ' 1' 1.5.5 inf; do
        misuse "--lr takes .* '$number'" "${out[@]}" --lr "$number"
        misuse "huber takes .* '$number'" "${out[@]}" --loss "huber:$number"
    done
    misuse "--epochs takes .* '1,5'" "${out[@]}" --epochs 1,5
    [ ! -e "$x" ]
    [ ! -e "$x.d" ]
}

# What is trained can be opened: a card that does not fit is refused before.
refuses_cards_that_do_not_fit() {
    while read -r word card; do
        echo "$card" >"$scratch/card.json"
        refuse "card.json: .*$word" "$scratch/set" --card "$scratch/card.json"
    done <<'CARDS'
size {"input": {"size": [20, 10]}}
scale {"input": {"scale": [1, 2]}}
bias {"input": {"bias": [1, 2, 3, 4]}}
color {"input": {"color": "gray"}}
steering {"output": {"steering": "wheel"}}
bins {"output": {"kind": "bins", "bins": [-1, 1, 15]}}
CARDS
    echo '{"input": {"size": [48, 27], "scale": [1, 2, 3]}, "output": {"steering": "steering"}}' \
        >"$scratch/card.json"
    "$vbp" train "$scratch/set" -o "$scratch/fits.onnx" "${small[@]}" --epochs 1 \
        --card "$scratch/card.json"
    "$vbp" info "$scratch/fits.onnx" >"$scratch/info"
}

# After a kill in the middle of a run, log and film strip are those of the whole run. The run that
# is killed writes its checkpoints into a pipe, so that it cannot go past the third, which nobody
# takes: it is always killed after as many epochs.
resumes_log_and_masks() {
    local outputs=(--log "$scratch/parts.csv" --masks "$scratch/parts" -o "$scratch/parts.onnx")
    local options=("$scratch/set" "${small[@]}" "${outputs[@]}" --checkpoint "$scratch/parts.run")
    local status=0
    "$vbp" train "$scratch/set" "${small[@]}" --log "$scratch/one.csv" --masks "$scratch/one" \
        -o "$scratch/one.onnx" --epochs 5
    mkfifo "$scratch/parts.pipe"
    "$vbp" train "$scratch/set" "${small[@]}" "${outputs[@]}" --checkpoint "$scratch/parts.pipe" \
        --epochs 1000000 &
    trainer=$!
    for ((epoch = 0; epoch < 2; epoch++)); do
        timeout 60 cat "$scratch/parts.pipe" >"$scratch/parts.run"
    done
    kill -9 $trainer
    wait $trainer 2>/dev/null || status=$?
    [ $status = 137 ]
    expect_failure 1 'parts.run: .*--average' "${options[@]}" --epochs 5 --resume --average abs
    cp "$scratch/parts.run" "$scratch/parts.early"
    "$vbp" train "${options[@]}" --epochs 5 --resume
    for name in one parts; do
        cut -d , -f 1-5 "$scratch/$name.csv" >"$scratch/$name.rows"
    done
    [ "$(wc -l <"$scratch/parts.csv")" = 6 ]
    cmp "$scratch/one.rows" "$scratch/parts.rows"
    diff -r "$scratch/one" "$scratch/parts"
    # Without --masks the masks of before stay in the checkpoint.
    "$vbp" train "$scratch/set" "${small[@]}" --checkpoint "$scratch/parts.early" --resume \
        -o "$scratch/again.onnx" --epochs 6
    "$vbp" train "$scratch/set" "${small[@]}" --checkpoint "$scratch/parts.early" --resume \
        -o "$scratch/again.onnx" --epochs 6 --masks "$scratch/again"
    cmp "$scratch/one/frame_1_epoch_0.png" "$scratch/again/frame_1_epoch_0.png"
}

# Ctrl-C and an orderly end of the machine: both leave the best network so far.
ends_in_good_order() {
    for signal in INT TERM; do
        rm -f "$scratch/ended.run"
        # A shell ignores the interrupts of what it runs in the background; env takes that back.
        env --default-signal=INT "$vbp" train "$scratch/set" -o "$scratch/ended.onnx" "${small[@]}" -y \
            --epochs 1000000 --checkpoint "$scratch/ended.run" &
        trainer=$!
        until [ -s "$scratch/ended.run" ] || ! kill -0 $trainer 2>/dev/null; do :; done
        kill -$signal $trainer
        wait $trainer
        "$vbp" info "$scratch/ended.onnx" >"$scratch/info"
        rm "$scratch/ended.onnx"
    done
}

# --average and --even are for the masks of the strip.
makes_masks_as_told() {
    for name in positive abs even; do
        options=(--average "$name")
        [ $name = even ] && options=(--even)
        "$vbp" train "$scratch/set" -o "$scratch/told.onnx" -y "${small[@]}" --epochs 1 \
            --masks "$scratch/told_$name" "${options[@]}"
    done
    ! cmp -s "$scratch/told_positive/strip.png" "$scratch/told_even/strip.png"
}

says_what_is_wrong() {
    local run=("$scratch/set" -o "$scratch/wrong.onnx" "${small[@]}" -y --epochs 1)
    expect_failure 1 'learning rate of 90' "${run[@]}" --optimizer sgd --lr 90
    "$vbp" train "$scratch/set" -o "$scratch/wrong.onnx" --net "$scratch/net.json" --epochs 1 \
        --hold-out 0.001 2>"$scratch/errors"
    expect_text "$scratch/errors" '--hold-out 0.001 of these samples is none'
    expect_failure 1 '--hold-out 0.001 .*--patience' "${run[@]}" --hold-out 0.001 --patience 2
}

run_test learns_and_shows
run_test measures_by_kind
run_test repeats
run_test survives_a_kill
run_test fine_tunes
run_test refuses_bad_data
run_test tries_outputs_first
run_test keeps_the_network
run_test replaces_only_what_it_may
run_test refuses_wrong_usage
run_test refuses_cards_that_do_not_fit
run_test resumes_log_and_masks
run_test ends_in_good_order
run_test makes_masks_as_told
run_test says_what_is_wrong
finish
