/*
 * The samples of an epoch stand in `order`; batch b is the b-th stretch of it and is made in slot
 * b % SLOTS. Workers take the next few positions of the order as long as their batch has a slot:
 *
 *     order      0 1 2 3 | 4 5 6 7 | 8 9 ...
 *     batch      0       | 1       | 2          given_up: batches the caller is done with;
 *     slot       0       | 1       | 2          batch b may be worked on if b < given_up + SLOTS
 *
 * The caller has one slot in its hands, the workers fill the others. What a sample becomes depends
 * on nothing but its place in the epoch, so it does not matter who makes it.
 */
#include "train/loader.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "train/picture_reader.h"

#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#define SLOTS 3

/* Samples that a worker takes at once. */
#define PORTION 8

/* What random numbers are for; keeps those of an epoch and those of a sample apart. */
#define STREAM_OF_EPOCH UINT64_MAX

struct slot {
    struct batch batch;
    int made;      /* of the batch's samples, well or not */
    int failed_at; /* the first that failed; INT_MAX: none */
    VbpError error;
};

struct worker {
    struct loader *loader;
    pthread_t thread;
    struct picture_reader *reader;
    unsigned char *pixels, *scratch; /* a picture each */
};

/* A stretch of one batch. */
struct portion {
    struct slot *slot;
    size_t first;  /* in the order */
    int at, count; /* in the batch */
};

struct loader {
    /* Fixed while there are workers. */
    const struct dataset *dataset;
    struct loader_options options;
    size_t *samples;
    size_t count;
    size_t picture_bytes, input_length;
    struct worker *workers;
    int worker_count; /* threads that run */

    /*
     * Pictures in bytes, for the first cached_count of the samples; NULL: not read yet. Only the
     * worker that has the sample in its portion touches its entry, and no sample is in two.
     */
    unsigned char **cache;
    size_t cached_count;

    /* Fixed during an epoch. */
    int epoch;
    int batch_size;
    size_t *order; /* places in samples */
    size_t order_count;
    struct slot slots[SLOTS];
    size_t slot_capacity; /* samples that a slot has room for */

    pthread_mutex_t lock; /* guards what follows, and all of a slot but what arrays hold */
    pthread_cond_t work;  /* signalled when there may be a portion to take, or quit */
    pthread_cond_t done;  /* signalled when a batch is complete or no worker is busy */
    bool quit;
    size_t taken;    /* positions of the order */
    size_t given_up; /* batches */
    size_t next;     /* the batch that loader_next gives */
    int busy;        /* workers with a portion */
};

/* ---- Samples -------------------------------------------------------------------------------- */

/* *pixels = the sample's picture in bytes: the worker's own copy. */
static int read_picture(struct worker *worker, size_t place, VbpError *error)
{
    struct loader *loader = worker->loader;
    const struct sample *sample = &loader->dataset->samples[loader->samples[place]];
    unsigned char **cached = place < loader->cached_count ? &loader->cache[place] : NULL;
    int result;

    if (cached && *cached) {
        memcpy(worker->pixels, *cached, loader->picture_bytes);
        return VBP_OK;
    }
    result = picture_read(worker->reader, sample->image, worker->pixels, error);
    if (result != VBP_OK || !cached)
        return result;
    *cached = malloc(loader->picture_bytes);
    if (!*cached)
        return error_out_of_memory(error);
    memcpy(*cached, worker->pixels, loader->picture_bytes);
    return VBP_OK;
}

static int make_sample(struct worker *worker, size_t place, float *input, float *target,
                       VbpError *error)
{
    const struct loader *loader = worker->loader;
    const struct loader_options *options = &loader->options;
    const struct preprocess_settings *settings = &options->settings;
    size_t index = loader->samples[place];
    struct random random = random_for(options->seed, (uint64_t)loader->epoch, index);
    struct augmentation_choice choice =
        augment_choose(&options->augmentation, settings->width, settings->height, &random);
    double steering = augment_steering(&options->augmentation, &choice, settings->width,
                                       loader->dataset->samples[index].steering);
    int result = read_picture(worker, place, error);

    if (result != VBP_OK)
        return result;
    augment_run(&choice, worker->pixels, settings->width, settings->height,
                picture_channels(settings), worker->scratch);
    *target = (float)(steering * options->label_scale);
    return picture_to_input(worker->reader, worker->pixels, input, error);
}

