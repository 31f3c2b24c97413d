/* onnx_write.c without memory: every allocation fails in turn. */
#include "formats/formats.h"
#include "support/graph_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

/* Everything that onnx_write allocates comes from calloc, which is this one in this program. */
#ifdef SANITIZED
#define REAL_CALLOC __interceptor_calloc
#else
#define REAL_CALLOC __libc_calloc
#endif
void *REAL_CALLOC(size_t count, size_t size);

static long allocations_left = -1; /* until one fails; negative: none does */

/* The C library has reserved names for its parameters.
 * NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
void *calloc(size_t count, size_t size)
{
    if (allocations_left == 0)
        return NULL;
    if (allocations_left > 0)
        allocations_left--;
    return REAL_CALLOC(count, size);
}

static void test_out_of_memory(void **state)
{
    struct graph *graph = graph_case_everything();
    unsigned char *bytes = NULL;
    size_t length;
    VbpError error;
    long failures = 0;
    int result;

    (void)state;
    do {
        allocations_left = failures++;
        error.status = VBP_OK;
        result = onnx_write(graph, "{}", &bytes, &length, &error);
        allocations_left = -1;
        if (result != VBP_OK) {
            assert_int_equal(result, VBP_ERROR_MEMORY);
            assert_int_equal(error.status, VBP_ERROR_MEMORY);
            assert_null(bytes);
        }
    } while (result != VBP_OK);
    assert_true(failures > 100);
    free(bytes);
    graph_destroy(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
