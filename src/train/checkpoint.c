#include "train/checkpoint.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

#define CHECKPOINT_MAX_BYTES ((size_t)4 << 30)

/* No run has more epochs. */
#define EPOCHS_MAX 1000000

/*
 * The file: numbers in the machine's order; it belongs to one run on one machine, and is not a
 * format to keep networks in.
 *
 *     head | weights | best weights | optimiser | a row for each epoch | kept | hash of all before
 */
struct head {
    char magic[8];
    struct identity identity;
    int32_t epoch, best_epoch;
    double best_loss, best_error, moment;
    int64_t steps;
    uint64_t weight_count, state_count, kept_length;
};

/* An epoch_report. */
struct row {
    int32_t epoch, best;
    double training_loss, validation_loss, validation_error, samples_per_second, rate;
};

/* The last character counts the versions of the format. */
static const char magic[8] = "vbptrn2";
#define MAGIC_KIND 6

static size_t count_weights(const struct graph *graph)
{
    size_t count = 0;

    for (int t = 0; t < graph->tensor_count; t++) {
        if (graph->tensors[t].values)
            count += (size_t)shape_elements(&graph->tensors[t].shape);
    }
    return count;
}

int checkpoint_create(struct checkpoint *checkpoint, const struct graph *graph, size_t state_count,
                      VbpError *error)
{
    *checkpoint =
        (struct checkpoint){.weight_count = count_weights(graph), .state_count = state_count};
    checkpoint->weights = memory_aligned_array(checkpoint->weight_count, sizeof(float));
    checkpoint->best_weights = memory_aligned_array(checkpoint->weight_count, sizeof(float));
    checkpoint->state = memory_aligned_array(state_count, sizeof(float));
    if (checkpoint->weights && checkpoint->best_weights && checkpoint->state)
        return VBP_OK;
    checkpoint_free(checkpoint);
    return error_out_of_memory(error);
}

void checkpoint_free(struct checkpoint *checkpoint)
{
    free(checkpoint->weights);
    free(checkpoint->best_weights);
    free(checkpoint->state);
    free(checkpoint->reports);
    free(checkpoint->kept);
    *checkpoint = (struct checkpoint){0};
}

void checkpoint_take_weights(float *weights, const struct graph *graph)
{
    for (int t = 0; t < graph->tensor_count; t++) {
        if (graph->tensors[t].values) {
            size_t count = (size_t)shape_elements(&graph->tensors[t].shape);

            memcpy(weights, graph->tensors[t].values, count * sizeof(float));
            weights += count;
        }
    }
}

void checkpoint_put_weights(struct graph *graph, const float *weights)
{
    for (int t = 0; t < graph->tensor_count; t++) {
        if (graph->tensors[t].values) {
            size_t count = (size_t)shape_elements(&graph->tensors[t].shape);

            memcpy(graph->tensors[t].values, weights, count * sizeof(float));
            weights += count;
        }
    }
}

/* ---- Writing -------------------------------------------------------------------------------- */

/* file_writer_commit looks whether any write failed. */
static void put(struct file_writer *writer, uint64_t *hash, const void *bytes, size_t length)
{
    *hash = hash_bytes(*hash, bytes, length);
    if (length > 0)
        fwrite(bytes, 1, length, writer->stream);
}

