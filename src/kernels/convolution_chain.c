#include "kernels/convolution_chain.h"

#include "base/memory.h"

#include <string.h>

#define ALIGNMENT_FLOATS (MEMORY_ALIGNMENT / sizeof(float))

bool convolution_chain_add(struct convolution_chain *chain, const struct chain_link *link)
{
    size_t capacity = (size_t)chain->count;

    if (chain->count == CHAIN_MAX_LINKS)
        return false;
    if (!memory_grow((void **)&chain->links, &capacity, capacity + 1, sizeof(*chain->links)))
        return false;
    chain->links[chain->count++] = *link;
    return true;
}

static size_t aligned(size_t floats)
{
    return (floats + ALIGNMENT_FLOATS - 1) / ALIGNMENT_FLOATS * ALIGNMENT_FLOATS;
}

/* Input rows that output rows up to `end` are made of end here; one too many does no harm. */
static int input_end(const struct convolution_flat *flat, int end)
{
    const struct convolution *convolution = convolution_flat_of(flat);
    int64_t row = (int64_t)(end - 1) * convolution->window.stride[0] -
                  convolution->window.pad_begin[0] + window_span(&convolution->window, 0);

    if (row < 0)
        row = 0;
    return row < convolution->sizes.input_height ? (int)row : convolution->sizes.input_height;
}

/* And they begin here. */
static int input_begin(const struct convolution_flat *flat, int begin)
{
    const struct convolution *convolution = convolution_flat_of(flat);
    int row = begin * convolution->window.stride[0] - convolution->window.pad_begin[0];

    return row < 0                                 ? 0
           : row < convolution->sizes.input_height ? row
                                                   : convolution->sizes.input_height;
}

/* A ring holds what a band of the reader needs, and a band that is being made. */
static int ring_rows(const struct chain_link *link, const struct chain_link *reader)
{
    const struct convolution *convolution = convolution_flat_of(reader->flat);
    int band = convolution_flat_band(link->flat);
    int64_t rows =
        (int64_t)(convolution_flat_band(reader->flat) - 1) * convolution->window.stride[0] +
        window_span(&convolution->window, 0) + band;

    return (int)((rows + band - 1) / band * band);
}

void convolution_chain_finish(struct convolution_chain *chain)
{
    size_t size = 0;

    for (int i = 0; i < chain->count; i++) {
        size_t scratch = aligned(convolution_flat_scratch(chain->links[i].flat));

        size = scratch > size ? scratch : size;
    }
    for (int i = 0; i + 1 < chain->count; i++) {
        struct chain_link *link = &chain->links[i];
        const struct window_sizes *sizes = &convolution_flat_of(link->flat)->sizes;

        link->ring_rows = ring_rows(link, &chain->links[i + 1]);
        link->ring_at = size;
        /* Rows begin on cache lines, or else almost all vectors would be stored to two of them. */
        link->ring_pitch = aligned((size_t)sizes->output_width);
        size += (size_t)sizes->output_channels * (size_t)link->ring_rows * link->ring_pitch;
    }
    chain->memory_size = size;
}

void convolution_chain_free(struct convolution_chain *chain)
{
    for (int i = 0; i < chain->count; i++) {
        convolution_flat_destroy(chain->links[i].flat);
        free(chain->links[i].slope);
    }
    free(chain->links);
    *chain = (struct convolution_chain){0};
}

/* The first row that a worker makes of a link: even, as pairs of rows are. */
static int first_row(const struct convolution_chain *chain, int index, int worker, int workers)
{
    int height = convolution_flat_of(chain->links[chain->count - 1].flat)->sizes.output_height;
    int pairs = (height + 1) / 2, row = (pairs * worker + workers - 1) / workers * 2;

    row = row < height ? row : height;
    if (worker == workers)
        return convolution_flat_of(chain->links[index].flat)->sizes.output_height;
    for (int i = chain->count - 1; i > index; i--)
        row = input_begin(chain->links[i].flat, row) / 2 * 2;
    return row;
}

/*
 * The rows of a link that a worker makes end here: where the last convolution needs no more, but
 * not before those of the next worker begin, as all rows are to be averaged and checked by someone.
 */
static int row_limit(const struct convolution_chain *chain, int index, int worker, int workers)
{
    int row = first_row(chain, chain->count - 1, worker + 1, workers);

    for (int i = chain->count - 1; i > index; i--) {
        int next = first_row(chain, i - 1, worker + 1, workers);

        row = input_end(chain->links[i].flat, row);
        row = row > next ? row : next;
    }
    return row;
}

/* What a worker has made so far. */
struct progress {
    const struct convolution_chain *chain;
    const struct convolution_chain_run *part;
    int done[CHAIN_MAX_LINKS]; /* rows of each link */
    int failed;                /* -1, or the first link that gave NaN or infinity */
};

/* Runs a link's band that begins at `row`. */
static void run_band(struct progress *progress, int index, int row, int end)
{
    const struct convolution_chain *chain = progress->chain;
    const struct convolution_chain_run *part = progress->part;
    const struct chain_link *link = &chain->links[index];
    const struct window_sizes *sizes = &convolution_flat_of(link->flat)->sizes;
    struct convolution_flat_run run = {.input = part->input,
                                       .input_rows = sizes->input_height,
                                       .input_pitch = (size_t)sizes->input_width,
                                       .output = part->output,
                                       .output_rows = sizes->output_height,
                                       .output_pitch = (size_t)sizes->output_width,
                                       .activation = link->activation,
                                       .average = link->average,
                                       .average_end =
                                           first_row(chain, index, part->worker + 1, part->workers),
                                       .check = part->check};

    if (index > 0) {
        run.input = part->memory + chain->links[index - 1].ring_at;
        run.input_rows = chain->links[index - 1].ring_rows;
        run.input_pitch = chain->links[index - 1].ring_pitch;
    }
    if (index + 1 < chain->count) {
        run.output = part->memory + link->ring_at;
        run.output_rows = link->ring_rows;
        run.output_pitch = link->ring_pitch;
    }
    if (!convolution_flat_run(link->flat, &run, row, end, part->memory) &&
        (progress->failed < 0 || index < progress->failed))
        progress->failed = index;
}

/* Makes rows of a link up to `end`, and what they need of the links before. */
static void make_rows(struct progress *progress, int index, int end)
{
    const struct convolution_flat *flat = progress->chain->links[index].flat;
    int last = row_limit(progress->chain, index, progress->part->worker, progress->part->workers);
    int band = convolution_flat_band(flat);

    while (progress->done[index] < end) {
        int row = progress->done[index], band_end = (row / band + 1) * band;

        /* Bands begin at multiples of their height, so that none runs over the end of a ring. */
        band_end = band_end < last ? band_end : last;
        if (index > 0)
            make_rows(progress, index - 1, input_end(flat, band_end));
        run_band(progress, index, row, band_end);
        progress->done[index] = band_end;
    }
}

int convolution_chain_run(const struct convolution_chain *chain,
                          const struct convolution_chain_run *run)
{
    struct progress progress = {.chain = chain, .part = run, .failed = -1};

    for (int i = 0; i < chain->count; i++)
        progress.done[i] = first_row(chain, i, run->worker, run->workers);
    for (int i = chain->count - 1; i >= 0; i--)
        make_rows(&progress, i, row_limit(chain, i, run->worker, run->workers));
    if (progress.failed >= 0)
        memset(run->memory, 0, chain->memory_size * sizeof(float));
    return progress.failed;
}
