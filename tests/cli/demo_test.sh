#!/usr/bin/env bash
# The shipped clip and network: what their documents say of them, and the demo that shows them.
. tests/support/test.sh

build=${BUILD:-build}
vbp=${VBP:-build/vbp}
network=models/road-pilotnet.onnx

size_of() {
    stat -c %s "$1"
}

clip_is_as_told() {
    [ "$(size_of videos/road.mp4)" -lt 3000000 ]
    ffprobe -v error -select_streams v -count_packets -of csv=p=0 \
        -show_entries stream=width,height,r_frame_rate,nb_read_packets videos/road.mp4 \
        >"$scratch/stream"
    expect_text "$scratch/stream" '^640,360,30/1,600'
    [ "$(wc -l <videos/road.csv)" = 601 ]
    # The drive of the document's command is the one that was filmed.
    command=$(grep '^roadsim' videos/README.md | sed "s| --video.*| --labels $scratch/road.csv -q|")
    PATH=$build:$PATH bash -c "$command"
    cmp "$scratch/road.csv" videos/road.csv
}

# On drives that it never saw: a third of the error of driving straight on, and a mask on markings,
# road edges and vehicles. models/README.md has the figures of many more frames.
network_has_learned() {
    [ "$(size_of $network)" -lt 1200000 ]
    "$build/roadsim" --seed 31415 --drives 30 --frames 3 --fps 0.5 --size 320x180 --samples 1 \
        --cameras 1 --truth log --log "$scratch/unseen" -q
    "$vbp" eval "$scratch/unseen" -m $network --truth | tee "$scratch/table"
    # all SAMPLES ERROR RMS STRAIGHT RATIO ON% AREA% LIFT
    awk '$1 == "all" { found = $2 == 90 && $6 < 1 / 3 && $9 > 2.5 } END { exit !found }' \
        "$scratch/table"
}

needs_no_display() {
    env -u DISPLAY -u WAYLAND_DISPLAY BUILD="$scratch/build" bash -c "
        mkdir -p '$scratch/build' && ln -s '$(realpath "$vbp")' '$scratch/build/vbp'
        tools/demo.sh" >"$scratch/said"
    expect_text "$scratch/said" "The annotated drive is $scratch/build/demo.mp4"
    [ "$(ffprobe -v error -count_packets -select_streams v -show_entries stream=nb_read_packets \
        -of csv=p=0 "$scratch/build/demo.mp4")" = 600 ]
}

run_test clip_is_as_told
run_test network_has_learned
run_test needs_no_display
finish
