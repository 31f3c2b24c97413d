/* The threads between source and consumer: order, seeks, ends, and stopping at any moment. */
#include "pipeline/pipeline.h"

#include "support/clip.h"
#include "support/lane_files.h"
#include "support/scratch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRAMES 60

struct drive {
    struct source *source;
    struct pipeline *pipeline;
};

/* A clip whose frames carry their number, 25 a second. */
static const char *numbered_clip(void)
{
    static char path[256];

    if (!path[0]) {
        snprintf(path, sizeof(path), "%s", scratch_path("numbered.mp4"));
        clip_make(&(struct clip_options){.path = path, .frames = FRAMES, .b_frames = 2});
    }
    return path;
}

static struct drive start(const struct pipeline_options *options)
{
    struct source_options source_options = {.random_access = true};
    struct drive drive;
    VbpError error;

    if (source_open(&drive.source, numbered_clip(), &source_options, &error) != VBP_OK ||
        pipeline_start(&drive.pipeline, drive.source, options, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return drive;
}

static void stop(struct drive *drive)
{
    pipeline_stop(&drive->pipeline);
    assert_null(drive->pipeline);
    source_close(&drive->source);
}

/* Takes the next frame, which must be that one. */
static void expect_frame(struct drive *drive, int number)
{
    struct analysed_frame frame;
    VbpError error;
    enum pipeline_result result = pipeline_next(drive->pipeline, &frame, &error);

    if (result == PIPELINE_FAILED)
        fail_msg("%s", error.message);
    assert_int_equal(result, PIPELINE_FRAME);
    assert_int_equal(frame.frame.number, number);
    assert_int_equal(clip_number(frame.frame.picture), number);
    pipeline_release(drive->pipeline, &frame);
}

static void expect_end(struct drive *drive)
{
    struct analysed_frame frame;
    VbpError error;

    assert_int_equal(pipeline_next(drive->pipeline, &frame, &error), PIPELINE_END);
}

static void test_every_frame_once(void **state)
{
    struct drive drive = start(&(struct pipeline_options){0});

    (void)state;
    for (int i = 0; i < FRAMES; i++)
        expect_frame(&drive, i);
    expect_end(&drive);
    stop(&drive);
}

static void test_end_time(void **state)
{
    struct drive drive = start(&(struct pipeline_options){.end = 1});

    (void)state;
    for (int i = 0; i < 25; i++)
        expect_frame(&drive, i);
    expect_end(&drive);
    stop(&drive);
}

static void test_seek_after_the_end(void **state)
{
    struct drive drive = start(&(struct pipeline_options){0});

    (void)state;
    pipeline_seek_number(drive.pipeline, FRAMES - 2);
    expect_frame(&drive, FRAMES - 2);
    expect_frame(&drive, FRAMES - 1);
    expect_end(&drive);
    pipeline_seek_time(drive.pipeline, 0.5);
    expect_frame(&drive, 12);
    expect_frame(&drive, 13);
    stop(&drive);
}

static void test_last_of_many_seeks_counts(void **state)
{
    struct drive drive = start(&(struct pipeline_options){0});

    (void)state;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 10; i++)
            pipeline_seek_number(drive.pipeline, (round * 7 + i * 13) % FRAMES);
        expect_frame(&drive, (round * 7 + 9 * 13) % FRAMES);
    }
    stop(&drive);
}

static void test_random_seeks(void **state)
{
    struct drive drive = start(&(struct pipeline_options){0});
    unsigned seed = 20261123;

    (void)state;
    for (int i = 0; i < 300; i++) {
        int target = rand_r(&seed) % FRAMES, run = rand_r(&seed) % 4;

        if (rand_r(&seed) % 2)
            pipeline_seek_number(drive.pipeline, target);
        else
            pipeline_seek_time(drive.pipeline, target / 25.0 + 0.01);
        for (int j = 0; j < run && target + j < FRAMES; j++)
            expect_frame(&drive, target + j);
    }
    stop(&drive);
}

static void test_seek_past_the_end_fails_and_goes_on(void **state)
{
    struct drive drive = start(&(struct pipeline_options){0});
    struct analysed_frame frame;
    VbpError error = {0};

    (void)state;
    pipeline_seek_number(drive.pipeline, FRAMES);
    assert_int_equal(pipeline_next(drive.pipeline, &frame, &error), PIPELINE_FAILED);
    assert_non_null(strstr(error.message, "60"));
    pipeline_seek_number(drive.pipeline, 3);
    expect_frame(&drive, 3);
    stop(&drive);
}

