/*
 * The loop: everything happens in one thread, which sleeps in one place until something is due or
 * comes in. Frames come from the pipeline's threads, which do nothing here but push an event.
 *
 *     seek, if one is asked for -> take frames -> the player decides -> draw -> sleep, handle
 * events
 */
#include "window/window.h"

#include "base/error.h"
#include "window/window_state.h"

#include <SDL.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* How long the assumptions stand on the screen at first, seconds. */
#define ASSUMPTIONS_SHOWN 8

/* Longest sleep without a look at the clock, milliseconds; only bounds a conversion. */
#define LONGEST_SLEEP 3600000.0

int window_init(VbpError *error)
{
    return screen_init(error);
}

double window_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- Frames --------------------------------------------------------------------------------- */

/* Called by the pipeline's threads. */
static void wake(void *context)
{
    struct window *window = context;
    SDL_Event event = {.type = window->wake_event};

    if (atomic_exchange(&window->wake_pending, true))
        return;
    /* A full queue of events wakes the main thread as well. */
    if (SDL_PushEvent(&event) != 1)
        atomic_store(&window->wake_pending, false);
}

static struct player_frame describe(const struct analysed_frame *frame)
{
    return (struct player_frame){
        .number = frame->frame.number, .serial = frame->frame.serial, .time = frame->frame.time};
}

static void leave_out_next(struct window *window)
{
    pipeline_release(window->pipeline, &window->ahead[0]);
    window->ahead_count--;
    memmove(&window->ahead[0], &window->ahead[1],
            (size_t)window->ahead_count * sizeof(window->ahead[0]));
}

static void carry_out_seek(struct window *window)
{
    struct player_seek seek = player_take_seek(&window->player);

    if (seek.kind == PLAYER_SEEK_NONE)
        return;
    if (seek.kind == PLAYER_SEEK_TIME)
        pipeline_seek_time(window->pipeline, seek.time);
    else
        pipeline_seek_number(window->pipeline, seek.number);
    while (window->ahead_count > 0)
        leave_out_next(window);
    window->drained = false;
}

static void note_times(struct window *window, const struct analysed_frame *frame)
{
    struct statistics *statistics = window->statistics;

    statistics->frames_received++;
    statistics_add(statistics, STAGE_DECODE, frame->decode_ms);
    if (!frame->analysis)
        return;
    statistics_add(statistics, STAGE_PREPROCESS, frame->analysis->times.preprocess_ms);
    statistics_add(statistics, STAGE_FORWARD, frame->analysis->times.forward_ms);
    if (frame->analysis->mask)
        statistics_add(statistics, STAGE_MASK, frame->analysis->times.mask_ms);
}

static void take_frames(struct window *window)
{
    while (window->ahead_count < AHEAD_FRAMES && !window->drained) {
        struct analysed_frame *frame = &window->ahead[window->ahead_count];

        switch (pipeline_try_next(window->pipeline, frame, &window->failure)) {
        case PIPELINE_FRAME:
            window->ahead_count++;
            note_times(window, frame);
            break;
        case PIPELINE_NOTHING:
            return;
        case PIPELINE_FAILED:
            window->failed = true;
            window->drained = true;
            break;
        case PIPELINE_END:
            window->drained = true;
            break;
        }
    }
}

/* ---- Drawing -------------------------------------------------------------------------------- */

/* What the user should know, in one line under the steering: damage, assumptions, notice. */
static void write_note(const struct window *window, char *note, size_t size)
{
    struct source_damage damage = pipeline_damage(window->pipeline);
    int assumptions = window->options->assumption_count;
    const char *notice = window->options->notice;
    char damaged[96] = "", concealed[96] = "", assumed[96] = "";
    const char *parts[] = {notice ? notice : "", damaged, concealed, assumed};
    size_t length = 0;

    if (damage.packets > 0)
        snprintf(damaged, sizeof(damaged), "%" PRId64 " damaged packet%s skipped", damage.packets,
                 damage.packets == 1 ? "" : "s");
    if (damage.frames > 0)
        snprintf(concealed, sizeof(concealed), "%" PRId64 " damaged frame%s repaired",
                 damage.frames, damage.frames == 1 ? "" : "s");
    if (assumptions > 0)
        snprintf(assumed, sizeof(assumed), "%d assumption%s: key a", assumptions,
                 assumptions == 1 ? "" : "s");
    note[0] = '\0';
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i][0] == '\0')
            continue;
        snprintf(note + length, size - length, "%s%s", length > 0 ? " · " : "", parts[i]);
        length = strlen(note);
    }
}

