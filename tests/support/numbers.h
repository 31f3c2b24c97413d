/* Random numbers that a printed seed repeats, poisoned buffers between guards, comparisons. */
#ifndef VBP_TESTS_SUPPORT_NUMBERS_H
#define VBP_TESTS_SUPPORT_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * cmocka setup: starts the random numbers anew, with the seed that VBP_SEED names or another one
 * each time, and prints it.
 */
int random_setup(void **state);

int random_between(int least, int most);
bool random_chance(double probability);
float random_float(float least, float most);
void random_fill(float *values, size_t count, float least, float most);

/*
 * `count` floats that are all NaN, 64-byte aligned, with guards before and behind. check_guards
 * fails the test if something was written outside; guarded_free does so too, and frees them.
 */
float *guarded_floats(size_t count);
void check_guards(const float *values);
void guarded_free(float *values);

/* The same, filled with random numbers. */
float *guarded_random(size_t count, float least, float most);

/* Fails, naming `what`, unless |got - want| <= bound; NaN never passes. */
void check_close(double got, double want, double bound, const char *what);

/* The error that a sum of `length` terms of this magnitude may have in float. */
double sum_bound(size_t length, double magnitude);

#endif