/* At whatever moment: full queues, empty queues, a seek on its way. */
static void test_stopping_at_any_moment(void **state)
{
    (void)state;
    for (int taken = 0; taken < 12; taken++) {
        struct drive drive = start(&(struct pipeline_options){0});

        for (int i = 0; i < taken; i++)
            expect_frame(&drive, i);
        if (taken % 3 == 2)
            pipeline_seek_time(drive.pipeline, 1);
        stop(&drive);
    }
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int wakes;
};

static void wake(void *context)
{
    struct waiter *waiter = context;

    pthread_mutex_lock(&waiter->lock);
    waiter->wakes++;
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->lock);
}

/* A consumer that only looks when it is woken sees everything. */
static void test_wake_is_enough(void **state)
{
    struct waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct drive drive = start(&(struct pipeline_options){.wake = wake, .wake_context = &waiter});
    int count = 0;
    bool ended = false;

    (void)state;
    while (!ended) {
        enum pipeline_result result;
        struct analysed_frame frame;
        VbpError error;

        pthread_mutex_lock(&waiter.lock);
        while (waiter.wakes == 0)
            pthread_cond_wait(&waiter.changed, &waiter.lock);
        waiter.wakes = 0;
        pthread_mutex_unlock(&waiter.lock);
        while ((result = pipeline_try_next(drive.pipeline, &frame, &error)) == PIPELINE_FRAME) {
            assert_int_equal(frame.frame.number, count++);
            pipeline_release(drive.pipeline, &frame);
        }
        ended = result == PIPELINE_END;
        assert_true(ended || result == PIPELINE_NOTHING);
    }
    assert_int_equal(count, FRAMES);
    stop(&drive);
}

/* The network's results go with the frame they were made from. */
static void test_analyses_belong_to_their_frames(void **state)
{
    const struct lane_files *files = *state;
    struct source_options source_options = {.random_access = true};
    double steering[LANE_CLIP_FRAMES];
    struct source *source;
    struct pipeline *pipeline;
    struct analysed_frame frame, held = {0};
    VbpModel *model;
    VbpRunner *runner;
    VbpError error;

    assert_int_equal(vbp_model_open(&model, files->model, NULL, &error), VBP_OK);
    assert_int_equal(vbp_runner_create(&runner, model, NULL, &error), VBP_OK);
    assert_int_equal(source_open(&source, files->clip, &source_options, &error), VBP_OK);
    for (int i = 0; i < LANE_CLIP_FRAMES; i++) {
        VbpImage image;

        assert_int_equal(source_read(source, &frame.frame, &error), SOURCE_FRAME);
        image = frame_image(&frame.frame);
        assert_int_equal(vbp_runner_run_image(runner, &image, &error), VBP_OK);
        steering[i] = vbp_runner_steering(runner);
        frame_release(&frame.frame);
    }
    assert_int_equal(source_seek_number(source, 0, &error), VBP_OK);
    assert_int_equal(
        pipeline_start(&pipeline, source, &(struct pipeline_options){.runner = runner}, &error),
        VBP_OK);
    for (int i = 0; i < 2 * LANE_CLIP_FRAMES; i++) {
        if (i == LANE_CLIP_FRAMES)
            pipeline_seek_number(pipeline, 0);
        assert_int_equal(pipeline_next(pipeline, &frame, &error), PIPELINE_FRAME);
        assert_non_null(frame.analysis);
        assert_true(frame.analysis->steering == steering[frame.frame.number]);
        assert_non_null(frame.analysis->mask);
        /* One that is kept must not change while others come and go. */
        if (frame.frame.number == 7 && !held.analysis)
            held = frame;
        else
            pipeline_release(pipeline, &frame);
    }
    assert_true(held.analysis->steering == steering[7]);
    pipeline_release(pipeline, &held);
    pipeline_stop(&pipeline);
    source_close(&source);
    vbp_runner_destroy(&runner);
    vbp_model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_frame_once),
        cmocka_unit_test(test_end_time),
        cmocka_unit_test(test_seek_after_the_end),
        cmocka_unit_test(test_last_of_many_seeks_counts),
        cmocka_unit_test(test_random_seeks),
        cmocka_unit_test(test_seek_past_the_end_fails_and_goes_on),
        cmocka_unit_test(test_stopping_at_any_moment),
        cmocka_unit_test(test_wake_is_enough),
        cmocka_unit_test(test_analyses_belong_to_their_frames),
    };

    return cmocka_run_group_tests(tests, lane_files_setup, lane_files_teardown);
}
