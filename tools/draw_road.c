/*
 * draw-road FOLDER: writes a drawn road as road.mp4 and road.png, and a network made by hand that
 * follows its markings as lane.onnx with its card: something to try vbp on, and what the README's
 * picture is made from.
 */
#include "media/ffmpeg.h"
#include "support/lane_files.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    struct lane_files files;

    if (argc != 2) {
        fputs("usage: draw-road FOLDER\n", stderr);
        return 2;
    }
    media_quiet_ffmpeg();
    lane_files_write(&files, argv[1], 960, 540, 90);
    return 0;
}
