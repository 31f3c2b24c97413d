/* Video sources: every frame once, in order, with its number; exact seeks. */
#include "../support/clip.h"
#include "../support/reading.h"
#include "base/file.h"
#include "media/ffmpeg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA "../shared/data/"

/* Random numbers that are the same in every run. */
static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* ---- Clips with numbers ---------------------------------------------------------------------- */

/* Reads from the frame on that should come next; all numbers and times must be as drawn. */
static void check_frame(const struct frame *frame, int number, const struct clip_options *clip,
                        const struct source_info *info)
{
    int64_t first = clip->pts ? clip->pts(0) : 0;
    int64_t pts = clip->pts ? clip->pts(number) : number;
    AVRational time_base = clip->time_base.num ? clip->time_base : (AVRational){1, 25};
    double time = (double)(pts - first) * av_q2d(time_base);

    assert_int_equal(clip_number(frame->picture), number);
    assert_int_equal(frame->number, number);
    assert_int_equal(frame->picture->pts, frame->pts);
    assert_int_equal(frame->serial, 0);
    /* Matroska's clock has milliseconds, MPEG-TS's and FLV's begin where they like. */
    assert_true(frame->time > time - 0.0011 && frame->time < time + 0.0011);
    assert_int_equal(frame->picture->width, info->width);
    assert_int_equal(frame->picture->height, info->height);
}

static void check_straight(const struct clip_options *clip)
{
    struct source *source = reading_open(clip->path, &reading_straight);
    struct frame frame;

    for (int i = 0; i < clip->frames; i++) {
        reading_next(source, &frame);
        check_frame(&frame, i, clip, source_info(source));
        frame_release(&frame);
    }
    reading_assert_end(source);
    assert_int_equal(source_damage(source).packets, 0);
    source_close(&source);
    assert_null(source);
}

static void check_seeks(const struct clip_options *clip, int seeks)
{
    struct source *source = reading_open(clip->path, &reading_sought);
    const struct source_info *info = source_info(source);
    double *times = calloc((size_t)clip->frames, sizeof(*times));
    unsigned random = 1;
    struct frame frame;
    VbpError error;

    assert_non_null(times);
    assert_true(info->seekable);
    assert_int_equal(info->frame_count, clip->frames);
    for (int i = 0; i < clip->frames; i++) {
        reading_next(source, &frame);
        check_frame(&frame, i, clip, info);
        times[i] = frame.time;
        if (i > 0)
            assert_true(times[i] > times[i - 1]);
        frame_release(&frame);
    }
    reading_assert_end(source);
    assert_true(info->duration > times[clip->frames - 1]);
    for (int i = 0; i < seeks; i++) {
        int number = (int)(next_random(&random) % (unsigned)clip->frames);
        int by_time = (int)(next_random(&random) % 3);

        if (by_time == 0) {
            assert_int_equal(source_seek_number(source, number, &error), VBP_OK);
        } else {
            double time = times[number];

            /* Exactly then, or anywhere until the next frame. */
            if (by_time == 2 && number + 1 < clip->frames)
                time += (times[number + 1] - time) * 0.99;
            assert_int_equal(source_seek_time(source, time, &error), VBP_OK);
        }
        for (int ahead = (int)(next_random(&random) % 4); ahead >= 0; ahead--, number++) {
            if (number == clip->frames) {
                reading_assert_end(source);
                break;
            }
            reading_next(source, &frame);
            check_frame(&frame, number, clip, info);
            assert_true(frame.time == times[number]);
            if (number + 1 < clip->frames)
                assert_true(frame.duration > (times[number + 1] - frame.time) * 0.999 &&
                            frame.duration < (times[number + 1] - frame.time) * 1.001);
            else
                assert_true(frame.duration > 0);
            frame_release(&frame);
        }
    }
    assert_int_equal(source_seek_time(source, -5, &error), VBP_OK);
    reading_next(source, &frame);
    check_frame(&frame, 0, clip, info);
    frame_release(&frame);
    assert_int_equal(source_seek_time(source, 1e9, &error), VBP_OK);
    reading_next(source, &frame);
    check_frame(&frame, clip->frames - 1, clip, info);
    frame_release(&frame);
    reading_assert_end(source);
    assert_int_equal(source_seek_number(source, clip->frames, &error), VBP_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, " frames"));
    assert_int_equal(source_seek_number(source, -1, &error), VBP_ERROR_ARGUMENT);
    assert_int_equal(source_damage(source).packets, 0);
    assert_int_equal(source_damage(source).frames, 0);
    source_close(&source);
    free(times);
}

