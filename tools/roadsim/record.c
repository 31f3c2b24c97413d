#include "record.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "media/frame.h"
#include "media/image_writer.h"
#include "media/writer.h"
#include "render.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CAMERAS = 3, BATCH_A_THREAD = 4 };

static const char *const camera_names[CAMERAS] = {"center", "left", "right"};

/* One picture that is drawn before it is written. */
struct slot {
    uint8_t *rgb, *truth;
};

/* What the threads share. They take frames by number; each writes into its frame's slot. */
struct crew {
    const struct drive *drive;
    const struct record_options *options;
    int first, count;  /* the batch */
    atomic_int next;   /* of the batch */
    atomic_int failed; /* a thread met an error; the others stop */
    struct slot *slots;
};

struct worker {
    struct crew *crew;
    struct renderer *renderer;
    pthread_t thread;
    int result;
    VbpError error;
};

/* ---- Drawing -------------------------------------------------------------------------------- */

static int write_picture(const struct record_options *options, const char *camera, int number,
                         const uint8_t *rgb, VbpError *error)
{
    char *path = memory_format("%s/IMG/%s_%06d.%s", options->log, camera, number,
                               options->png ? "png" : "jpg");
    int result;

    if (!path)
        return error_out_of_memory(error);
    if (options->png)
        result = image_write_pixels(path, rgb, options->width, options->height, 3,
                                    (ptrdiff_t)3 * options->width, error);
    else
        result =
            image_write_jpeg(path, rgb, options->width, options->height, options->quantiser, error);
    free(path);
    return result;
}

static int write_truth(const struct record_options *options, const char *folder, const char *below,
                       int number, const uint8_t *truth, VbpError *error)
{
    char *path = memory_format("%s%s/%06d.png", folder, below, number);
    int result;

    if (!path)
        return error_out_of_memory(error);
    result =
        image_write_pixels(path, truth, options->width, options->height, 1, options->width, error);
    free(path);
    return result;
}

/* A path that is no video is a folder. */
static bool is_video(const char *path)
{
    size_t length = strlen(path);

    return length > 4 && strcmp(path + length - 4, ".mkv") == 0;
}

static int draw_frame(struct worker *worker, int in_batch)
{
    const struct crew *crew = worker->crew;
    const struct record_options *options = crew->options;
    const struct drive *drive = crew->drive;
    int number = crew->first + in_batch, result = VBP_OK;
    const struct slot *slot = &crew->slots[in_batch];

    for (int camera = options->log && options->side_cameras ? CAMERAS - 1 : 0;
         camera >= 0 && result == VBP_OK; camera--) {
        double side = camera == 0 ? 0 : drive->scene.side_cameras * (camera == 1 ? -1 : 1);

        /* The centre comes last and stays in the slot. */
        renderer_draw(worker->renderer, &drive->scene, &drive->states[number], side, number,
                      slot->rgb, camera == 0 ? slot->truth : NULL);
        if (options->log)
            result =
                write_picture(options, camera_names[camera], number, slot->rgb, &worker->error);
    }
    if (result == VBP_OK && options->log && options->truth_in_log)
        result = write_truth(options, options->log, "/truth", number, slot->truth, &worker->error);
    if (result == VBP_OK && options->truth && !is_video(options->truth))
        result = write_truth(options, options->truth, "", number, slot->truth, &worker->error);
    return result;
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct crew *crew = worker->crew;
    int in_batch;

    worker->result = VBP_OK;
    while (!atomic_load(&crew->failed) && worker->result == VBP_OK &&
           (in_batch = atomic_fetch_add(&crew->next, 1)) < crew->count)
        worker->result = draw_frame(worker, in_batch);
    if (worker->result != VBP_OK)
        atomic_store(&crew->failed, 1);
    return NULL;
}

static int draw_batch(struct crew *crew, struct worker *workers, VbpError *error)
{
    int threads = crew->options->threads, started = 0, result = VBP_OK;

    atomic_store(&crew->next, 0);
    for (; started + 1 < threads; started++)
        if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0)
            break;
    /* This thread works too, and alone where no other could be started. */
    work(&workers[threads - 1]);
    for (int i = 0; i < threads; i++) {
        if (i < started)
            pthread_join(workers[i].thread, NULL);
        if ((i < started || i == threads - 1) && workers[i].result != VBP_OK && result == VBP_OK) {
            result = workers[i].result;
            if (error)
                *error = workers[i].error;
        }
    }
    return result;
}

/* ---- Videos --------------------------------------------------------------------------------- */

static int open_video(struct writer **writer, const char *path, const struct drive *drive,
                      const struct record_options *options, bool truth, VbpError *error)
{
    /* Frame rates with up to three decimals. */
    struct writer_options video = {.codec = truth ? "ffv1" : NULL,
                                   .preset = truth ? NULL : "slow",
                                   .crf = truth ? -1 : options->crf,
                                   .threads = 1,
                                   .width = options->width,
                                   .height = options->height,
                                   .format = truth ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24,
                                   .time_base = {1000, (int)(drive->fps * 1000 + 0.5)},
                                   .frame_rate = {(int)(drive->fps * 1000 + 0.5), 1000},
                                   .sample_aspect_ratio = {1, 1},
                                   .color_space = AVCOL_SPC_UNSPECIFIED,
                                   .color_range = AVCOL_RANGE_JPEG,
                                   .color_primaries = AVCOL_PRI_UNSPECIFIED,
                                   .color_transfer = AVCOL_TRC_UNSPECIFIED};

    return writer_open(writer, path, &video, error);
}