/* ---- Workers -------------------------------------------------------------------------------- */

/* The next portion that has a slot. False: none now. With the lock. */
static bool take_portion(struct loader *loader, struct portion *portion)
{
    size_t size = (size_t)loader->batch_size, batch, at, left;

    if (loader->taken >= loader->order_count)
        return false;
    batch = loader->taken / size;
    at = loader->taken % size;
    if (batch >= loader->given_up + SLOTS)
        return false;
    portion->slot = &loader->slots[batch % SLOTS];
    portion->first = loader->taken;
    portion->at = (int)at;
    left = size - at;
    if (left > loader->order_count - loader->taken)
        left = loader->order_count - loader->taken;
    portion->count = left < PORTION ? (int)left : PORTION;
    loader->taken += (size_t)portion->count;
    return true;
}

/* Makes a portion's samples; *failed_at is the place in the batch where it gave up, or INT_MAX. */
static void make_portion(struct worker *worker, const struct portion *portion, int *failed_at,
                         VbpError *error)
{
    const struct loader *loader = worker->loader;
    struct batch *batch = &portion->slot->batch;

    *failed_at = INT_MAX;
    for (int i = 0; i < portion->count && *failed_at == INT_MAX; i++) {
        size_t place = loader->order[portion->first + (size_t)i];
        size_t at = (size_t)portion->at + (size_t)i;

        batch->index[at] = loader->samples[place];
        if (make_sample(worker, place, batch->inputs + at * loader->input_length,
                        &batch->targets[at], error) != VBP_OK)
            *failed_at = portion->at + i;
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct loader *loader = worker->loader;

    pthread_mutex_lock(&loader->lock);
    for (;;) {
        struct portion portion;
        int failed_at;
        VbpError error;

        while (!loader->quit && !take_portion(loader, &portion))
            pthread_cond_wait(&loader->work, &loader->lock);
        if (loader->quit)
            break;
        loader->busy++;
        pthread_mutex_unlock(&loader->lock);
        make_portion(worker, &portion, &failed_at, &error);
        pthread_mutex_lock(&loader->lock);
        loader->busy--;
        portion.slot->made += portion.count;
        if (failed_at < portion.slot->failed_at) {
            portion.slot->failed_at = failed_at;
            portion.slot->error = error;
        }
        if (portion.slot->made == portion.slot->batch.count || loader->busy == 0)
            pthread_cond_signal(&loader->done);
    }
    pthread_mutex_unlock(&loader->lock);
    return NULL;
}

static int start_workers(struct loader *loader, VbpError *error)
{
    const struct loader_options *options = &loader->options;

    loader->workers = memory_array((size_t)options->threads, sizeof(*loader->workers));
    if (!loader->workers)
        return error_out_of_memory(error);
    for (int i = 0; i < options->threads; i++) {
        struct worker *worker = &loader->workers[i];
        int result = picture_reader_create(&worker->reader, &options->settings, error);

        if (result != VBP_OK)
            return result;
        worker->loader = loader;
        worker->pixels = memory_aligned_array(loader->picture_bytes, 1);
        worker->scratch = memory_aligned_array(loader->picture_bytes, 1);
        if (!worker->pixels || !worker->scratch)
            return error_out_of_memory(error);
    }
    for (int i = 0; i < options->threads; i++) {
        if (pthread_create(&loader->workers[i].thread, NULL, work, &loader->workers[i]) != 0)
            return error_set(error, VBP_ERROR_MEMORY, "cannot start a thread");
        loader->worker_count++;
    }
    return VBP_OK;
}

/* ---- Creating ------------------------------------------------------------------------------- */

static bool is_share(double value)
{
    return value >= 0 && value <= 1; /* false for NaN */
}

static int check_options(const struct dataset *dataset, const size_t *samples, size_t count,
                         const struct loader_options *options, VbpError *error)
{
    const struct augmentation *augmentation = &options->augmentation;

    if (options->threads < 1)
        return error_set(error, VBP_ERROR_ARGUMENT, "a loader with %d threads", options->threads);
    if (!is_share(augmentation->shift) || !is_share(augmentation->brightness) ||
        !is_share(augmentation->shadow) || !is_share(augmentation->blur) ||
        !isfinite(augmentation->shift_label))
        return error_set(error, VBP_ERROR_ARGUMENT,
                         "augmentation: shift, brightness, shadow and blur go from 0 to 1");
    if (!is_share(options->straight_share) || !(options->straight_limit >= 0))
        return error_set(error, VBP_ERROR_ARGUMENT,
                         "a share of %g of the samples below %g cannot be kept",
                         options->straight_share, options->straight_limit);
    if (!isfinite(options->label_scale))
        return error_set(error, VBP_ERROR_ARGUMENT, "a label scale of %g", options->label_scale);
    for (size_t i = 0; i < count; i++) {
        if (samples[i] >= dataset->count)
            return error_set(error, VBP_ERROR_ARGUMENT, "sample %zu of a data set of %zu",
                             samples[i], dataset->count);
    }
    return VBP_OK;
}

static int allocate(struct loader *loader, const size_t *samples, size_t count, VbpError *error)
{
    const struct preprocess_settings *settings = &loader->options.settings;
    size_t pixels = (size_t)settings->width * (size_t)settings->height;

    loader->picture_bytes = pixels * (size_t)picture_channels(settings);
    loader->input_length = pixels * (size_t)settings->channels;
    loader->count = count;
    loader->samples = memory_array(count, sizeof(*samples));
    loader->order = memory_array(count, sizeof(*loader->order));
    loader->cached_count = loader->options.cache_bytes / loader->picture_bytes;
    if (loader->cached_count > count)
        loader->cached_count = count;
    loader->cache = memory_array(loader->cached_count, sizeof(*loader->cache));
    if (!loader->samples || !loader->order || !loader->cache)
        return error_out_of_memory(error);
    if (count > 0)
        memcpy(loader->samples, samples, count * sizeof(*samples));
    return VBP_OK;
}

int loader_create(struct loader **loader, const struct dataset *dataset, const size_t *samples,
                  size_t count, const struct loader_options *options, VbpError *error)
{
    struct picture_reader *checked = NULL;
    struct loader *made;
    int result = check_options(dataset, samples, count, options, error);

    *loader = NULL;
    if (result == VBP_OK)
        result = picture_reader_create(&checked, &options->settings, error);
    picture_reader_destroy(&checked);
    if (result != VBP_OK)
        return result;
    made = memory_array(1, sizeof(*made));
    if (!made)
        return error_out_of_memory(error);
    made->dataset = dataset;
    made->options = *options;
    made->batch_size = 1;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->work, NULL);
    pthread_cond_init(&made->done, NULL);
    result = allocate(made, samples, count, error);
    if (result == VBP_OK)
        result = start_workers(made, error);
    if (result != VBP_OK) {
        loader_destroy(&made);
        return result;
    }
    *loader = made;
    return VBP_OK;
}

