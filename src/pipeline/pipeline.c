#include "pipeline/pipeline.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/queue.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* Frames between two stages: enough to ride out a slow key frame, few enough to seek at once. */
#define QUEUE_FRAMES 4

enum message_kind { MESSAGE_FRAME, MESSAGE_END, MESSAGE_ERROR };

struct message {
    enum message_kind kind;
    struct analysed_frame frame; /* frame.frame.serial is set for all kinds */
    VbpError error;
};

enum seek_kind { SEEK_NONE, SEEK_TIME, SEEK_NUMBER };

struct seek {
    enum seek_kind kind;
    double time;
    int64_t number;
};

struct pipeline {
    struct pipeline_options options; /* read-only while the threads run */
    struct source *source;           /* decode thread */
    struct analysis_pool *analyses;
    struct queue *decoded;  /* decode thread -> analysis thread */
    struct queue *analysed; /* analysis thread -> consumer */
    pthread_t decode_thread, analysis_thread;
    bool decode_started, analysis_started;

    atomic_int_fast64_t serial; /* of the newest seek; raised with the lock held */

    pthread_mutex_t lock;
    pthread_cond_t requested;    /* a seek or a stop */
    struct seek seek;            /* guarded by lock: the request not yet carried out */
    bool stopping;               /* guarded by lock */
    struct source_damage damage; /* guarded by lock: copy of the source's */
};

static double milliseconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* ---- Decode thread -------------------------------------------------------------------------- */

/*
 * Takes the pending seek, if there is one; with `wait`, waits for one. Returns false when the
 * pipeline stops. *serial is what frames read from now on carry.
 */
static bool take_seek(struct pipeline *pipeline, bool wait, struct seek *seek, int64_t *serial)
{
    bool going_on;

    pthread_mutex_lock(&pipeline->lock);
    while (wait && pipeline->seek.kind == SEEK_NONE && !pipeline->stopping)
        pthread_cond_wait(&pipeline->requested, &pipeline->lock);
    *seek = pipeline->seek;
    pipeline->seek.kind = SEEK_NONE;
    *serial = atomic_load(&pipeline->serial);
    going_on = !pipeline->stopping;
    pthread_mutex_unlock(&pipeline->lock);
    return going_on;
}

static int carry_out(struct pipeline *pipeline, const struct seek *seek, VbpError *error)
{
    switch (seek->kind) {
    case SEEK_TIME:
        return source_seek_time(pipeline->source, seek->time, error);
    case SEEK_NUMBER:
        return source_seek_number(pipeline->source, seek->number, error);
    case SEEK_NONE:
        break;
    }
    return VBP_OK;
}

/* Reads one frame, or finds out why there is none. */
static void read_message(struct pipeline *pipeline, const struct seek *seek,
                         struct message *message)
{
    double start = milliseconds_now();
    double end = pipeline->options.end;
    struct frame *frame = &message->frame.frame;
    int result = carry_out(pipeline, seek, &message->error);

    if (result == VBP_OK)
        result = source_read(pipeline->source, frame, &message->error);
    if (result == SOURCE_FRAME && end > 0 && frame->time >= end) {
        frame_release(frame);
        result = SOURCE_END;
    }
    message->kind = result < 0 ? MESSAGE_ERROR : result == SOURCE_END ? MESSAGE_END : MESSAGE_FRAME;
    message->frame.decoded_ms = milliseconds_now();
    message->frame.decode_ms = message->frame.decoded_ms - start;
    pthread_mutex_lock(&pipeline->lock);
    pipeline->damage = source_damage(pipeline->source);
    pthread_mutex_unlock(&pipeline->lock);
}

static void release_message(void *item)
{
    struct message *message = item;

    /* The first queue holds no analyses yet. */
    frame_release(&message->frame.frame);
}

static void *decode(void *context)
{
    struct pipeline *pipeline = context;
    bool at_end = false;
    struct seek seek;
    int64_t serial;

    while (take_seek(pipeline, at_end, &seek, &serial)) {
        struct message message = {0};

        read_message(pipeline, &seek, &message);
        message.frame.frame.serial = serial;
        at_end = message.kind != MESSAGE_FRAME;
        if (queue_push(pipeline->decoded, &message) != QUEUE_OK) {
            release_message(&message);
            break;
        }
    }
    return NULL;
}

/* ---- Analysis thread ------------------------------------------------------------------------ */

static bool is_stale(const struct pipeline *pipeline, const struct message *message)
{
    return message->frame.frame.serial != atomic_load(&pipeline->serial);
}

static void release_frame(struct pipeline *pipeline, struct analysed_frame *frame)
{
    analysis_give_back(pipeline->analyses, frame->analysis);
    frame_release(&frame->frame);
    *frame = (struct analysed_frame){0};
}

static int run_network(struct pipeline *pipeline, struct message *message)
{
    VbpImage image = frame_image(&message->frame.frame);
    int result = vbp_runner_run_image(pipeline->options.runner, &image, &message->error);

    if (result != VBP_OK)
        return error_prefix(&message->error,
                            "frame %lld: ", (long long)message->frame.frame.number);
    message->frame.analysis =
        analysis_take(pipeline->analyses, pipeline->options.runner, &message->error);
    return message->frame.analysis ? VBP_OK : VBP_ERROR_MEMORY;
}

