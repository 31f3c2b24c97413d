/* Sources: every frame once, in order, with its number; exact seeks; refusals; damage. */
#include "../support/clip.h"
#include "base/file.h"
#include "base/npy.h"
#include "media/ffmpeg.h"
#include "media/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define DATA "../shared/data/"

static const struct source_options sought = {.threads = 2, .random_access = true};
static const struct source_options straight = {.threads = 2, .random_access = false};

static struct source *open_source(const char *path, const struct source_options *options)
{
    struct source *source;
    VbpError error;

    if (source_open(&source, path, options, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return source;
}

static void read_frame(struct source *source, struct frame *frame)
{
    VbpError error = {0};

    if (source_read(source, frame, &error) != SOURCE_FRAME)
        fail_msg("no frame: %s", error.message);
}

static void assert_end(struct source *source)
{
    struct frame frame;
    VbpError error;

    assert_int_equal(source_read(source, &frame, &error), SOURCE_END);
    assert_null(frame.picture);
    assert_int_equal(source_read(source, &frame, &error), SOURCE_END);
}

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
    struct source *source = open_source(clip->path, &straight);
    struct frame frame;

    for (int i = 0; i < clip->frames; i++) {
        read_frame(source, &frame);
        check_frame(&frame, i, clip, source_info(source));
        frame_release(&frame);
    }
    assert_end(source);
    assert_int_equal(source_damage(source).packets, 0);
    source_close(&source);
    assert_null(source);
}

static void check_seeks(const struct clip_options *clip, int seeks)
{
    struct source *source = open_source(clip->path, &sought);
    const struct source_info *info = source_info(source);
    double *times = calloc((size_t)clip->frames, sizeof(*times));
    unsigned random = 1;
    struct frame frame;
    VbpError error;

    assert_non_null(times);
    assert_true(info->seekable);
    assert_int_equal(info->frame_count, clip->frames);
    for (int i = 0; i < clip->frames; i++) {
        read_frame(source, &frame);
        check_frame(&frame, i, clip, info);
        times[i] = frame.time;
        if (i > 0)
            assert_true(times[i] > times[i - 1]);
        frame_release(&frame);
    }
    assert_end(source);
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
                assert_end(source);
                break;
            }
            read_frame(source, &frame);
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
    read_frame(source, &frame);
    check_frame(&frame, 0, clip, info);
    frame_release(&frame);
    assert_int_equal(source_seek_time(source, 1e9, &error), VBP_OK);
    read_frame(source, &frame);
    check_frame(&frame, clip->frames - 1, clip, info);
    frame_release(&frame);
    assert_end(source);
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
    source = open_source(clip.path, &straight);
    assert_int_equal(source_info(source)->frame_count, -1);
    read_frame(source, &frame);
    frame_release(&frame);
    assert_int_equal(source_seek_number(source, 25, &error), VBP_OK);
    assert_int_equal(source_info(source)->frame_count, 40);
    read_frame(source, &frame);
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
        source = open_source(clip.path, &straight);
        for (int n = 0; n < 10; n++) {
            VbpImage image;

            read_frame(source, &frame);
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
        source = open_source(clip.path, &straight);
        clip.path = clip_path("upright.mp4");
        clip.rotation = 0;
        clip_make(&clip);
        upright = open_source(clip.path, &straight);
        read_frame(source, &after);
        read_frame(upright, &before);
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
    source = open_source(both, &straight);
    for (int i = 0; i < 20; i++) {
        read_frame(source, &frame);
        assert_int_equal(frame.picture->width, 128);
        assert_int_equal(frame.picture->height, 96);
        assert_int_equal(frame.number, i);
        assert_int_equal(clip_number(frame.picture), i % 10);
        frame_release(&frame);
    }
    assert_end(source);
    source_close(&source);
}

/* ---- Damage ---------------------------------------------------------------------------------- */

static void write_file(const char *path, const void *bytes, size_t length)
{
    VbpError error;

    if (file_write(path, bytes, length, &error) != VBP_OK)
        fail_msg("%s", error.message);
}

static void plays_on_after_damage(void **state)
{
    struct clip_options clip = {.path = clip_path("whole.mp4"), .frames = 100, .b_frames = 2};
    const char *damaged = clip_path("damaged.mp4");
    const struct source_options *options[] = {&straight, &sought};
    unsigned char *bytes;
    size_t length;

    (void)state;
    clip_make(&clip);
    assert_int_equal(file_read(clip.path, 1 << 24, &bytes, &length, NULL), VBP_OK);
    for (size_t i = length * 4 / 10; i < length / 2; i += 37)
        bytes[i] ^= 0xff;
    write_file(damaged, bytes, length);
    free(bytes);
    for (int i = 0; i < 2; i++) {
        struct source *source = open_source(damaged, options[i]);
        struct source_damage damage;
        struct frame frame;
        int64_t last = -1;
        int frames = 0, right = 0;

        for (;;) {
            int result = source_read(source, &frame, NULL);

            if (result == SOURCE_END)
                break;
            assert_int_equal(result, SOURCE_FRAME);
            assert_true(frame.number > last);
            last = frame.number;
            frames++;
            right += clip_number(frame.picture) == frame.number;
            frame_release(&frame);
        }
        damage = source_damage(source);
        assert_true(damage.packets + damage.frames > 0);
        assert_true(frames >= 70);
        if (options[i]->random_access) {
            VbpError error;

            assert_int_equal(source_info(source)->frame_count, 100);
            assert_int_equal(last, 99);
            assert_true(right >= 70);
            /* Behind the damage all is as if there were none. */
            assert_int_equal(source_seek_number(source, 90, &error), VBP_OK);
            read_frame(source, &frame);
            assert_int_equal(frame.number, 90);
            assert_int_equal(clip_number(frame.picture), 90);
            frame_release(&frame);
            /* In it every seek gives something near. */
            for (int n = 30; n < 60; n++) {
                assert_int_equal(source_seek_number(source, n, &error), VBP_OK);
                read_frame(source, &frame);
                assert_in_range(frame.number, n - 15, n);
                frame_release(&frame);
            }
        }
        source_close(&source);
    }
}

static void reads_what_is_left_of_a_truncated_file(void **state)
{
    struct clip_options clip = {.path = clip_path("whole.mkv"), .frames = 100};
    const char *cut = clip_path("cut.mkv");
    struct source *source;
    struct frame frame;
    unsigned char *bytes;
    size_t length;
    VbpError error;
    int frames = 0;

    (void)state;
    clip_make(&clip);
    assert_int_equal(file_read(clip.path, 1 << 24, &bytes, &length, NULL), VBP_OK);
    write_file(cut, bytes, length * 6 / 10);
    source = open_source(cut, &sought);
    while (source_read(source, &frame, &error) == SOURCE_FRAME) {
        if (frames < 40)
            assert_int_equal(clip_number(frame.picture), frames);
        frames++;
        frame_release(&frame);
    }
    assert_in_range(frames, 40, 80);
    assert_int_equal(source_seek_time(source, 100, &error), VBP_OK);
    read_frame(source, &frame);
    assert_int_equal(frame.number, frames - 1);
    frame_release(&frame);
    source_close(&source);
    /* Too little for a picture, but enough to know the format. */
    write_file(cut, bytes, 700);
    free(bytes);
    assert_true(source_open(&source, cut, &sought, &error) < 0);
    assert_null(source);
    assert_ptr_equal(strstr(error.message, cut), error.message);
}

/* ---- Refusals -------------------------------------------------------------------------------- */

static void expect_refusal(const char *path, int status, const char *words)
{
    struct source *source;
    VbpError error = {0};
    int result = source_open(&source, path, &sought, &error);

    if (result == VBP_OK)
        fail_msg("%s was opened", path);
    assert_null(source);
    if (strstr(error.message, path) != error.message || !strstr(error.message, words) ||
        error.status != result || result != status)
        fail_msg("%s: status %d (wanted %d): %s", path, result, status, error.message);
}

static void refuses_what_is_no_source(void **state)
{
    static const char text[] = "frame,steering\n0,0.5\n1,0.25\nThe quick brown fox.\n";
    static const char *const endings[] = {"text.txt", "text.mp4", "text.csv",
                                          "text.jpg", "text.nfo", "text"};
    const char *empty = clip_path("empty.mp4"), *audio = clip_path("audio.wav");
    unsigned char wave[44 + 8000] = "RIFF\x64\x1f\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0"
                                    "\x40\x1f\0\0\1\0\x08\0data\x40\x1f\0";

    (void)state;
    expect_refusal(clip_path("nowhere.mp4"), VBP_ERROR_IO, "No such file");
    expect_refusal(clip_path("nowhere.npy"), VBP_ERROR_IO, "No such file");
    expect_refusal("/tmp", VBP_ERROR_IO, "folder");
    write_file(empty, "", 0);
    expect_refusal(empty, VBP_ERROR_FORMAT, "empty");
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        write_file(clip_path(endings[i]), text, sizeof(text) - 1);
        expect_refusal(clip_path(endings[i]), VBP_ERROR_FORMAT, ": ");
    }
    write_file(audio, wave, sizeof(wave));
    expect_refusal(audio, VBP_ERROR_FORMAT, "has no video");
}