static void check_clip(const struct clip_options *clip, int seeks)
{
    clip_make(clip);
    check_straight(clip);
    check_seeks(clip, seeks);
}

/* 90 kHz, between 20 and 120 ms apart. */
static int64_t uneven(int frame)
{
    int64_t pts = 6009;

    for (int i = 1; i <= frame; i++)
        pts += 1800 + (i * 7919) % 9000;
    return pts;
}

static void reads_h264_with_b_frames(void **state)
{
    (void)state;
    check_clip(&(struct clip_options){.path = clip_path("b.mp4"), .frames = 150, .b_frames = 3},
               200);
}

static void reads_open_gops(void **state)
{
    (void)state;
    check_clip(&(struct clip_options){.path = clip_path("open.mp4"),
                                      .settings = "x264-params=open-gop=1\\:scenecut=0",
                                      .frames = 150,
                                      .gop = 15,
                                      .b_frames = 3},
               200);
    check_clip(&(struct clip_options){.path = clip_path("open.ts"),
                                      .settings = "x264-params=open-gop=1\\:scenecut=0",
                                      .frames = 150,
                                      .gop = 15,
                                      .b_frames = 3},
               100);
    check_clip(&(struct clip_options){.path = clip_path("open-mpeg2.ts"),
                                      .codec = "mpeg2video",
                                      .frames = 100,
                                      .b_frames = 2},
               100);
}

static void reads_variable_frame_rate(void **state)
{
    (void)state;
    check_clip(&(struct clip_options){.path = clip_path("vfr.mp4"),
                                      .frames = 120,
                                      .time_base = {1, 90000},
                                      .pts = uneven,
                                      .b_frames = 2},
               200);
    check_clip(&(struct clip_options){.path = clip_path("vfr.mkv"),
                                      .frames = 120,
                                      .time_base = {1, 90000},
                                      .pts = uneven,
                                      .b_frames = 2,
                                      .audio = true},
               200);
}

static void reads_gradual_refresh(void **state)
{
    (void)state;
    check_clip(&(struct clip_options){.path = clip_path("refresh.mkv"),
                                      .settings = "x264-params=intra-refresh=1",
                                      .frames = 120,
                                      .gop = 20},
               60);
}

static void reads_other_codecs(void **state)
{
    (void)state;
    check_clip(
        &(struct clip_options){.path = clip_path("mpeg4.avi"), .codec = "mpeg4", .frames = 60}, 50);
    check_clip(&(struct clip_options){.path = clip_path("b.avi"), .frames = 60, .b_frames = 2}, 20);
    check_clip(&(struct clip_options){.path = clip_path("raw.h264"), .frames = 60, .b_frames = 2},
               20);
    check_clip(&(struct clip_options){.path = clip_path("mjpeg.mov"),
                                      .codec = "mjpeg",
                                      .format = AV_PIX_FMT_YUVJ420P,
                                      .frames = 30},
               50);
    check_clip(&(struct clip_options){.path = clip_path("vp8.webm"),
                                      .codec = "libvpx",
                                      .settings = "auto-alt-ref=1:lag-in-frames=16:cpu-used=8",
                                      .frames = 80},
               50);
    check_clip(&(struct clip_options){.path = clip_path("vp9.webm"),
                                      .codec = "libvpx-vp9",
                                      .settings = "auto-alt-ref=1:lag-in-frames=16:cpu-used=8",
                                      .frames = 80},
               50);
    check_clip(&(struct clip_options){.path = clip_path("hevc.mp4"),
                                      .codec = "libx265",
                                      .settings = "preset=ultrafast:x265-params=log-level=none",
                                      .frames = 80,
                                      .b_frames = 3},
               50);
}

