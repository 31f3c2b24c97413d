#include "train/split.h"

#include "base/memory.h"

/* The first sample that is held out. */
static size_t boundary(const struct dataset *dataset, double share)
{
    size_t at = dataset->count - (size_t)((double)dataset->count * share);

    if (dataset->drive_count < 2 || at >= dataset->count)
        return at;
    /* To the nearer end of the drive it falls into, but not so far that nothing is left. */
    {
        size_t begin = at, end = at;

        while (begin > 0 && dataset->samples[begin - 1].drive == dataset->samples[at].drive)
            begin--;
        while (end < dataset->count && dataset->samples[end].drive == dataset->samples[at].drive)
            end++;
        if (begin == 0)
            return end;
        if (end == dataset->count)
            return begin;
        return at - begin < end - at ? begin : end;
    }
}

int split_make(struct split *split, const struct dataset *dataset, double share, VbpError *error)
{
    size_t at = boundary(dataset, share);

    *split = (struct split){.training = memory_array(dataset->count, sizeof(size_t)),
                            .validation = memory_array(dataset->count, sizeof(size_t))};
    if (!split->training || !split->validation) {
        split_free(split);
        return error_out_of_memory(error);
    }
    for (size_t i = 0; i < dataset->count; i++) {
        if (i < at)
            split->training[split->training_count++] = i;
        else if (dataset->samples[i].camera == 0)
            split->validation[split->validation_count++] = i;
    }
    if (split->training_count > 0)
        return VBP_OK;
    split_free(split);
    return error_set(error, VBP_ERROR_ARGUMENT, "nothing is left to train on");
}

void split_free(struct split *split)
{
    free(split->training);
    free(split->validation);
    *split = (struct split){0};
}
