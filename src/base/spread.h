/* What is said of many measurements of one thing. */
#ifndef VBP_BASE_SPREAD_H
#define VBP_BASE_SPREAD_H

#include <stddef.h>

struct spread {
    double min, median, p99;
};

/* Sorts the samples, of which there is at least one. Each of the three is one of them. */
struct spread spread_of(double *samples, size_t count);

#endif
