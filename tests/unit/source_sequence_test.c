/* Sources that are many pictures: folders, patterns, logs, tubs. */
#include "../support/clip.h"
#include "../support/reading.h"
#include "base/file.h"
#include "media/ffmpeg.h"
#include "media/image_writer.h"
#include "media/source.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define DATA "../shared/data/sequences/"

/* The path, whose folder is made. */
static const char *in_folder(const char *name)
{
    const char *path = clip_path(name);
    char folder[600];
    VbpError error;

    snprintf(folder, sizeof(folder), "%s", path);
    *strrchr(folder, '/') = 0;
    if (file_make_folder(folder, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return path;
}

/* A picture that carries `number`, gray or in colour. */
static void draw(const char *name, int number, bool gray, int width)
{
    AVFrame *picture = av_frame_alloc();
    const char *path = in_folder(name);
    VbpError error;

    picture->format = gray ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24;
    picture->width = width;
    picture->height = width * 3 / 4;
    assert_int_equal(av_frame_get_buffer(picture, 0), 0);
    clip_draw(picture, number);
    if (image_write_pixels(path, picture->data[0], picture->width, picture->height, gray ? 1 : 3,
                           picture->linesize[0], &error) != VBP_OK)
        fail_msg("%s", error.message);
    av_frame_free(&picture);
}

static void put(const char *name, const char *text)
{
    reading_write_file(in_folder(name), text, strlen(text));
}

/* The next frame is picture `drawn`, frame `number`, shown at that time. */
static void expect(struct source *source, int drawn, int64_t number, int64_t milliseconds)
{
    struct frame frame;

    reading_next(source, &frame);
    assert_int_equal(clip_number(frame.picture), drawn);
    assert_int_equal(frame.number, number);
    assert_int_equal(frame.pts, milliseconds);
    assert_int_equal(frame.picture->pts, milliseconds);
    assert_float_equal(frame.time, (double)milliseconds / 1000, 1e-9);
    assert_true(frame.duration > 0);
    frame_release(&frame);
}

static void folders_in_natural_order(void **state)
{
    static const char *const names[] = {"f2.png", "f10.png", "f9.PNG", "f010.png", "F3.png"};
    static const int in_order[] = {4, 0, 2, 1, 3};
    const struct source_info *info;
    struct source *source;

    (void)state;
    for (int i = 0; i < 5; i++) {
        char name[40];

        snprintf(name, sizeof(name), "natural/%s", names[i]);
        draw(name, 100 + i, false, 128);
    }
    put("natural/notes.txt", "no picture");
    put("natural/.hidden.png", "no picture");
    source = reading_open(clip_path("natural"), &reading_sought);
    info = source_info(source);
    assert_int_equal(info->kind, SOURCE_VIDEO);
    assert_int_equal(info->frame_count, 5);
    assert_int_equal(info->width, 128);
    assert_true(info->seekable && !info->has_audio);
    assert_float_equal(info->duration, 0.25, 1e-9);
    assert_float_equal(av_q2d(info->frame_rate), 20, 1e-3);
    for (int i = 0; i < 5; i++)
        expect(source, 100 + in_order[i], i, 50 * i);
    reading_assert_end(source);
    source_close(&source);
}

static void patterns(void **state)
{
    char path[600];
    struct source *source;
    VbpError error;

    (void)state;
    draw("pattern/a_008.png", 8, false, 128);
    draw("pattern/a_009.png", 9, false, 128);
    draw("pattern/a_011.png", 11, false, 128);
    draw("pattern/a_1000.png", 1000, false, 128);
    draw("pattern/a_12.png", 12, false, 128);
    draw("pattern/b_010.png", 10, false, 128);
    snprintf(path, sizeof(path), "%s/a_%%03d.png", clip_path("pattern"));
    source = reading_open(path, &reading_sought);
    expect(source, 8, 0, 0);
    expect(source, 9, 1, 50);
    expect(source, 11, 2, 100);
    expect(source, 1000, 3, 150);
    reading_assert_end(source);
    source_close(&source);

    snprintf(path, sizeof(path), "%s/a_%%d.png", clip_path("pattern"));
    source = reading_open(path, &reading_sought);
    expect(source, 12, 0, 0);
    expect(source, 1000, 1, 50);
    reading_assert_end(source);
    source_close(&source);

    snprintf(path, sizeof(path), "%s/c_%%d.png", clip_path("pattern"));
    assert_int_equal(source_open(&source, path, &reading_sought, &error), VBP_ERROR_IO);
    assert_non_null(strstr(error.message, "no file has such a name"));
}

static void seeks(void **state)
{
    struct source *source;
    VbpError error;

    (void)state;
    for (int i = 0; i < 7; i++) {
        char name[40];

        snprintf(name, sizeof(name), "seek/%d.png", i);
        draw(name, i, false, 128);
    }
    source = reading_open(clip_path("seek"), &reading_sought);
    assert_int_equal(source_seek_number(source, 5, &error), VBP_OK);
    expect(source, 5, 5, 250);
    assert_int_equal(source_seek_time(source, 0.1, &error), VBP_OK);
    expect(source, 2, 2, 100);
    assert_int_equal(source_seek_time(source, 0.149, &error), VBP_OK);
    expect(source, 2, 2, 100);
    assert_int_equal(source_seek_time(source, -3, &error), VBP_OK);
    expect(source, 0, 0, 0);
    assert_int_equal(source_seek_time(source, 1e300, &error), VBP_OK);
    expect(source, 6, 6, 300);
    reading_assert_end(source);
    assert_int_equal(source_seek_number(source, 7, &error), VBP_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "it has 7 frames"));
    source_interrupt(source);
    assert_int_equal(source_seek_number(source, 1, &error), VBP_OK);
    {
        struct frame frame;

        assert_int_equal(source_read(source, &frame, &error), VBP_ERROR_CANCELLED);
    }
    source_close(&source);
}

/* Other sizes and layouts come in the form of the first; what is no picture is counted and left
 * out, and the rest keep their numbers and times. */
static void unlike_and_damaged_pictures(void **state)
{
    struct source *source;
    struct frame frame;
    VbpError error;

    (void)state;
    put("unlike/0.png", "nothing");
    draw("unlike/1.png", 1, false, 128);
    draw("unlike/2.png", 2, true, 256);
    put("unlike/3.jpg", "nothing");
    draw("unlike/4.png", 4, false, 64);
    source = reading_open(clip_path("unlike"), &reading_sought);
    assert_int_equal(source_info(source)->frame_count, 5);
    for (int i = 0; i < 3; i++) {
        static const int numbers[] = {1, 2, 4};

        reading_next(source, &frame);
        assert_int_equal(frame.number, numbers[i]);
        assert_int_equal(frame.pts, 50 * numbers[i]);
        assert_int_equal(clip_number(frame.picture), numbers[i]);
        assert_int_equal(frame.picture->width, 128);
        assert_int_equal(frame.picture->format, AV_PIX_FMT_RGB24);
        frame_release(&frame);
    }
    reading_assert_end(source);
    assert_int_equal(source_damage(source).packets, 2);
    source_close(&source);

    put("none/0.png", "nothing");
    assert_int_equal(source_open(&source, clip_path("none"), &reading_sought, &error),
                     VBP_ERROR_FORMAT);
    assert_non_null(strstr(error.message, "0.png"));
}

static void logs(void **state)
{
    struct source *source;
    struct frame frame;

    (void)state;
    draw("log/IMG/center_2016_12_01_13_36_00_900.png", 1, false, 128);
    draw("log/IMG/center_2016_12_01_13_36_01_000.png", 2, false, 128);
    draw("log/IMG/center_2016_12_01_13_36_01_150.png", 3, false, 128);
    /* A pause ends a drive; the next begins a frame after it. */
    draw("log/IMG/center_2016_12_01_13_40_00_000.png", 4, false, 128);
    put("log/driving_log.csv",
        "C:\\d\\IMG\\center_2016_12_01_13_36_00_900.png, l, r, 0.25, 1, 0, 30\n"
        "C:\\d\\IMG\\center_2016_12_01_13_36_01_000.png, l, r, -0.5, 1, 0, 30\n"
        "C:\\d\\IMG\\missing.png, l, r, -0.5, 1, 0, 30\n"
        "C:\\d\\IMG\\center_2016_12_01_13_36_01_150.png, l, r, 0, 1, 0, 30\n"
        "C:\\d\\IMG\\center_2016_12_01_13_40_00_000.png, l, r, 1, 1, 0, 30\n");
    for (int by_folder = 0; by_folder < 2; by_folder++) {
        source =
            reading_open(clip_path(by_folder ? "log" : "log/driving_log.csv"), &reading_sought);
        assert_int_equal(source_info(source)->frame_count, 4);
        for (int i = 0; i < 4; i++) {
            static const int64_t times[] = {0, 100, 250, 300};
            static const double steering[] = {0.25, -0.5, 0, 1};

            reading_next(source, &frame);
            assert_int_equal(clip_number(frame.picture), i + 1);
            assert_int_equal(frame.pts, times[i]);
            assert_true(frame.has_recorded && frame.recorded == steering[i]);
            frame_release(&frame);
        }
        reading_assert_end(source);
        source_close(&source);
    }
    source = reading_open(clip_path("log/IMG"), &reading_sought);
    reading_next(source, &frame);
    assert_false(frame.has_recorded);
    frame_release(&frame);
    source_close(&source);
}

static void tubs(void **state)
{
    struct source *source;
    struct frame frame;

    (void)state;
    draw("tub1/10_cam.png", 10, false, 128);
    draw("tub1/9_cam.png", 9, false, 128);
    put("tub1/record_10.json",
        "{\"cam/image_array\": \"10_cam.png\", \"user/angle\": 0.5, \"milliseconds\": 70}");
    put("tub1/record_9.json",
        "{\"cam/image_array\": \"9_cam.png\", \"user/angle\": -0.5, \"milliseconds\": 20}");
    source = reading_open(clip_path("tub1"), &reading_sought);
    expect(source, 9, 0, 0);
    reading_next(source, &frame);
    assert_int_equal(frame.pts, 50);
    assert_true(frame.has_recorded && frame.recorded == 0.5);
    frame_release(&frame);
    source_close(&source);

    for (int i = 0; i < 3; i++) {
        char name[40];

        snprintf(name, sizeof(name), "tub2/images/%d.png", i);
        draw(name, i, false, 128);
    }
    put("tub2/manifest.json", "[]\n{}\n{\"paths\": [\"c.catalog\"], \"deleted_indexes\": [1]}\n");
    put("tub2/c.catalog",
        "{\"_index\": 0, \"_timestamp_ms\": 1000, \"cam/image_array\": \"0.png\", "
        "\"user/angle\": 0}\n"
        "{\"_index\": 1, \"_timestamp_ms\": 1050, \"cam/image_array\": \"1.png\", "
        "\"user/angle\": 0}\n"
        "{\"_index\": 2, \"_timestamp_ms\": 1100, \"cam/image_array\": \"2.png\", "
        "\"user/angle\": 0}\n");
    source = reading_open(clip_path("tub2"), &reading_sought);
    expect(source, 0, 0, 0);
    expect(source, 2, 1, 100);
    reading_assert_end(source);
    source_close(&source);
}

static void refusals(void **state)
{
    (void)state;
    put("empty.csv", "");
    reading_expect_refusal(clip_path("empty.csv"), VBP_ERROR_FORMAT, "empty.csv:1: no records");
    draw("void/below/x.png", 1, false, 128);
    reading_expect_refusal(clip_path("void"), VBP_ERROR_FORMAT, "no pictures");
}

static void real_recordings(void **state)
{
    static const struct {
        const char *name;
        int64_t frames;
    } recordings[] = {{"udacity-lake", 300}, {"donkey-tub-v1", 400}, {"donkey-tub-v2", 2391}};

    (void)state;
    if (!file_exists(DATA "udacity-lake/driving_log.csv")) {
        print_message("no test data beside the tree\n");
        skip();
    }
    for (int i = 0; i < 3; i++) {
        char path[200];
        struct source *source;
        struct frame frame;
        int64_t count = 0, last = -1;
        VbpError error;

        snprintf(path, sizeof(path), DATA "%s", recordings[i].name);
        source = reading_open(path, &reading_sought);
        while (source_read(source, &frame, &error) == SOURCE_FRAME) {
            assert_int_equal(frame.number, count++);
            assert_true(frame.has_recorded && fabs(frame.recorded) <= 1);
            assert_true(frame.pts > last);
            last = frame.pts;
            frame_release(&frame);
        }
        assert_int_equal(count, recordings[i].frames);
        assert_int_equal(source_damage(source).packets, 0);
        source_close(&source);
    }
}

static int remove_folder(void **state)
{
    (void)state;
    clip_folder_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_in_natural_order),
        cmocka_unit_test(patterns),
        cmocka_unit_test(seeks),
        cmocka_unit_test(unlike_and_damaged_pictures),
        cmocka_unit_test(logs),
        cmocka_unit_test(tubs),
        cmocka_unit_test(refusals),
        cmocka_unit_test(real_recordings),
    };

    media_quiet_ffmpeg();
    return cmocka_run_group_tests(tests, NULL, remove_folder);
}