static void *analyse(void *context)
{
    struct pipeline *pipeline = context;
    struct message message;

    while (queue_pop(pipeline->decoded, &message) == QUEUE_OK) {
        if (is_stale(pipeline, &message)) {
            release_frame(pipeline, &message.frame);
            continue;
        }
        if (message.kind == MESSAGE_FRAME && pipeline->options.runner &&
            run_network(pipeline, &message) != VBP_OK) {
            int64_t serial = message.frame.frame.serial;

            message.kind = MESSAGE_ERROR;
            release_frame(pipeline, &message.frame);
            message.frame.frame.serial = serial;
        }
        if (queue_push(pipeline->analysed, &message) != QUEUE_OK) {
            release_frame(pipeline, &message.frame);
            break;
        }
    }
    return NULL;
}

/* ---- Consumer ------------------------------------------------------------------------------- */

int pipeline_start(struct pipeline **pipeline, struct source *source,
                   const struct pipeline_options *options, VbpError *error)
{
    struct pipeline *p = memory_array(1, sizeof(*p));
    int result;

    *pipeline = NULL;
    if (!p)
        return error_out_of_memory(error);
    p->options = *options;
    p->source = source;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->requested, NULL);
    p->decoded = queue_create(QUEUE_FRAMES, sizeof(struct message));
    p->analysed = queue_create(QUEUE_FRAMES, sizeof(struct message));
    result = analysis_pool_create(&p->analyses, error);
    if (result != VBP_OK || !p->decoded || !p->analysed) {
        result = error_out_of_memory(error);
        goto fail;
    }
    queue_set_wake(p->analysed, options->wake, options->wake_context);
    p->analysis_started = pthread_create(&p->analysis_thread, NULL, analyse, p) == 0;
    p->decode_started =
        p->analysis_started && pthread_create(&p->decode_thread, NULL, decode, p) == 0;
    if (!p->decode_started) {
        result = error_set(error, VBP_ERROR_MEMORY, "cannot start a thread");
        goto fail;
    }
    *pipeline = p;
    return VBP_OK;
fail:
    pipeline_stop(&p);
    return result;
}

/* Empties the queue to the consumer; its messages hold analyses. */
static void drain_analysed(struct pipeline *pipeline)
{
    struct message message;

    while (queue_try_pop(pipeline->analysed, &message) == QUEUE_OK)
        release_frame(pipeline, &message.frame);
}

void pipeline_stop(struct pipeline **pipeline)
{
    struct pipeline *p = *pipeline;

    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_signal(&p->requested);
    pthread_mutex_unlock(&p->lock);
    if (p->decode_started)
        source_interrupt(p->source);
    if (p->decoded)
        queue_close(p->decoded);
    if (p->analysed)
        queue_close(p->analysed);
    if (p->decode_started)
        pthread_join(p->decode_thread, NULL);
    if (p->analysis_started)
        pthread_join(p->analysis_thread, NULL);
    if (p->analysed)
        drain_analysed(p);
    queue_destroy(&p->decoded, release_message);
    queue_destroy(&p->analysed, NULL);
    analysis_pool_destroy(&p->analyses);
    pthread_cond_destroy(&p->requested);
    pthread_mutex_destroy(&p->lock);
    free(p);
    *pipeline = NULL;
}

static enum pipeline_result next(struct pipeline *pipeline, bool wait, struct analysed_frame *frame,
                                 VbpError *error)
{
    struct message message;

    for (;;) {
        enum queue_result popped = wait ? queue_pop(pipeline->analysed, &message)
                                        : queue_try_pop(pipeline->analysed, &message);

        if (popped == QUEUE_EMPTY)
            return PIPELINE_NOTHING;
        if (popped == QUEUE_CLOSED)
            return PIPELINE_END;
        if (is_stale(pipeline, &message)) {
            release_frame(pipeline, &message.frame);
            continue;
        }
        if (message.kind == MESSAGE_END)
            return PIPELINE_END;
        if (message.kind == MESSAGE_ERROR) {
            if (error)
                *error = message.error;
            return PIPELINE_FAILED;
        }
        *frame = message.frame;
        return PIPELINE_FRAME;
    }
}

enum pipeline_result pipeline_next(struct pipeline *pipeline, struct analysed_frame *frame,
                                   VbpError *error)
{
    return next(pipeline, true, frame, error);
}

enum pipeline_result pipeline_try_next(struct pipeline *pipeline, struct analysed_frame *frame,
                                       VbpError *error)
{
    return next(pipeline, false, frame, error);
}

void pipeline_release(struct pipeline *pipeline, struct analysed_frame *frame)
{
    release_frame(pipeline, frame);
}

static void request_seek(struct pipeline *pipeline, struct seek seek)
{
    pthread_mutex_lock(&pipeline->lock);
    pipeline->seek = seek;
    atomic_fetch_add(&pipeline->serial, 1);
    pthread_cond_signal(&pipeline->requested);
    pthread_mutex_unlock(&pipeline->lock);
    /* Frames of older serials are dropped where they are met; emptying the queues here could take
     * the first frame of the new one with them. */
}

void pipeline_seek_time(struct pipeline *pipeline, double time)
{
    request_seek(pipeline, (struct seek){.kind = SEEK_TIME, .time = time});
}

void pipeline_seek_number(struct pipeline *pipeline, int64_t number)
{
    request_seek(pipeline, (struct seek){.kind = SEEK_NUMBER, .number = number});
}

struct source_damage pipeline_damage(struct pipeline *pipeline)
{
    struct source_damage damage;

    pthread_mutex_lock(&pipeline->lock);
    damage = pipeline->damage;
    pthread_mutex_unlock(&pipeline->lock);
    return damage;
}