static void update_hud(struct window *window)
{
    struct hud_values values = annotate_hud_values(window->options->model, &window->current);
    char note[512];

    write_note(window, note, sizeof(note));
    values.note = note;
    osd_set_hud(window->osd, &values);
}

/* A drive that stands still says at which frame. */
static void update_title(struct window *window)
{
    const struct player *player = &window->player;
    bool still = player->has_current && (player->paused || player->ended);
    char title[sizeof(window->title)];

    if (still)
        snprintf(title, sizeof(title), "%.200s — frame %" PRId64 " — vbp", window->clip,
                 player->current.number);
    else
        snprintf(title, sizeof(title), "%.200s — vbp", window->clip);
    if (strcmp(title, window->title) == 0)
        return;
    memcpy(window->title, title, sizeof(title));
    screen_set_title(window->screen, title);
}

static int draw_picture(struct window *window, VbpError *error)
{
    AVFrame *picture = NULL;
    int result =
        annotator_draw(window->annotator, &window->current, &window->annotate, &picture, error);

    if (result == VBP_OK)
        result = screen_upload(window->screen, picture, error);
    av_frame_free(&picture);
    if (result == VBP_OK)
        update_hud(window);
    window->picture_stale = false;
    window->screen_stale = true;
    return result;
}

/* Draws what has changed, if anything has; *deadline: when something changes by itself. */
static int draw(struct window *window, bool new_frame, double *deadline, VbpError *error)
{
    double start = window_now(), drawn, presented;
    bool changed = false;
    int result = VBP_OK;

    if (window->picture_stale && window->current.frame.picture)
        result = draw_picture(window, error);
    if (result == VBP_OK)
        result = osd_update(window->osd, start, deadline, &changed, error);
    if (result != VBP_OK || (!changed && !window->screen_stale))
        return result;
    result = screen_begin(window->screen, error);
    if (result != VBP_OK)
        return result;
    osd_draw(window->osd);
    drawn = window_now();
    screen_present(window->screen);
    presented = window_now();
    window->screen_stale = false;
    if (new_frame) {
        statistics_add(window->statistics, STAGE_DRAW, (drawn - start) * 1e3);
        statistics_add(window->statistics, STAGE_PRESENT, (presented - drawn) * 1e3);
        statistics_add(window->statistics, STAGE_LATENCY,
                       presented * 1e3 - window->current.decoded_ms);
    }
    return VBP_OK;
}

/* ---- The loop ------------------------------------------------------------------------------- */

static void show_next(struct window *window, const struct player_frame *next, double now)
{
    if (!window->player.has_current)
        osd_show_assumptions(window->osd, now + ASSUMPTIONS_SHOWN);
    pipeline_release(window->pipeline, &window->current);
    window->current = window->ahead[0];
    window->ahead[0] = (struct analysed_frame){0};
    leave_out_next(window);
    window->picture_stale = true;
    player_shown(&window->player, next, now);
    if (window->failed && !window->drained) {
        /* A seek led away from the place of the error. */
        window->failed = false;
        osd_set_status(window->osd, NULL);
    }
}

/* The last frame was shown, or there is none. Fails where nothing was ever shown. */
static int end_drive(struct window *window, double now, VbpError *error)
{
    player_end(&window->player);
    if (window->failed && !window->player.has_current)
        return error_set(error, window->failure.status, "%s", window->failure.message);
    if (!window->player.has_current)
        return error_set(error, VBP_ERROR_FORMAT, "%s: no frame could be read",
                         window->options->name);
    if (window->options->frame_limit > 0)
        window->quit = true;
    if (window->failed)
        osd_set_status(window->osd, window->failure.message);
    else if (window->info->kind == SOURCE_VIDEO)
        osd_message(window->osd, window->info->seekable ? "end: Space plays again" : "end", now);
    return VBP_OK;
}

/*
 * Lets the player decide about the frames that are there, until one is shown or none is due.
 * *deadline: when to come back.
 */
static int play(struct window *window, double now, bool *shown, double *deadline, VbpError *error)
{
    *shown = false;
    for (;;) {
        struct player_frame frames[AHEAD_FRAMES];

        take_frames(window);
        for (int i = 0; i < window->ahead_count; i++)
            frames[i] = describe(&window->ahead[i]);
        switch (player_decide(&window->player, window->ahead_count > 0 ? &frames[0] : NULL,
                              window->ahead_count > 1 ? &frames[1] : NULL, now, deadline)) {
        case PLAYER_DISCARD:
            leave_out_next(window);
            break;
        case PLAYER_DROP:
            leave_out_next(window);
            player_dropped(&window->player);
            break;
        case PLAYER_SHOW:
            show_next(window, &frames[0], now);
            *shown = true;
            *deadline = now;
            return VBP_OK;
        case PLAYER_WAIT:
            if (window->ahead_count > 0 || !window->drained || window->player.ended)
                return VBP_OK;
            *deadline = now;
            return end_drive(window, now, error);
        }
    }
}