int checkpoint_write(const struct checkpoint *checkpoint, const char *path, VbpError *error)
{
    struct head head = {.identity = checkpoint->identity,
                        .epoch = checkpoint->epoch,
                        .best_epoch = checkpoint->best_epoch,
                        .best_loss = checkpoint->best_loss,
                        .best_error = checkpoint->best_error,
                        .moment = checkpoint->moment,
                        .steps = checkpoint->steps,
                        .weight_count = checkpoint->weight_count,
                        .state_count = checkpoint->state_count,
                        .kept_length = checkpoint->kept_length};
    struct file_writer writer;
    uint64_t hash = 0;
    int result = file_writer_begin(&writer, path, error);

    if (result != VBP_OK)
        return result;
    memcpy(head.magic, magic, sizeof(magic));
    put(&writer, &hash, &head, sizeof(head));
    put(&writer, &hash, checkpoint->weights, checkpoint->weight_count * sizeof(float));
    put(&writer, &hash, checkpoint->best_weights, checkpoint->weight_count * sizeof(float));
    put(&writer, &hash, checkpoint->state, checkpoint->state_count * sizeof(float));
    for (int32_t i = 0; i < checkpoint->epoch; i++) {
        const struct epoch_report *report = &checkpoint->reports[i];
        struct row row = {report->epoch,
                          report->best,
                          report->training_loss,
                          report->validation_loss,
                          report->validation_error,
                          report->samples_per_second,
                          report->rate};

        put(&writer, &hash, &row, sizeof(row));
    }
    put(&writer, &hash, checkpoint->kept, checkpoint->kept_length);
    fwrite(&hash, sizeof(hash), 1, writer.stream);
    return file_writer_commit(&writer, error);
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* A file in memory, being taken apart as it was put together. */
struct parts {
    const unsigned char *at;
    size_t left;
    uint64_t hash;
};

/* The next bytes of the file, or NULL where there are not so many. */
static const unsigned char *take(struct parts *parts, uint64_t length)
{
    const unsigned char *part = parts->at;

    if (length > parts->left)
        return NULL;
    parts->hash = hash_bytes(parts->hash, part, (size_t)length);
    parts->at += length;
    parts->left -= (size_t)length;
    return part;
}

/* What could be in a checkpoint of a run that this program trained. */
static bool is_possible(const struct head *head)
{
    return head->epoch >= 1 && head->epoch <= EPOCHS_MAX && head->best_epoch >= 1 &&
           head->best_epoch <= head->epoch && head->steps >= head->epoch &&
           isfinite(head->best_loss) && head->moment > head->epoch &&
           head->moment <= 4.0 * head->epoch && head->weight_count <= CHECKPOINT_MAX_BYTES &&
           head->state_count <= CHECKPOINT_MAX_BYTES && head->kept_length <= CHECKPOINT_MAX_BYTES;
}

/* Where the parts of a whole file begin. */
struct layout {
    const unsigned char *weights, *best_weights, *state, *rows, *kept;
};

/* Whether the file is whole, and as it was written; if so, *head and *layout are what is in it. */
static bool find_parts(const unsigned char *bytes, size_t length, struct head *head,
                       struct layout *layout)
{
    struct parts parts = {bytes, length, 0};
    const unsigned char *part = take(&parts, sizeof(*head));
    uint64_t hash;

    if (!part)
        return false;
    memcpy(head, part, sizeof(*head));
    if (!is_possible(head))
        return false;
    layout->weights = take(&parts, head->weight_count * sizeof(float));
    layout->best_weights = take(&parts, head->weight_count * sizeof(float));
    layout->state = take(&parts, head->state_count * sizeof(float));
    for (int32_t i = 0; i < head->epoch; i++) {
        struct row row;

        part = take(&parts, sizeof(row));
        if (!part)
            return false;
        memcpy(&row, part, sizeof(row));
        if (row.epoch != i + 1)
            return false;
        if (i == 0)
            layout->rows = part;
    }
    layout->kept = take(&parts, head->kept_length);
    if (!layout->weights || !layout->best_weights || !layout->state || !layout->kept ||
        parts.left != sizeof(hash))
        return false;
    memcpy(&hash, parts.at, sizeof(hash));
    return hash == parts.hash;
}

static int check_identity(const struct checkpoint *checkpoint, const struct head *head,
                          const char *path, VbpError *error)
{
    const char *other = head->identity.network != checkpoint->identity.network ||
                                head->weight_count != checkpoint->weight_count
                            ? "another network"
                        : head->identity.data != checkpoint->identity.data ? "other data"
                        : head->identity.settings != checkpoint->identity.settings ||
                                head->state_count != checkpoint->state_count
                            ? "other settings"
                            : NULL;

    if (!other)
        return VBP_OK;
    return error_set(error, VBP_ERROR_ARGUMENT,
                     "%s: the checkpoint is of a run with %s and cannot be resumed with these",
                     path, other);
}

static int take_over(struct checkpoint *checkpoint, const struct head *head,
                     const struct layout *layout, VbpError *error)
{
    unsigned char *kept = malloc((size_t)head->kept_length + 1);

    if (!kept || !memory_grow((void **)&checkpoint->reports, &checkpoint->report_capacity,
                              (size_t)head->epoch, sizeof(*checkpoint->reports))) {
        free(kept);
        return error_out_of_memory(error);
    }
    memcpy(checkpoint->weights, layout->weights, checkpoint->weight_count * sizeof(float));
    memcpy(checkpoint->best_weights, layout->best_weights,
           checkpoint->weight_count * sizeof(float));
    memcpy(checkpoint->state, layout->state, checkpoint->state_count * sizeof(float));
    for (int32_t i = 0; i < head->epoch; i++) {
        struct row row;

        memcpy(&row, layout->rows + (size_t)i * sizeof(row), sizeof(row));
        checkpoint->reports[i] = (struct epoch_report){.epoch = row.epoch,
                                                       .best = row.best != 0,
                                                       .training_loss = row.training_loss,
                                                       .validation_loss = row.validation_loss,
                                                       .validation_error = row.validation_error,
                                                       .samples_per_second = row.samples_per_second,
                                                       .rate = row.rate};
    }
    memcpy(kept, layout->kept, (size_t)head->kept_length);
    free(checkpoint->kept);
    checkpoint->kept = kept;
    checkpoint->kept_length = (size_t)head->kept_length;
    checkpoint->epoch = head->epoch;
    checkpoint->best_epoch = head->best_epoch;
    checkpoint->best_loss = head->best_loss;
    checkpoint->best_error = head->best_error;
    checkpoint->moment = head->moment;
    checkpoint->steps = head->steps;
    return VBP_OK;
}

int checkpoint_read(struct checkpoint *checkpoint, const char *path, VbpError *error)
{
    struct layout layout = {0};
    unsigned char *bytes;
    struct head head;
    size_t length;
    int result = file_read(path, CHECKPOINT_MAX_BYTES, &bytes, &length, error);

    if (result != VBP_OK)
        return error_prefix(error, "checkpoint: ");
    if (length < sizeof(magic) || memcmp(bytes, magic, MAGIC_KIND) != 0)
        result = error_set(error, VBP_ERROR_FORMAT, "%s: not a checkpoint", path);
    else if (memcmp(bytes, magic, sizeof(magic)) != 0)
        result = error_set(error, VBP_ERROR_FORMAT,
                           "%s: a checkpoint of another version of this program", path);
    else if (!find_parts(bytes, length, &head, &layout))
        result =
            error_set(error, VBP_ERROR_FORMAT, "%s: the checkpoint is damaged or cut off", path);
    else
        result = check_identity(checkpoint, &head, path, error);
    if (result == VBP_OK)
        result = take_over(checkpoint, &head, &layout, error);
    free(bytes);
    return result;
}