static void free_slot(struct slot *slot)
{
    free(slot->batch.inputs);
    free(slot->batch.targets);
    free(slot->batch.index);
    *slot = (struct slot){0};
}

void loader_destroy(struct loader **loader)
{
    struct loader *destroyed = *loader;

    if (!destroyed)
        return;
    pthread_mutex_lock(&destroyed->lock);
    destroyed->quit = true;
    pthread_cond_broadcast(&destroyed->work);
    pthread_mutex_unlock(&destroyed->lock);
    for (int i = 0; i < destroyed->worker_count; i++)
        pthread_join(destroyed->workers[i].thread, NULL);
    for (int i = 0; destroyed->workers && i < destroyed->options.threads; i++) {
        picture_reader_destroy(&destroyed->workers[i].reader);
        free(destroyed->workers[i].pixels);
        free(destroyed->workers[i].scratch);
    }
    for (size_t i = 0; destroyed->cache && i < destroyed->cached_count; i++)
        free(destroyed->cache[i]);
    for (int i = 0; i < SLOTS; i++)
        free_slot(&destroyed->slots[i]);
    pthread_cond_destroy(&destroyed->done);
    pthread_cond_destroy(&destroyed->work);
    pthread_mutex_destroy(&destroyed->lock);
    free(destroyed->workers);
    free(destroyed->cache);
    free(destroyed->samples);
    free(destroyed->order);
    free(destroyed);
    *loader = NULL;
}