/* A time base, names with colons, seeks without random_access, frame_count before and after. */
static void indexes_at_first_seek(void **state)
{
    struct clip_options clip = {.path = clip_path("12:30.mkv"), .frames = 40};
    struct source *source;
    struct frame frame;
    VbpError error;

    (void)state;
    clip_make(&clip);
    source = reading_open(clip.path, &reading_straight);
    assert_int_equal(source_info(source)->frame_count, -1);
    reading_next(source, &frame);
    frame_release(&frame);
    assert_int_equal(source_seek_number(source, 25, &error), VBP_OK);
    assert_int_equal(source_info(source)->frame_count, 40);
    reading_next(source, &frame);
    check_frame(&frame, 25, &clip, source_info(source));
    frame_release(&frame);
    source_close(&source);
}

static void converts_formats(void **state)
{
    static const struct {
        enum AVPixelFormat from;
        VbpPixelFormat to;
        const char *codec;
    } cases[] = {
        {AV_PIX_FMT_YUV420P10LE, VBP_PIXEL_YUV420P, "libx264"},
        {AV_PIX_FMT_YUV422P10LE, VBP_PIXEL_YUV422P, "libx264"},
        {AV_PIX_FMT_YUV444P10LE, VBP_PIXEL_YUV444P, "libx264"},
        {AV_PIX_FMT_YUV444P, VBP_PIXEL_YUV444P, "libx264"},
        {AV_PIX_FMT_GRAY8, VBP_PIXEL_GRAY8, "ffv1"},
        {AV_PIX_FMT_GRAY10LE, VBP_PIXEL_GRAY8, "ffv1"},
        {AV_PIX_FMT_YUV410P, VBP_PIXEL_YUV420P, "ffv1"},
        {AV_PIX_FMT_YUV411P, VBP_PIXEL_YUV422P, "ffv1"},
        {AV_PIX_FMT_YUVA420P, VBP_PIXEL_YUV420P, "ffv1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct clip_options clip = {.path = clip_path("format.mkv"),
                                    .codec = cases[i].codec,
                                    .format = cases[i].from,
                                    .frames = 10};
        struct source *source;
        struct frame frame;

        clip_make(&clip);
        source = reading_open(clip.path, &reading_straight);
        for (int n = 0; n < 10; n++) {
            VbpImage image;

            reading_next(source, &frame);
            check_frame(&frame, n, &clip, source_info(source));
            image = frame_image(&frame);
            assert_int_equal(image.format, cases[i].to);
            assert_int_equal(image.matrix, VBP_MATRIX_BT601);
            assert_int_equal(image.full_range, cases[i].to == VBP_PIXEL_GRAY8);
            /* The blocks were drawn with 30 and 220; conversion keeps the range. */
            assert_in_range(image.plane[0][image.stride[0] * 12 + 16], 26, 34);
            frame_release(&frame);
        }
        source_close(&source);
    }
}

/* A gray picture whose left half is dark, turned so that another side is. */
static void applies_rotation(void **state)
{
    static const int rotations[] = {90, -90, 180};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct clip_options clip = {.path = clip_path("turned.mp4"),
                                    .width = 64,
                                    .height = 32,
                                    .frames = 3,
                                    .rotation = rotations[i]};
        struct source *upright, *source;
        struct frame before, after;
        bool swaps = rotations[i] != 180;

        clip_make(&clip);
        source = reading_open(clip.path, &reading_straight);
        clip.path = clip_path("upright.mp4");
        clip.rotation = 0;
        clip_make(&clip);
        upright = reading_open(clip.path, &reading_straight);
        reading_next(source, &after);
        reading_next(upright, &before);
        assert_int_equal(source_info(source)->width, swaps ? 32 : 64);
        assert_int_equal(after.picture->width, swaps ? 32 : 64);
        assert_int_equal(after.picture->height, swaps ? 64 : 32);
        for (int plane = 0; plane < 3; plane++) {
            int width = plane ? 32 : 64, height = plane ? 16 : 32;

            for (int y = 0; y < height; y++) {
                for (int x = 0; x < width; x++) {
                    /* Where av_display_rotation_set(angle), clockwise, puts the pixel. */
                    int to_x = rotations[i] == 90    ? height - 1 - y
                               : rotations[i] == -90 ? y
                                                     : width - 1 - x;
                    int to_y = rotations[i] == 90    ? x
                               : rotations[i] == -90 ? width - 1 - x
                                                     : height - 1 - y;

                    assert_int_equal(
                        before.picture->data[plane][before.picture->linesize[plane] * y + x],
                        after.picture->data[plane][after.picture->linesize[plane] * to_y + to_x]);
                }
            }
        }
        frame_release(&before);
        frame_release(&after);
        source_close(&source);
        source_close(&upright);
    }
}

