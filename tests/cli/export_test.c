/* `vbp export` from outside: nothing lost, nothing shifted, and drawn where it must be. */
#include "base/file.h"
#include "media/source.h"
#include "support/data.h"
#include "support/lane_files.h"
#include "support/process.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_done(struct process_result result)
{
    if (result.status != 0)
        fail_msg("exit %d: %s", result.status, result.errors);
    process_free(&result);
}

/* What ffprobe says of one kind of entries of the streams that `select` names, to be freed. */
static char *probe(const char *path, const char *select, const char *entries)
{
    struct process_result result = process_run(
        (const char *const[]){"ffprobe", "-v", "error", "-select_streams", select, "-show_entries",
                              entries, "-of", "default=noprint_wrappers=1:nokey=1", path, NULL},
        60);
    char *output;

    if (result.status != 0)
        fail_msg("ffprobe %s: %s", path, result.errors);
    output = strdup(result.output);
    assert_non_null(output);
    process_free(&result);
    return output;
}

static int count_lines(const char *text)
{
    int lines = 0;

    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void expect_same(const char *a, const char *b, const char *select, const char *entries)
{
    char *of_a = probe(a, select, entries), *of_b = probe(b, select, entries);

    if (strcmp(of_a, of_b) != 0)
        fail_msg("%s of %s and %s differ:\n%.400s\nand\n%.400s", entries, a, b, of_a, of_b);
    assert_true(count_lines(of_a) > 0);
    free(of_a);
    free(of_b);
}

/* Frames, their times and the audio are those of the source. */
static void expect_whole(const char *source, const char *clip, int frames)
{
    char *times = probe(clip, "v:0", "frame=pts_time");
    char *codec = probe(clip, "v:0", "stream=codec_name,width,height");

    assert_int_equal(count_lines(times), frames);
    free(times);
    assert_non_null(strstr(codec, "h264"));
    free(codec);
    expect_same(source, clip, "v:0", "frame=pts_time");
    expect_same(source, clip, "v:0",
                "stream=width,height,sample_aspect_ratio,color_range,color_space");
}

static void test_own_clip(void **state)
{
    const struct lane_files *files = *state;
    const char *out = scratch_path("annotated.mp4");

    expect_done(VBP_RUN("export", files->clip, "-m", files->model, "-o", out));
    expect_whole(files->clip, out, LANE_CLIP_FRAMES);
    assert_false(file_exists(scratch_path(".annotated.mp4.partial")));
}

/* A recording, a folder and a pattern: as many frames as pictures, at the recorder's times. */
static void test_recordings(void **state)
{
    static const struct {
        const char *source, *model, *end;
        int frames;
    } cases[] = {
        {"udacity-lake", "comma-same-maxpool/model.h5", "1000", 300},
        {"udacity-lake/driving_log.csv", "pilotnet-elu-yuv/model.h5", "1000", 300},
        {"udacity-lake/IMG", "prelu-bn/model.h5", "2", 40},
        {"donkey-tub-v1", "donkey-linear/model.h5", "1000", 400},
        {"donkey-tub-v1/%d_cam-image_array_.jpg", "donkey-linear/model.h5", "5", 100},
        {"donkey-tub-v2", "donkey-categorical/model.h5", "10", 166},
    };
    const char *out = scratch_path("recording.mp4");

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char source[300], model[300], name[200], *times, *format;

        data_path("sequences/udacity-lake/driving_log.csv"); /* skips where there are none */
        snprintf(name, sizeof(name), "zoo/%s", cases[i].model);
        snprintf(model, sizeof(model), "%s", data_path(name));
        snprintf(name, sizeof(name), "%s", data_path("sequences"));
        snprintf(source, sizeof(source), "%s/%s", name, cases[i].source);
        expect_done(
            VBP_RUN("export", source, "-m", model, "-o", out, "-y", "-q", "--end", cases[i].end));
        times = probe(out, "v:0", "frame=pts_time");
        assert_int_equal(count_lines(times), cases[i].frames);
        /* What every player shows, though the pictures themselves are red, green and blue. */
        format = probe(out, "v:0", "stream=pix_fmt");
        assert_string_equal(format, "yuv420p\n");
        free(format);
        free(times);
    }
}

static AVFrame *read_picture(const char *path, int number)
{
    struct source_options options = {.random_access = true};
    struct source *source;
    struct frame frame;
    VbpError error;

    if (source_open(&source, path, &options, &error) != VBP_OK ||
        source_seek_number(source, number, &error) != VBP_OK ||
        source_read(source, &frame, &error) != SOURCE_FRAME)
        fail_msg("%s: %s", path, error.message);
    assert_int_equal(frame.number, number);
    source_close(&source);
    return frame.picture;
}

/* Mean absolute luma difference of two pictures over a rectangle. */
static double luma_difference(const AVFrame *a, const AVFrame *b, int x0, int y0, int x1, int y1)
{
    double sum = 0;

    for (int y = y0; y < y1; y++) {
        for (int x = x0; x < x1; x++)
            sum += abs(a->data[0][y * a->linesize[0] + x] - b->data[0][y * b->linesize[0] + x]);
    }
    return sum / ((x1 - x0) * (y1 - y0));
}