/* Sleeps until the deadline (seconds; INFINITY: for ever) or an event, and handles all there are.
 */
static void wait_for_events(struct window *window, double deadline)
{
    double left = (deadline - window_now()) * 1e3;
    SDL_Event event;
    int came;

    if (deadline == INFINITY)
        came = SDL_WaitEvent(&event);
    else if (left <= 0)
        came = SDL_PollEvent(&event);
    else
        came = SDL_WaitEventTimeout(&event, (int)ceil(fmin(left, LONGEST_SLEEP)));
    for (; came && !window->quit; came = SDL_PollEvent(&event))
        window_handle_event(window, &event);
}

static int run_loop(struct window *window, VbpError *error)
{
    while (!window->quit) {
        double frame_due, change_due;
        bool shown;
        int result;

        carry_out_seek(window);
        result = play(window, window_now(), &shown, &frame_due, error);
        if (result == VBP_OK)
            result = draw(window, shown, &change_due, error);
        if (result != VBP_OK)
            return result;
        update_title(window);
        if (window->options->frame_limit > 0 &&
            window->player.shown >= window->options->frame_limit)
            return VBP_OK;
        if (!window->quit)
            wait_for_events(window, fmin(frame_due, change_due));
    }
    if (window->failed && window->player.ended)
        return error_set(error, window->failure.status, "%s", window->failure.message);
    return VBP_OK;
}

/* ---- Opening and closing -------------------------------------------------------------------- */

static const char *last_part(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash && slash[1] ? slash + 1 : name;
}

static int open_all(struct window *window, VbpError *error)
{
    const struct window_options *options = window->options;
    struct pipeline_options pipeline_options = {
        .runner = options->runner, .wake = wake, .wake_context = window};
    struct screen_options screen_options = {.title = window->title,
                                            .width = window->info->width,
                                            .height = window->info->height,
                                            .sample_aspect_ratio =
                                                window->info->sample_aspect_ratio,
                                            .fullscreen = options->fullscreen};
    int result;

    snprintf(window->title, sizeof(window->title), "%.200s — vbp", window->clip);
    window->wake_event = SDL_RegisterEvents(1);
    if (window->wake_event == (Uint32)-1)
        return error_set(error, VBP_ERROR_MEMORY, "no event is left to wake the window with");
    result = screen_open(&window->screen, &screen_options, error);
    if (result == VBP_OK)
        result = osd_create(&window->osd, window->screen, error);
    if (result == VBP_OK)
        result = osd_set_assumptions(window->osd, options->assumptions, options->assumption_count,
                                     error);
    if (result == VBP_OK)
        result = annotator_create(&window->annotator, options->model, AV_PIX_FMT_YUV420P, error);
    if (result == VBP_OK)
        result = pipeline_start(&window->pipeline, options->source, &pipeline_options, error);
    return result;
}

static void close_all(struct window *window)
{
    if (window->pipeline) {
        while (window->ahead_count > 0)
            leave_out_next(window);
        pipeline_release(window->pipeline, &window->current);
    }
    pipeline_stop(&window->pipeline);
    annotator_destroy(&window->annotator);
    osd_destroy(&window->osd);
    screen_close(&window->screen);
}

static void fill_statistics(struct window *window, double duration)
{
    struct statistics *statistics = window->statistics;

    statistics->frames_shown = window->player.shown;
    statistics->frames_dropped = window->player.dropped;
    statistics->seeks = window->player.seeks;
    statistics->duration_s = duration;
    if (window->pipeline)
        statistics->damaged_packets = pipeline_damage(window->pipeline).packets;
}

int window_run(const struct window_options *options, struct statistics *statistics, VbpError *error)
{
    struct window window = {.options = options,
                            .info = source_info(options->source),
                            .clip = last_part(options->name),
                            .statistics = statistics,
                            .annotate = annotate_default_options(),
                            .hud_shown = true,
                            .screen_stale = true};
    double start;
    int result;

    *statistics = (struct statistics){0};
    window.annotate.hud = false; /* drawn at the window's resolution instead */
    player_init(&window.player, window.info->seekable, !options->show_every_frame);
    result = open_all(&window, error);
    start = window_now();
    if (result == VBP_OK) {
        osd_show_hud(window.osd, true);
        if (options->start > 0)
            player_seek_to(&window.player, options->start);
        result = run_loop(&window, error);
    }
    fill_statistics(&window, window_now() - start);
    close_all(&window);
    return result;
}
