#include "graph/graph.h"

#include <stdio.h>

int64_t shape_elements(const struct shape *shape)
{
    int64_t elements = 1;

    for (int i = 0; i < shape->rank; i++) {
        if (shape->extent[i] < 1 || shape->extent[i] > TENSOR_MAX_ELEMENTS / elements)
            return -1;
        elements *= shape->extent[i];
    }
    return elements;
}

bool shape_equal(const struct shape *a, const struct shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++) {
        if (a->extent[i] != b->extent[i])
            return false;
    }
    return true;
}

const char *shape_text(const struct shape *shape, char *text)
{
    int used = 0;

    if (shape->rank == 0)
        snprintf(text, SHAPE_TEXT_SIZE, "scalar");
    for (int i = 0; i < shape->rank && used < SHAPE_TEXT_SIZE; i++)
        used += snprintf(text + used, (size_t)(SHAPE_TEXT_SIZE - used), "%s%lld", i ? "x" : "",
                         (long long)shape->extent[i]);
    return text;
}

struct window window_make(int kernel_height, int kernel_width)
{
    return (struct window){
        .kernel = {kernel_height, kernel_width}, .stride = {1, 1}, .dilation = {1, 1}};
}

void window_pad_same(struct window *window, int64_t height, int64_t width, bool upper)
{
    int64_t size[2] = {height, width};

    for (int axis = 0; axis < 2; axis++) {
        int64_t outputs = (size[axis] + window->stride[axis] - 1) / window->stride[axis];
        int64_t total =
            (outputs - 1) * window->stride[axis] + window_span(window, axis) - size[axis];
        int64_t small, large;

        if (total < 0)
            total = 0;
        small = total / 2;
        large = total - small;
        window->pad_begin[axis] = (int)(upper ? small : large);
        window->pad_end[axis] = (int)(upper ? large : small);
    }
}