static int write_frame(struct writer *writer, struct frame_pool **pool, enum AVPixelFormat format,
                       const uint8_t *pixels, const struct record_options *options, int number,
                       VbpError *error)
{
    size_t row = (size_t)options->width * (format == AV_PIX_FMT_RGB24 ? 3 : 1);
    AVFrame *picture = frame_pool_take(pool, format, options->width, options->height, error);
    int result;

    if (!picture)
        return VBP_ERROR_MEMORY;
    picture->color_range = AVCOL_RANGE_JPEG;
    for (int y = 0; y < options->height; y++)
        memcpy(picture->data[0] + (ptrdiff_t)picture->linesize[0] * y, pixels + row * (size_t)y,
               row);
    picture->pts = number;
    result = writer_write(writer, picture, error);
    av_frame_free(&picture);
    return result;
}

/* ---- Tables --------------------------------------------------------------------------------- */

static int write_labels(const char *path, const struct drive *drive, VbpError *error)
{
    struct file_writer writer;
    int result = file_writer_begin(&writer, path, error);

    if (result != VBP_OK)
        return result;
    fputs("frame,time,inverse_radius,wheel_degrees,weather,road,offset_m,heading_rad,speed\n",
          writer.stream);
    for (int i = 0; i < drive->frames; i++) {
        const struct driver_state *state = &drive->states[i];

        fprintf(writer.stream, "%d,%.6f,%.8f,%.5f,%s,%s,%.4f,%.6f,%.3f\n", i, i / drive->fps,
                state->inverse_radius, state->wheel_degrees,
                weather_names[drive->scene.weather.kind], road_names[drive->scene.road.kind],
                state->offset, state->deviation, state->speed);
    }
    return file_writer_commit(&writer, error);
}

static int write_log(const struct drive *drive, const struct record_options *options,
                     VbpError *error)
{
    char *path = memory_format("%s/driving_log.csv", options->log);
    const char *ending = options->png ? "png" : "jpg";
    struct file_writer writer;
    int result;

    if (!path)
        return error_out_of_memory(error);
    result = file_writer_begin(&writer, path, error);
    free(path);
    if (result != VBP_OK)
        return result;
    fputs("center,left,right,steering,throttle,brake,speed\n", writer.stream);
    for (int i = 0; i < drive->frames; i++) {
        const struct driver_state *state = &drive->states[i];
        double steering = state->wheel_degrees / DRIVER_FULL_LOCK;

        fprintf(writer.stream, "IMG/center_%06d.%s,", i, ending);
        if (options->side_cameras)
            fprintf(writer.stream, "IMG/left_%06d.%s,IMG/right_%06d.%s,", i, ending, i, ending);
        else
            fputs(",,", writer.stream);
        fprintf(writer.stream, "%.7f,%.4f,%.4f,%.3f\n",
                steering < -1  ? -1
                : steering > 1 ? 1
                               : steering,
                state->acceleration > 0 ? state->acceleration / 3 : 0,
                state->acceleration < 0 ? -state->acceleration / 6 : 0, state->speed * 2.23694);
    }
    return file_writer_commit(&writer, error);
}

static int write_drive_json(const struct drive *drive, const struct record_options *options,
                            VbpError *error)
{
    const struct camera_mount *mount = &drive->scene.mount;
    char *path = memory_format("%s/drive.json", options->log);
    struct file_writer writer;
    int result;

    if (!path)
        return error_out_of_memory(error);
    result = file_writer_begin(&writer, path, error);
    free(path);
    if (result != VBP_OK)
        return result;
    fprintf(writer.stream,
            "{\"seed\": %llu, \"frames\": %d, \"fps\": %g, \"width\": %d, \"height\": %d,\n"
            " \"road\": \"%s\", \"weather\": \"%s\",\n"
            " \"wheelbase_m\": %g, \"steering_ratio\": %g, \"full_lock_degrees\": %g,\n"
            " \"camera\": {\"height_m\": %.4f, \"forward_m\": %.4f, \"pitch_rad\": %.6f, "
            "\"yaw_rad\": %.6f, \"roll_rad\": %.6f, \"view_rad\": %.6f, "
            "\"left_m\": %g, \"right_m\": %g},\n"
            " \"truth\": [\"rest\", \"lane marking\", \"road edge\", \"vehicle\"]}\n",
            (unsigned long long)drive->scene.seed, drive->frames, drive->fps, options->width,
            options->height, road_names[drive->scene.road.kind],
            weather_names[drive->scene.weather.kind], DRIVER_WHEELBASE, DRIVER_STEERING_RATIO,
            DRIVER_FULL_LOCK, mount->height, mount->forward, mount->pitch, mount->yaw, mount->roll,
            mount->view, -drive->scene.side_cameras, drive->scene.side_cameras);
    return file_writer_commit(&writer, error);
}