/* ---- Epochs --------------------------------------------------------------------------------- */

/* Brings `chosen` of the `count` places to the front, each choice equally likely, in any order. */
static void draw(size_t *places, size_t count, size_t chosen, struct random *random)
{
    for (size_t i = 0; i < chosen; i++) {
        size_t other = i + (size_t)random_below(random, count - i), held = places[i];

        places[i] = places[other];
        places[other] = held;
    }
}

static int compare_places(const void *a, const void *b)
{
    size_t first = *(const size_t *)a, second = *(const size_t *)b;

    return (first > second) - (first < second);
}

/* Fills loader->order: the choice among straight samples, then the order. */
static void make_order(struct loader *loader)
{
    const struct loader_options *options = &loader->options;
    struct random random = random_for(options->seed, (uint64_t)loader->epoch, STREAM_OF_EPOCH);
    size_t straight = 0, curved = 0, kept;

    /* Straight ones from the front, the others from the back. */
    for (size_t place = 0; place < loader->count; place++) {
        double target =
            loader->dataset->samples[loader->samples[place]].steering * options->label_scale;

        if (fabs(target) < options->straight_limit)
            loader->order[straight++] = place;
        else
            loader->order[loader->count - ++curved] = place;
    }
    kept = (size_t)((double)straight * options->straight_share + 0.5);
    if (kept < straight)
        draw(loader->order, straight, kept, &random);
    memmove(loader->order + kept, loader->order + straight, curved * sizeof(*loader->order));
    loader->order_count = kept + curved;
    qsort(loader->order, loader->order_count, sizeof(*loader->order), compare_places);
    if (options->shuffle)
        draw(loader->order, loader->order_count, loader->order_count, &random);
}

/* Makes room for batches of so many samples. */
static int prepare_slots(struct loader *loader, size_t size, VbpError *error)
{
    size_t floats;

    if (size <= loader->slot_capacity)
        return VBP_OK;
    loader->slot_capacity = 0;
    for (int i = 0; i < SLOTS; i++) {
        struct batch *batch = &loader->slots[i].batch;

        free_slot(&loader->slots[i]);
        if (size_multiply(size, loader->input_length, &floats))
            batch->inputs = memory_aligned_array(floats, sizeof(float));
        batch->targets = memory_array(size, sizeof(float));
        batch->index = memory_array(size, sizeof(size_t));
        if (!batch->inputs || !batch->targets || !batch->index)
            return error_out_of_memory(error);
    }
    loader->slot_capacity = size;
    return VBP_OK;
}

/* Readies the slot of a batch for the workers. With the lock. */
static void open_batch(struct loader *loader, size_t batch)
{
    size_t size = (size_t)loader->batch_size, first = batch * size;
    struct slot *slot = &loader->slots[batch % SLOTS];

    if (first >= loader->order_count)
        return;
    slot->batch.count =
        (int)(loader->order_count - first < size ? loader->order_count - first : size);
    slot->made = 0;
    slot->failed_at = INT_MAX;
}

/* Returns once no worker has a portion or can take one. With the lock. */
static void stop_work(struct loader *loader)
{
    loader->taken = loader->order_count = 0;
    while (loader->busy > 0)
        pthread_cond_wait(&loader->done, &loader->lock);
}

int loader_begin(struct loader *loader, int epoch, int batch, VbpError *error)
{
    size_t size = (size_t)batch < loader->count ? (size_t)batch : loader->count;
    int result;

    if (batch < 1)
        return error_set(error, VBP_ERROR_ARGUMENT, "batches of %d samples", batch);
    pthread_mutex_lock(&loader->lock);
    stop_work(loader);
    loader->given_up = loader->next = 0;
    result = prepare_slots(loader, size, error);
    if (result == VBP_OK) {
        loader->epoch = epoch;
        loader->batch_size = batch;
        make_order(loader);
        for (size_t i = 0; i < SLOTS; i++)
            open_batch(loader, i);
        pthread_cond_broadcast(&loader->work);
    }
    pthread_mutex_unlock(&loader->lock);
    return result;
}