static void test_clean_draws_the_mask_only(void **state)
{
    const struct lane_files *files = *state;
    const char *out = scratch_path("full.mp4"), *clean = scratch_path("clean.mp4");
    AVFrame *source, *full, *plain;

    expect_done(VBP_RUN("export", files->clip, "-m", files->model, "-o", out, "--crf", "1"));
    expect_done(
        VBP_RUN("export", files->clip, "-m", files->model, "-o", clean, "--clean", "--crf", "1"));
    source = read_picture(files->clip, 30);
    full = read_picture(out, 30);
    plain = read_picture(clean, 30);
    /* The sky is above the crop: only the gauges draw there. */
    assert_true(luma_difference(source, plain, 0, 0, LANE_CLIP_WIDTH, 70) < 1);
    assert_true(luma_difference(source, full, 0, 0, LANE_CLIP_WIDTH, 70) > 5);
    assert_true(luma_difference(source, plain, 0, 90, LANE_CLIP_WIDTH, LANE_CLIP_HEIGHT) > 0.5);
    av_frame_free(&source);
    av_frame_free(&full);
    av_frame_free(&plain);
}

static void test_part_of_a_clip(void **state)
{
    const struct lane_files *files = *state;
    const char *out = scratch_path("part.mp4");
    AVFrame *first, *source;
    char *times;

    expect_done(VBP_RUN("export", files->clip, "-m", files->model, "-o", out, "--start", "0.5",
                        "--end", "1", "--clean", "--crf", "1"));
    times = probe(out, "v:0", "frame=pts_time");
    assert_int_equal(count_lines(times), 15);
    assert_int_equal(strncmp(times, "0.000000", 8), 0);
    free(times);
    source = read_picture(files->clip, 15);
    first = read_picture(out, 0);
    assert_true(luma_difference(source, first, 0, 0, LANE_CLIP_WIDTH, 70) < 1);
    av_frame_free(&first);
    av_frame_free(&source);
}

static void test_other_containers(void **state)
{
    const struct lane_files *files = *state;
    static const char *const names[] = {"out.mkv", "out.mov"};

    for (int i = 0; i < 2; i++) {
        char *times;

        expect_done(
            VBP_RUN("export", files->clip, "-m", files->model, "-o", scratch_path(names[i])));
        times = probe(scratch_path(names[i]), "v:0", "frame=pts_time");
        assert_int_equal(count_lines(times), LANE_CLIP_FRAMES);
        free(times);
    }
}

/* A picture is a clip of one frame; gray and odd sizes must not matter. */
static void test_one_picture(void **state)
{
    const struct lane_files *files = *state;
    const char *out = scratch_path("picture.mp4");
    char *times;

    expect_done(VBP_RUN("export", files->picture, "-m", files->model, "-o", out));
    times = probe(out, "v:0", "frame=pts_time");
    assert_int_equal(count_lines(times), 1);
    free(times);
}

/* On a terminal there is a bar; into a pipe nothing but messages. */
static void test_progress(void **state)
{
    const struct lane_files *files = *state;
    const char *out = scratch_path("bar.mp4");
    struct process_result result = VBP_RUN("export", files->clip, "-m", files->model, "-o", out);
    char command[2048];

    assert_null(strchr(result.errors, '\r'));
    assert_null(strstr(result.errors, "exporting"));
    process_free(&result);
    snprintf(command, sizeof(command), "'%s' export '%s' -m '%s' -o '%s' -y", process_vbp(),
             files->clip, files->model, out);
    result = process_run((const char *const[]){"script", "-qec", command, "/dev/null", NULL}, 60);
    assert_int_equal(result.status, 0);
    assert_non_null(strstr(result.output, "exporting: [####"));
    assert_non_null(strstr(result.output, "45/45"));
    process_free(&result);
    result = VBP_RUN("export", files->clip, "-m", files->model, "-o", out, "-y", "-q");
    assert_int_equal(result.status, 0);
    assert_string_equal(result.errors, "");
    process_free(&result);
}

static void export_drive(const char *clip, const char *card, const char *name, int frames,
                         const char **out)
{
    *out = scratch_path(name);
    if (card)
        expect_done(VBP_RUN("export", clip, "-m", data_path("nethvf/nethvf.onnx"), "--card", card,
                            "-o", *out));
    else
        expect_done(VBP_RUN("export", clip, "-m", data_path("nethvf/nethvf.onnx"), "-o", *out));
    expect_whole(clip, *out, frames);
    expect_same(clip, *out, "a", "packet=pts_time,size");
    expect_same(clip, *out, "a", "stream=codec_name,sample_rate,channels");
}

static void test_highway(void **state)
{
    const char *out;

    (void)state;
    export_drive(data_path("videos/highway-h264-540p25.mp4"), data_path("videos/highway.card.json"),
                 "highway.mp4", 221, &out);
}

static void test_variable_frame_rate(void **state)
{
    const char *out;

    (void)state;
    export_drive(data_path("videos/motorway-vfr-360p.mp4"), NULL, "vfr.mp4", 486, &out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recordings),
        cmocka_unit_test(test_own_clip),
        cmocka_unit_test(test_clean_draws_the_mask_only),
        cmocka_unit_test(test_part_of_a_clip),
        cmocka_unit_test(test_other_containers),
        cmocka_unit_test(test_one_picture),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_highway),
        cmocka_unit_test(test_variable_frame_rate),
    };

    return cmocka_run_group_tests(tests, lane_files_setup, lane_files_teardown);
}