static int make_folder(const char *folder, const char *below, VbpError *error)
{
    char *path = memory_format("%s%s", folder, below);
    int result = path ? file_make_folder(path, error) : error_out_of_memory(error);

    free(path);
    return result;
}

/* The tables of a log come last: a folder with a log is whole. */
static int write_tables(const struct drive *drive, const struct record_options *options,
                        VbpError *error)
{
    int result = VBP_OK;

    if (options->labels)
        result = write_labels(options->labels, drive, error);
    if (result == VBP_OK && options->log) {
        char *path = memory_format("%s/labels.csv", options->log);

        result = path ? write_labels(path, drive, error) : error_out_of_memory(error);
        free(path);
        if (result == VBP_OK)
            result = write_drive_json(drive, options, error);
        if (result == VBP_OK)
            result = write_log(drive, options, error);
    }
    return result;
}

/* A folder with a log is whole, so the log of an earlier drive goes before its pictures do. */
static int remove_log(const char *folder, VbpError *error)
{
    char *path = memory_format("%s/driving_log.csv", folder);
    int result = VBP_OK;

    if (!path)
        return error_out_of_memory(error);
    if (unlink(path) != 0 && errno != ENOENT)
        result = error_set_errno(error, "cannot replace", path);
    free(path);
    return result;
}

static int make_folders(const struct record_options *options, VbpError *error)
{
    int result = VBP_OK;

    if (options->log)
        result = make_folder(options->log, "/IMG", error);
    if (result == VBP_OK && options->log)
        result = remove_log(options->log, error);
    if (result == VBP_OK && options->log && options->truth_in_log)
        result = make_folder(options->log, "/truth", error);
    if (result == VBP_OK && options->truth && !is_video(options->truth))
        result = make_folder(options->truth, "", error);
    return result;
}

/* ---- All of it ------------------------------------------------------------------------------ */

static int draw_all(const struct drive *drive, const struct record_options *options,
                    VbpError *error)
{
    int batch = options->threads * BATCH_A_THREAD, result;
    size_t pixels = (size_t)options->width * (size_t)options->height;
    struct crew crew = {.drive = drive, .options = options};
    struct worker *workers = memory_array((size_t)options->threads, sizeof(*workers));
    struct writer *video = NULL, *truth = NULL;
    struct frame_pool *pools[2] = {NULL, NULL};

    crew.slots = memory_array((size_t)batch, sizeof(*crew.slots));
    result = workers && crew.slots ? VBP_OK : error_out_of_memory(error);
    for (int i = 0; i < batch && result == VBP_OK; i++) {
        crew.slots[i].rgb = memory_array(pixels, 3);
        crew.slots[i].truth = memory_array(pixels, 1);
        if (!crew.slots[i].rgb || !crew.slots[i].truth)
            result = error_out_of_memory(error);
    }
    for (int i = 0; i < options->threads && result == VBP_OK; i++) {
        workers[i].crew = &crew;
        result = renderer_create(&workers[i].renderer, options->width, options->height,
                                 options->samples, error);
    }
    if (result == VBP_OK && options->video)
        result = open_video(&video, options->video, drive, options, false, error);
    if (result == VBP_OK && options->truth && is_video(options->truth))
        result = open_video(&truth, options->truth, drive, options, true, error);
    while (result == VBP_OK && crew.first < drive->frames) {
        crew.count = drive->frames - crew.first < batch ? drive->frames - crew.first : batch;
        result = draw_batch(&crew, workers, error);
        for (int i = 0; i < crew.count && result == VBP_OK; i++) {
            if (video)
                result = write_frame(video, &pools[0], AV_PIX_FMT_RGB24, crew.slots[i].rgb, options,
                                     crew.first + i, error);
            if (truth && result == VBP_OK)
                result = write_frame(truth, &pools[1], AV_PIX_FMT_GRAY8, crew.slots[i].truth,
                                     options, crew.first + i, error);
        }
        crew.first += crew.count;
    }
    if (video && result == VBP_OK)
        result = writer_finish(video, error);
    if (truth && result == VBP_OK)
        result = writer_finish(truth, error);
    writer_close(&video);
    writer_close(&truth);
    frame_pool_free(&pools[0]);
    frame_pool_free(&pools[1]);
    for (int i = 0; workers && i < options->threads; i++)
        renderer_destroy(&workers[i].renderer);
    for (int i = 0; crew.slots && i < batch; i++) {
        free(crew.slots[i].rgb);
        free(crew.slots[i].truth);
    }
    free(crew.slots);
    free(workers);
    return result;
}

int record_drive(const struct drive *drive, const struct record_options *options, VbpError *error)
{
    int result = make_folders(options, error);

    if (result == VBP_OK && (options->video || options->log || options->truth))
        result = draw_all(drive, options, error);
    if (result == VBP_OK)
        result = write_tables(drive, options, error);
    return result;
}