/* Two recordings of different sizes behind each other; all frames come in the first one's size. */
static void scales_a_change_of_size(void **state)
{
    struct clip_options clip = {.path = clip_path("first.h264"), .frames = 10};
    struct source *source;
    struct frame frame;
    unsigned char *part[2];
    size_t length[2];
    const char *both = clip_path("both.h264");
    FILE *stream;

    (void)state;
    clip_make(&clip);
    assert_int_equal(file_read(clip.path, 1 << 24, &part[0], &length[0], NULL), VBP_OK);
    clip.width = 64;
    clip.height = 48;
    clip_make(&clip);
    assert_int_equal(file_read(clip.path, 1 << 24, &part[1], &length[1], NULL), VBP_OK);
    stream = fopen(both, "wb");
    assert_non_null(stream);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fwrite(part[i], 1, length[i], stream), length[i]);
        free(part[i]);
    }
    fclose(stream);
    source = reading_open(both, &reading_straight);
    for (int i = 0; i < 20; i++) {
        reading_next(source, &frame);
        assert_int_equal(frame.picture->width, 128);
        assert_int_equal(frame.picture->height, 96);
        assert_int_equal(frame.number, i);
        assert_int_equal(clip_number(frame.picture), i % 10);
        frame_release(&frame);
    }
    reading_assert_end(source);
    source_close(&source);
}

/* ---- Real drives ----------------------------------------------------------------------------- */

static void check_drive(const char *path, int frames)
{
    struct source *source;
    struct frame frame;
    VbpError error;
    unsigned random = 7;
    uint64_t *sums = calloc((size_t)frames, sizeof(*sums));

    assert_non_null(sums);
    if (!file_exists(path)) {
        print_message("%s is not there\n", path);
        free(sums);
        skip();
    }
    source = reading_open(path, &reading_sought);
    assert_int_equal(source_info(source)->frame_count, frames);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < (pass ? 25 : frames); i++) {
            int number = pass ? (int)(next_random(&random) % (unsigned)frames) : i;
            uint64_t sum = 14695981039346656037u;

            if (pass)
                assert_int_equal(source_seek_number(source, number, &error), VBP_OK);
            reading_next(source, &frame);
            assert_int_equal(frame.number, number);
            for (int y = 0; y < frame.picture->height; y++) {
                for (int x = 0; x < frame.picture->width; x++)
                    sum = (sum ^ frame.picture->data[0][frame.picture->linesize[0] * y + x]) *
                          1099511628211u;
            }
            if (pass)
                assert_true(sum == sums[number]);
            sums[number] = sum;
            frame_release(&frame);
        }
        if (!pass)
            reading_assert_end(source);
    }
    assert_int_equal(source_damage(source).packets, 0);
    source_close(&source);
    free(sums);
}

static void reads_the_highway(void **state)
{
    (void)state;
    check_drive(DATA "videos/highway-h264-540p25.mp4", 221);
}

static void reads_the_motorway(void **state)
{
    (void)state;
    check_drive(DATA "videos/motorway-vfr-360p.mp4", 486);
}

static void reads_the_simulator(void **state)
{
    (void)state;
    check_drive(DATA "videos/simulator-h264-160p60.mp4", 538);
}

static int clean_up(void **state)
{
    (void)state;
    clip_folder_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_h264_with_b_frames),  cmocka_unit_test(reads_open_gops),
        cmocka_unit_test(reads_variable_frame_rate), cmocka_unit_test(reads_gradual_refresh),
        cmocka_unit_test(reads_other_codecs),        cmocka_unit_test(indexes_at_first_seek),
        cmocka_unit_test(converts_formats),          cmocka_unit_test(applies_rotation),
        cmocka_unit_test(scales_a_change_of_size),   cmocka_unit_test(reads_the_highway),
        cmocka_unit_test(reads_the_motorway),        cmocka_unit_test(reads_the_simulator),
    };

    media_quiet_ffmpeg();
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
