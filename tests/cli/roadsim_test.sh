#!/usr/bin/env bash
# roadsim as its users run it: a video with labels and truth, logs of several drives, wrong words.
. tests/support/test.sh

roadsim=${BUILD:-build}/roadsim
small=(--size 96x54 --samples 1 --fps 10 -q)

differ() {
    if cmp -s "$1" "$2"; then
        echo "$1 is the same as $2"
        return 1
    fi
}

makes_a_video() {
    "$roadsim" --seed 4 --frames 12 "${small[@]}" --video "$scratch/road.mp4" \
        --labels "$scratch/road.csv" --truth "$scratch/truth.mkv"
    [ "$(ffprobe -v error -count_frames -show_entries stream=nb_read_frames,width,height \
        -of csv=p=0 "$scratch/road.mp4")" = 96,54,12 ]
    [ "$(wc -l <"$scratch/road.csv")" = 13 ]
    expect_text "$scratch/road.csv" '^frame,time,inverse_radius,wheel_degrees,weather,road,offset_m,'
    # Truth comes back as it was drawn: nothing but the four classes.
    ffmpeg -v error -i "$scratch/truth.mkv" -f rawvideo -pix_fmt gray "$scratch/truth.gray"
    [ "$(stat -c %s "$scratch/truth.gray")" = $((96 * 54 * 12)) ]
    [ -z "$(tr -d '\000\001\002\003' <"$scratch/truth.gray")" ]
    [ -n "$(tr -d '\000' <"$scratch/truth.gray" | tr '\001\002\003' abc)" ]
}

makes_logs() {
    "$roadsim" --seed 4 --drives 2 --frames 3 "${small[@]}" --log "$scratch/set" --truth log
    for drive in 1 2; do
        folder=$scratch/set/drive_000$drive
        [ "$(head -n 1 "$folder/driving_log.csv")" = \
            center,left,right,steering,throttle,brake,speed ]
        [ "$(wc -l <"$folder/driving_log.csv")" = 4 ]
        tail -n +2 "$folder/driving_log.csv" | while IFS=, read -r center left right steering rest; do
            [ -s "$folder/$center" ]
            [ -s "$folder/$left" ]
            [ -s "$folder/$right" ]
            awk -v value="$steering" 'BEGIN { exit !(value >= -1 && value <= 1) }'
            [ -n "$rest" ]
        done
        [ "$(find "$folder/truth" -name '*.png' | wc -l)" = 3 ]
        [ "$(wc -l <"$folder/labels.csv")" = 4 ]
        expect_text "$folder/drive.json" '"full_lock_degrees": 180'
    done
    differ "$scratch/set/drive_0001/labels.csv" "$scratch/set/drive_0002/labels.csv"
}

repeats_itself() {
    for threads in 1 2; do
        "$roadsim" --seed 9 --frames 5 "${small[@]}" --threads "$threads" --log "$scratch/log$threads"
    done
    diff -r "$scratch/log1" "$scratch/log2"
    "$roadsim" --seed 10 --frames 5 "${small[@]}" --log "$scratch/other"
    differ "$scratch/log1/IMG/center_000000.jpg" "$scratch/other/IMG/center_000000.jpg"
}

refused() {
    local status=0
    "$roadsim" "$@" 2>"$scratch/words" || status=$?
    [ "$status" = 2 ]
    [ "$(wc -l <"$scratch/words")" = 1 ]
}

refuses_wrong_words() {
    refused
    refused --video "$scratch/x.mp4" --frames 0
    refused --video "$scratch/x.mp4" --weather hail
    refused --video "$scratch/x.mp4" --size 640
    refused --video "$scratch/x.mp4" --drives 2
    refused --video "$scratch/x.mp4" --truth log
    refused --log ''
    refused --video "$scratch/t.mkv" --truth "$scratch/t.mkv"
    refused --video
    refused --nonsense
    "$roadsim" --help | grep -q 'usage: roadsim'
    status=0
    "$roadsim" --frames 1 "${small[@]}" --video "$scratch/no/x.mp4" 2>"$scratch/words" || status=$?
    [ "$status" = 1 ]
    [ "$(wc -l <"$scratch/words")" = 1 ]
}

# A folder with a log is whole: one that is drawn into anew has none until it is.
begins_without_a_log() {
    "$roadsim" --seed 1 --frames 2 "${small[@]}" --log "$scratch/stale"
    rm "$scratch/stale/IMG/center_000001.jpg"
    mkdir "$scratch/stale/IMG/center_000001.jpg"
    status=0
    "$roadsim" --seed 2 --frames 2 "${small[@]}" --log "$scratch/stale" 2>"$scratch/words" ||
        status=$?
    [ "$status" = 1 ]
    [ ! -e "$scratch/stale/driving_log.csv" ]
    "$roadsim" --seed 1 --drives 3 --frames 1 "${small[@]}" --log "$scratch/three"
    status=0
    "$roadsim" --seed 1 --drives 2 --frames 1 "${small[@]}" --log "$scratch/three" \
        2>"$scratch/words" || status=$?
    [ "$status" = 1 ]
    expect_text "$scratch/words" 'drive_0003 is there already'
}

run_test makes_a_video
run_test begins_without_a_log
run_test makes_logs
run_test repeats_itself
run_test refuses_wrong_words
finish
