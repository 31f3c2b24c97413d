#include "base/memory.h"
#include "cli/cli.h"

#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#define BAR_CELLS 30

struct progress {
    const char *what;
    int64_t total;
    double started, drawn; /* seconds; drawn: when last, 0 never */
};

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct progress *progress_start(const struct common_options *common, const char *what,
                                int64_t total)
{
    struct progress *progress;

    if (common->verbosity < 0 || !isatty(STDERR_FILENO))
        return NULL;
    progress = memory_array(1, sizeof(*progress)); /* without memory there is no bar */
    if (progress)
        *progress = (struct progress){.what = what, .total = total, .started = seconds_now()};
    return progress;
}

static void draw(const struct progress *progress, int64_t done, double elapsed)
{
    double rate = elapsed > 0 ? (double)done / elapsed : 0;
    char bar[BAR_CELLS + 1];
    int filled;

    if (progress->total <= 0) {
        fprintf(stderr, "\r%s: frame %" PRId64 ", %.0f per second \033[K", progress->what, done,
                rate);
        return;
    }
    filled = (int)(done >= progress->total ? BAR_CELLS : done * BAR_CELLS / progress->total);
    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR_CELLS] = 0;
    fprintf(stderr, "\r%s: [%s] %" PRId64 "/%" PRId64 ", %.0f per second", progress->what, bar,
            done, progress->total, rate);
    if (rate > 0 && done < progress->total)
        fprintf(stderr, ", %.0f s left", (double)(progress->total - done) / rate);
    fputs(" \033[K", stderr);
}

void progress_update(struct progress *progress, int64_t done)
{
    double now;

    if (!progress)
        return;
    now = seconds_now();
    if (now - progress->drawn < 0.1 && done != progress->total)
        return;
    draw(progress, done, now - progress->started);
    progress->drawn = now;
}

void progress_finish(struct progress **progress)
{
    if (*progress && (*progress)->drawn > 0)
        fputc('\n', stderr);
    free(*progress);
    *progress = NULL;
}
