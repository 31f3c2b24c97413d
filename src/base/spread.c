#include "base/spread.h"

#include <stdlib.h>

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

/* The sample that `share` (0..1) of the sorted samples do not exceed. */
static double quantile(const double *sorted, size_t count, double share)
{
    return sorted[(size_t)((double)(count - 1) * share + 0.5)];
}

struct spread spread_of(double *samples, size_t count)
{
    qsort(samples, count, sizeof(*samples), compare);
    return (struct spread){samples[0], quantile(samples, count, 0.5),
                           quantile(samples, count, 0.99)};
}