/* ---- Pictures and arrays --------------------------------------------------------------------- */

static void write_array(const char *path, enum npy_type type, const void *data, int rank, size_t a,
                        size_t b, size_t c)
{
    size_t extent[3] = {a, b, c};

    assert_int_equal(npy_write(path, type, data, rank, extent, NULL), VBP_OK);
}

static void reads_arrays(void **state)
{
    const char *path = clip_path("array.npy");
    uint8_t bytes[2 * 3 * 4];
    float floats[6] = {0.5F, -1, 2, 3, 4, 5};
    struct source *source;
    struct frame frame;
    VbpError error;
    VbpImage image;
    size_t length;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 10);
    for (size_t channels = 0; channels <= 4; channels++) {
        size_t step = channels ? channels : 1;

        if (channels == 2)
            continue;
        write_array(path, NPY_UINT8, bytes, channels ? 3 : 2, 2, 3, channels);
        source = open_source(path, &sought);
        assert_int_equal(source_info(source)->kind, SOURCE_IMAGE);
        assert_int_equal(source_info(source)->frame_count, 1);
        assert_null(source_ready_input(source, &length));
        read_frame(source, &frame);
        image = frame_image(&frame);
        assert_int_equal(image.width, 3);
        assert_int_equal(image.height, 2);
        assert_int_equal(image.full_range, 1);
        assert_int_equal(image.format, channels < 3 ? VBP_PIXEL_GRAY8 : VBP_PIXEL_RGB24);
        for (size_t y = 0; y < 2; y++) {
            for (size_t x = 0; x < 3; x++) {
                for (size_t c = 0; c < (step < 3 ? 1 : 3); c++)
                    assert_int_equal(image.plane[0][(ptrdiff_t)y * image.stride[0] +
                                                    (ptrdiff_t)(x * (step < 3 ? 1 : 3) + c)],
                                     bytes[(y * 3 + x) * step + c]);
            }
        }
        frame_release(&frame);
        assert_end(source);
        assert_int_equal(source_seek_number(source, 0, &error), VBP_OK);
        read_frame(source, &frame);
        assert_int_equal(frame.number, 0);
        assert_true(frame.time == 0);
        frame_release(&frame);
        assert_int_equal(source_seek_number(source, 1, &error), VBP_ERROR_ARGUMENT);
        source_close(&source);
    }
    write_array(path, NPY_FLOAT32, floats, 3, 1, 2, 3);
    source = open_source(path, &sought);
    assert_int_equal(source_info(source)->kind, SOURCE_READY_INPUT);
    assert_memory_equal(source_ready_input(source, &length), floats, sizeof(floats));
    assert_int_equal(length, 6);
    assert_end(source);
    assert_int_equal(source_seek_number(source, 0, &error), VBP_ERROR_UNSUPPORTED);
    source_close(&source);
    write_array(path, NPY_UINT8, bytes, 3, 2, 3, 2);
    expect_refusal(path, VBP_ERROR_UNSUPPORTED, "2 x 3 x 2");
    write_array(path, NPY_UINT8, bytes, 1, 24, 0, 0);
    expect_refusal(path, VBP_ERROR_UNSUPPORTED, "shape 24");
    write_array(path, NPY_UINT8, bytes, 2, 0, 3, 0);
    expect_refusal(path, VBP_ERROR_UNSUPPORTED, "0 x 3");
    write_array(path, NPY_FLOAT32, floats, 1, 0, 0, 0);
    expect_refusal(path, VBP_ERROR_UNSUPPORTED, "without elements");
}

