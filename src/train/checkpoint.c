#include "train/checkpoint.h"

#include "base/file.h"
#include "base/memory.h"

#include <string.h>

#define CHECKPOINT_MAX_BYTES ((size_t)2 << 30)

/*
 * The file: a head, then weights, best weights and the optimiser's state, floats in the machine's
 * order. It belongs to one run on one machine; it is not a format to keep networks in.
 */
struct head {
    char magic[8];
    uint64_t settings;
    int32_t epoch, best_epoch;
    double best_loss, best_error, moment;
    int64_t steps;
    uint64_t weight_count, state_count;
};

static const char magic[8] = "vbptrn1";

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

int checkpoint_write(const struct checkpoint *checkpoint, const char *path, VbpError *error)
{
    struct head head = {.settings = checkpoint->settings,
                        .epoch = checkpoint->epoch,
                        .best_epoch = checkpoint->best_epoch,
                        .best_loss = checkpoint->best_loss,
                        .best_error = checkpoint->best_error,
                        .moment = checkpoint->moment,
                        .steps = checkpoint->steps,
                        .weight_count = checkpoint->weight_count,
                        .state_count = checkpoint->state_count};
    struct file_writer writer;
    int result = file_writer_begin(&writer, path, error);

    if (result != VBP_OK)
        return result;
    memcpy(head.magic, magic, sizeof(magic));
    /* file_writer_commit looks whether any of these failed. */
    fwrite(&head, sizeof(head), 1, writer.stream);
    fwrite(checkpoint->weights, sizeof(float), checkpoint->weight_count, writer.stream);
    fwrite(checkpoint->best_weights, sizeof(float), checkpoint->weight_count, writer.stream);
    fwrite(checkpoint->state, sizeof(float), checkpoint->state_count, writer.stream);
    return file_writer_commit(&writer, error);
}

int checkpoint_read(struct checkpoint *checkpoint, const char *path, VbpError *error)
{
    size_t floats = 2 * checkpoint->weight_count + checkpoint->state_count, length;
    unsigned char *bytes;
    const float *values;
    struct head head;
    int result = file_read(path, CHECKPOINT_MAX_BYTES, &bytes, &length, error);

    if (result != VBP_OK)
        return result;
    if (length < sizeof(head) || memcmp(bytes, magic, sizeof(magic)) != 0) {
        result = error_set(error, VBP_ERROR_FORMAT, "%s: not a checkpoint", path);
        goto done;
    }
    memcpy(&head, bytes, sizeof(head));
    if (head.weight_count != checkpoint->weight_count ||
        head.state_count != checkpoint->state_count || head.settings != checkpoint->settings) {
        result = error_set(
            error, VBP_ERROR_ARGUMENT,
            "%s: the checkpoint is of a run with another network, data set or settings", path);
        goto done;
    }
    if (length != sizeof(head) + floats * sizeof(float)) {
        result = error_set(error, VBP_ERROR_FORMAT, "%s: the checkpoint is cut off", path);
        goto done;
    }
    values = (const float *)(const void *)(bytes + sizeof(head));
    memcpy(checkpoint->weights, values, checkpoint->weight_count * sizeof(float));
    values += checkpoint->weight_count;
    memcpy(checkpoint->best_weights, values, checkpoint->weight_count * sizeof(float));
    values += checkpoint->weight_count;
    memcpy(checkpoint->state, values, checkpoint->state_count * sizeof(float));
    checkpoint->epoch = head.epoch;
    checkpoint->best_epoch = head.best_epoch;
    checkpoint->best_loss = head.best_loss;
    checkpoint->best_error = head.best_error;
    checkpoint->moment = head.moment;
    checkpoint->steps = head.steps;
    result = VBP_OK;
done:
    free(bytes);
    return result;
}
