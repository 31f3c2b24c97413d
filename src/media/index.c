#include "media/index.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void index_free(struct frame_index *index)
{
    free(index->pts);
    free(index->keys);
    *index = (struct frame_index){0};
}

int index_add(struct frame_index *index, int64_t pts, int64_t duration, VbpError *error)
{
    void *grown = index->pts;

    if (!memory_grow(&grown, &index->capacity, index->count + 1, sizeof(*index->pts)))
        return error_out_of_memory(error);
    index->pts = grown;
    if (index->count == 0 || pts >= index->last_pts) {
        index->last_pts = pts;
        index->last_duration = duration > 0 ? duration : 0;
    }
    index->pts[index->count++] = pts;
    return VBP_OK;
}

int index_add_key(struct frame_index *index, int64_t pts, int64_t dts, VbpError *error)
{
    void *grown = index->keys;

    if (!memory_grow(&grown, &index->key_capacity, index->key_count + 1, sizeof(*index->keys)))
        return error_out_of_memory(error);
    index->keys = grown;
    index->keys[index->key_count++] = (struct index_key){pts, dts};
    return VBP_OK;
}

static int compare_pts(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

static int compare_keys(const void *a, const void *b)
{
    const struct index_key *left = a, *right = b;

    return (left->pts > right->pts) - (left->pts < right->pts);
}

void index_finish(struct frame_index *index, int64_t first_pts)
{
    size_t skipped;

    if (index->count > 0)
        qsort(index->pts, index->count, sizeof(*index->pts), compare_pts);
    if (index->key_count > 0)
        qsort(index->keys, index->key_count, sizeof(*index->keys), compare_keys);
    skipped = index_find(index, first_pts);
    index->count -= skipped;
    if (skipped > 0)
        memmove(index->pts, index->pts + skipped, index->count * sizeof(*index->pts));
    for (size_t i = 1; i < index->count; i++) {
        if (index->pts[i] <= index->pts[i - 1])
            index->pts[i] = index->pts[i - 1] + 1;
    }
}

size_t index_find(const struct frame_index *index, int64_t pts)
{
    size_t low = 0, high = index->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (index->pts[middle] < pts)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t index_duration(const struct frame_index *index, size_t number)
{
    if (number + 1 < index->count)
        return index->pts[number + 1] - index->pts[number];
    if (index->last_duration > 0 || index->count < 2)
        return index->last_duration;
    return index->pts[index->count - 1] - index->pts[index->count - 2];
}

size_t index_keys_before(const struct frame_index *index, int64_t pts)
{
    size_t low = 0, high = index->key_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (index->keys[middle].pts <= pts)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
