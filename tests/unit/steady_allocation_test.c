/*
 * Runs after the first allocate nothing: this program's allocator counts every call, whoever makes
 * it, the libraries and other threads too. Sanitizers have allocators of their own; with them
 * there is nothing to count.
 */
#include "base/file.h"
#include "base/memory.h"
#include "formats/formats.h"
#include "kernels/threads.h"
#include "support/scratch.h"
#include "train/network.h"
#include "vbp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OTHER_ALLOCATOR 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OTHER_ALLOCATOR 1
#endif

static atomic_long allocations;

#ifndef OTHER_ALLOCATOR
/* The C library gives these names to its own, for those who stand before them. */
// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,readability-identifier-naming,readability-inconsistent-declaration-parameter-name)
#pragma GCC visibility push(default) /* or the libraries would not see them */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    allocations++;
    return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    allocations++;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    allocations++;
    *block = __libc_memalign(alignment, size);
    return *block ? 0 : ENOMEM;
}
#pragma GCC visibility pop
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,readability-identifier-naming,readability-inconsistent-declaration-parameter-name)
#endif

#define RUNS 20

static void skip_without_counting(void)
{
#ifdef OTHER_ALLOCATOR
    print_message("the sanitizer has its own allocator\n");
    skip();
#endif
}

/* A count that stays 0 whatever happens would prove nothing. */
static void test_every_way_is_counted(void **state)
{
    void *volatile block, *volatile larger;
    char *volatile text;

    (void)state;
    skip_without_counting();
    allocations = 0;
    block = memory_array(3, 4);
    assert_int_equal(allocations, 1);
    free(block);
    block = memory_aligned_array(3, 4);
    assert_int_equal(allocations, 2);
    larger = realloc(block, 1000);
    assert_int_equal(allocations, 3);
    free(larger);
    block = malloc(3);
    assert_int_equal(allocations, 4);
    free(block);
    text = strdup("the library's own call");
    assert_int_equal(allocations, 5);
    free(text);
}

static void write_network(const char *name, const char *path)
{
    struct graph *graph = NULL;
    unsigned char *bytes = NULL;
    size_t length;
    VbpError error;

    if (network_build(&graph, name, 1, &error) != VBP_OK ||
        onnx_write(graph, NULL, &bytes, &length, &error) != VBP_OK ||
        file_write(path, bytes, length, &error) != VBP_OK)
        fail_msg("%s", error.message);
    free(bytes);
    graph_destroy(&graph);
}

static void count_runs(const char *name, bool mask)
{
    VbpRunnerOptions options = {.no_mask = !mask};
    int channels, height, width;
    VbpModel *model;
    VbpRunner *runner;
    VbpError error;
    float *input;
    size_t length;
    long counted;

    write_network(name, scratch_path("network.onnx"));
    if (vbp_model_open(&model, scratch_path("network.onnx"), NULL, &error) != VBP_OK ||
        vbp_runner_create(&runner, model, &options, &error) != VBP_OK)
        fail_msg("%s", error.message);
    vbp_model_input_size(model, &channels, &height, &width);
    length = (size_t)channels * (size_t)height * (size_t)width;
    input = memory_array(length, sizeof(*input));
    assert_non_null(input);
    for (size_t i = 0; i < length; i++)
        input[i] = (float)(i * 31 % 255) / 255;
    assert_int_equal(vbp_runner_run_input(runner, input, length, &error), VBP_OK);
    allocations = 0;
    for (int i = 0; i < RUNS; i++) {
        if (vbp_runner_run_input(runner, input, length, &error) != VBP_OK)
            break;
    }
    counted = allocations;
    if (counted != 0)
        fail_msg("%s: %ld allocations in %d runs", name, counted, RUNS);
    assert_int_equal(vbp_runner_run_input(runner, input, length, &error), VBP_OK);
    free(input);
    vbp_runner_destroy(&runner);
    vbp_model_close(&model);
}

static void test_runs_allocate_nothing(void **state)
{
    (void)state;
    skip_without_counting();
    threads_limit_blas(1); /* as the program does; with more, OpenBLAS allocates in each call */
    count_runs("pilotnet", false);
    count_runs("pilotnet", true);
    count_runs("nethvf", false);
    count_runs("nethvf", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_way_is_counted),
        cmocka_unit_test(test_runs_allocate_nothing),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