/* One picture file, made with FFmpeg's encoders. */
static void reads_pictures(void **state)
{
    static const struct {
        const char *name, *codec;
        enum AVPixelFormat format;
        VbpPixelFormat expected;
        bool full_range;
    } cases[] = {
        {"colour.jpg", "mjpeg", AV_PIX_FMT_YUVJ420P, VBP_PIXEL_YUV420P, true},
        {"colour444.jpeg", "mjpeg", AV_PIX_FMT_YUVJ444P, VBP_PIXEL_YUV444P, true},
        {"gray.png", "png", AV_PIX_FMT_GRAY8, VBP_PIXEL_GRAY8, true},
        {"gray16.png", "png", AV_PIX_FMT_GRAY16BE, VBP_PIXEL_GRAY8, true},
        {"really-png.jpg", "png", AV_PIX_FMT_GRAY8, VBP_PIXEL_GRAY8, true},
        {"gray.bmp", "bmp", AV_PIX_FMT_GRAY8, VBP_PIXEL_RGB24, true} /* has a palette */,
        {"colour.bmp", "bmp", AV_PIX_FMT_BGR24, VBP_PIXEL_BGR24, true},
        {"colour.png", "png", AV_PIX_FMT_RGB24, VBP_PIXEL_RGB24, true},
        {"frame-%d-100%.png", "png", AV_PIX_FMT_GRAY8, VBP_PIXEL_GRAY8, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *path = clip_path(cases[i].name);
        struct source *source;
        struct frame frame;
        VbpImage image;

        /* A stream of pictures (image2pipe) with one picture in it is that picture's file. */
        clip_make(&(struct clip_options){.path = path,
                                         .container = "image2pipe",
                                         .codec = cases[i].codec,
                                         .format = cases[i].format,
                                         .frames = 1});
        source = open_source(path, &sought);
        if (source_info(source)->kind != SOURCE_IMAGE)
            fail_msg("%s is no picture", path);
        assert_int_equal(source_info(source)->frame_count, 1);
        assert_int_equal(source_info(source)->width, 128);
        read_frame(source, &frame);
        image = frame_image(&frame);
        if (image.format != cases[i].expected || image.full_range != cases[i].full_range)
            fail_msg("%s: format %d, full range %d", path, (int)image.format, image.full_range);
        assert_int_equal(image.matrix, VBP_MATRIX_BT601);
        assert_int_equal(clip_number(frame.picture), 0);
        frame_release(&frame);
        assert_end(source);
        source_close(&source);
    }
}

/* ---- Interruption ---------------------------------------------------------------------------- */

static void *interrupt_soon(void *source)
{
    usleep(100000); /* most probably it waits by now; the test holds also if not */
    source_interrupt(source);
    return NULL;
}

/* A server that sends the start of a clip and then nothing. */
static void can_be_interrupted(void **state)
{
    struct clip_options clip = {.path = clip_path("stalls.ts"), .frames = 200};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pid_t server;
    struct source *source;
    struct frame frame;
    unsigned char *bytes;
    size_t length;
    VbpError error;
    pthread_t thread;
    char url[64];
    int result;

    (void)state;
    clip_make(&clip);
    assert_int_equal(file_read(clip.path, 1 << 24, &bytes, &length, NULL), VBP_OK);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &address_length), 0);
    snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", ntohs(address.sin_port));
    server = fork();
    if (server == 0) {
        int client = accept(listener, NULL, NULL);

        if (write(client, bytes, length) != (ssize_t)length)
            _exit(1);
        pause();
        _exit(0);
    }
    free(bytes);
    source = open_source(url, &straight);
    assert_false(source_info(source)->seekable);
    assert_int_equal(source_seek_number(source, 0, &error), VBP_ERROR_UNSUPPORTED);
    assert_int_equal(pthread_create(&thread, NULL, interrupt_soon, source), 0);
    while ((result = source_read(source, &frame, &error)) == SOURCE_FRAME)
        frame_release(&frame);
    assert_int_equal(result, VBP_ERROR_CANCELLED);
    assert_int_equal(source_read(source, &frame, &error), VBP_ERROR_CANCELLED);
    pthread_join(thread, NULL);
    source_close(&source);
    close(listener);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
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
    source = open_source(path, &sought);
    assert_int_equal(source_info(source)->frame_count, frames);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < (pass ? 25 : frames); i++) {
            int number = pass ? (int)(next_random(&random) % (unsigned)frames) : i;
            uint64_t sum = 14695981039346656037u;

            if (pass)
                assert_int_equal(source_seek_number(source, number, &error), VBP_OK);
            read_frame(source, &frame);
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
            assert_end(source);
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

/* Ten gray JPEGs against what libjpeg made of them. */
static void decodes_jpegs_as_libjpeg_does(void **state)
{
    struct npy expected;
    VbpError error;

    (void)state;
    if (!file_exists(DATA "nethvf/images_u8.npy")) {
        print_message(DATA "nethvf is not there\n");
        skip();
    }
    assert_int_equal(npy_read(DATA "nethvf/images_u8.npy", &expected, &error), VBP_OK);
    for (int i = 0; i < 22; i++) {
        char path[128];
        struct source *source;
        struct frame frame;
        VbpImage image;
        const uint8_t *wanted;

        snprintf(path, sizeof(path), DATA "nethvf/images/img%d.jpg", i + 1);
        source = open_source(path, &sought);
        read_frame(source, &frame);
        image = frame_image(&frame);
        assert_int_equal(image.format, VBP_PIXEL_GRAY8);
        assert_int_equal(image.full_range, 1);
        wanted = (const uint8_t *)expected.data + (size_t)i * 125 * 640;
        for (int y = 0; y < image.height; y++) {
            for (int x = 0; x < image.width; x++)
                assert_in_range(image.plane[0][y * image.stride[0] + x] + 1 - wanted[y * 640 + x],
                                0, 2);
        }
        frame_release(&frame);
        source_close(&source);
    }
    npy_free(&expected);
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
        cmocka_unit_test(reads_h264_with_b_frames),
        cmocka_unit_test(reads_open_gops),
        cmocka_unit_test(reads_variable_frame_rate),
        cmocka_unit_test(reads_gradual_refresh),
        cmocka_unit_test(reads_other_codecs),
        cmocka_unit_test(indexes_at_first_seek),
        cmocka_unit_test(converts_formats),
        cmocka_unit_test(applies_rotation),
        cmocka_unit_test(scales_a_change_of_size),
        cmocka_unit_test(plays_on_after_damage),
        cmocka_unit_test(reads_what_is_left_of_a_truncated_file),
        cmocka_unit_test(refuses_what_is_no_source),
        cmocka_unit_test(reads_arrays),
        cmocka_unit_test(reads_pictures),
        cmocka_unit_test(can_be_interrupted),
        cmocka_unit_test(reads_the_highway),
        cmocka_unit_test(reads_the_motorway),
        cmocka_unit_test(reads_the_simulator),
        cmocka_unit_test(decodes_jpegs_as_libjpeg_does),
    };

    media_quiet_ffmpeg();
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