size_t loader_epoch_size(const struct loader *loader)
{
    return loader->order_count;
}

int loader_next(struct loader *loader, struct batch *batch, VbpError *error)
{
    struct slot *slot;
    int result = 1;

    *batch = (struct batch){0};
    pthread_mutex_lock(&loader->lock);
    /* The batch given last is given up, and its slot goes to the one SLOTS behind it. */
    if (loader->next > loader->given_up) {
        open_batch(loader, loader->given_up++ + SLOTS);
        pthread_cond_broadcast(&loader->work);
    }
    if (loader->next * (size_t)loader->batch_size < loader->order_count) {
        slot = &loader->slots[loader->next % SLOTS];
        while (slot->made < slot->batch.count)
            pthread_cond_wait(&loader->done, &loader->lock);
        if (slot->failed_at < INT_MAX) {
            if (error)
                *error = slot->error;
            result = slot->error.status;
        } else {
            *batch = slot->batch;
            loader->next++;
            result = VBP_OK;
        }
    }
    pthread_mutex_unlock(&loader->lock);
    return result;
}

int loader_check(struct loader *loader, int batch,
                 void (*progress)(void *context, size_t done, size_t total), void *context,
                 VbpError *error)
{
    double straight_share = loader->options.straight_share;
    struct batch ready;
    size_t done = 0;
    int result;

    /* Workers do not look at the share, and none is busy when loader_begin makes the order. */
    loader->options.straight_share = 1;
    result = loader_begin(loader, 0, batch, error);
    loader->options.straight_share = straight_share;
    while (result == VBP_OK && (result = loader_next(loader, &ready, error)) == VBP_OK) {
        done += (size_t)ready.count;
        if (progress)
            progress(context, done, loader_epoch_size(loader));
    }
    return result == 1 ? VBP_OK : result;
}

/* ---- Identity ------------------------------------------------------------------------------- */

/* "IMG/centre_1.jpg" of any path: what does not change when a data set is moved. */
static const char *last_two_parts(const char *path)
{
    int slashes = 0;
    const char *at = path + strlen(path);

    while (at > path && !(at[-1] == '/' && ++slashes == 2))
        at--;
    return at;
}

static uint64_t hash_settings(uint64_t hash, const struct loader_options *options)
{
    const struct preprocess_settings *settings = &options->settings;
    const struct augmentation *augmentation = &options->augmentation;
    const double numbers[] = {
        settings->crop_top,        settings->crop_bottom,    settings->crop_left,
        settings->crop_right,      settings->resize,         settings->color,
        settings->channels,        settings->height,         settings->width,
        settings->channels_last,   augmentation->flip,       augmentation->shift,
        augmentation->shift_label, augmentation->brightness, augmentation->shadow,
        augmentation->blur,        options->label_scale,     options->shuffle,
        options->straight_share,   options->straight_limit};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        hash = hash_double(hash, numbers[i]);
    for (int c = 0; c < settings->channels; c++) {
        hash = hash_double(hash, (double)settings->scale[c]);
        hash = hash_double(hash, (double)settings->bias[c]);
    }
    return hash_number(hash, options->seed);
}

void loader_identify(const struct loader *loader, uint64_t *data, uint64_t *settings)
{
    *settings = hash_settings(*settings, &loader->options);
    *data = hash_number(*data, loader->count);
    for (size_t i = 0; i < loader->count; i++) {
        const struct sample *sample = &loader->dataset->samples[loader->samples[i]];
        const char *name = last_two_parts(sample->image);

        *data = hash_bytes(*data, name, strlen(name));
        *data = hash_double(*data, sample->steering);
        *data = hash_number(*data, (uint64_t)sample->camera);
        *data = hash_number(*data, (uint64_t)sample->drive);
        *data = hash_number(*data, loader->samples[i]); /* which its random numbers come from */
    }
}
