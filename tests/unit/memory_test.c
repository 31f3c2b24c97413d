#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void products_that_do_not_fit(void **state)
{
    size_t product = 0;

    (void)state;
    assert_true(size_multiply(6, 7, &product));
    assert_int_equal(product, 42);
    assert_true(size_multiply(SIZE_MAX, 1, &product));
    assert_true(size_multiply(SIZE_MAX / 2, 2, &product));
    assert_int_equal(product, SIZE_MAX - 1);
    assert_false(size_multiply(SIZE_MAX / 2 + 1, 2, &product));
    assert_false(size_multiply(SIZE_MAX, SIZE_MAX, &product));
}

static void arrays_are_zeroed(void **state)
{
    int *array = memory_array(1000, sizeof(*array));

    (void)state;
    assert_non_null(array);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(array[i], 0);
    free(array);
}

static void empty_arrays_are_not_null(void **state)
{
    void *empty = memory_array(0, 16), *aligned = memory_aligned_array(0, 16);

    (void)state;
    assert_non_null(empty);
    assert_non_null(aligned);
    free(empty);
    free(aligned);
}

static void aligned_arrays_are_aligned(void **state)
{
    (void)state;
    for (size_t count = 1; count < 200; count += 7) {
        unsigned char *array = memory_aligned_array(count, 3);

        assert_non_null(array);
        assert_int_equal((uintptr_t)array % MEMORY_ALIGNMENT, 0);
        memset(array, 0xa5, count * 3); /* AddressSanitizer sees if it is too short */
        free(array);
    }
}

static void arrays_that_cannot_be(void **state)
{
    /* From tables that the compiler cannot see through, or it warns of exactly these. */
    static volatile const size_t huge[] = {SIZE_MAX, SIZE_MAX / 2 + 1, SIZE_MAX - 62};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_null(memory_array(huge[i], 2));
        assert_null(memory_array(2, huge[i]));
        assert_null(memory_aligned_array(huge[i], 2));
        assert_null(memory_aligned_array(2, huge[i]));
    }
    /* No overflow in the product, but in rounding up to whole lines. */
    assert_null(memory_aligned_array(SIZE_MAX - 3, 1));
}

static void growing_keeps_and_zeroes(void **state)
{
    int *array = NULL;
    size_t capacity = 0;

    (void)state;
    for (size_t count = 0; count < 1000; count++) {
        size_t before = capacity;

        assert_true(memory_grow((void **)&array, &capacity, count + 1, sizeof(*array)));
        assert_true(capacity > count);
        for (size_t i = before; i < capacity; i++)
            assert_int_equal(array[i], 0);
        array[count] = (int)count + 1;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(array[i], i + 1);
    free(array);
}

static void growing_enough_is_nothing(void **state)
{
    int *array = NULL, *before;
    size_t capacity = 0;

    (void)state;
    assert_true(memory_grow((void **)&array, &capacity, 100, sizeof(*array)));
    before = array;
    assert_true(memory_grow((void **)&array, &capacity, capacity, sizeof(*array)));
    assert_true(memory_grow((void **)&array, &capacity, 0, sizeof(*array)));
    assert_ptr_equal(array, before);
    free(array);
}

static void failed_growth_changes_nothing(void **state)
{
    static volatile const size_t too_many[] = {SIZE_MAX, SIZE_MAX / 2 + 2, SIZE_MAX / 4};
    int *array = NULL, *before;
    size_t capacity = 0;

    (void)state;
    assert_true(memory_grow((void **)&array, &capacity, 1, sizeof(*array)));
    array[0] = 42;
    before = array;
    for (size_t i = 0; i < 3; i++) {
        size_t capacity_before = capacity;

        assert_false(memory_grow((void **)&array, &capacity, too_many[i], sizeof(*array)));
        assert_int_equal(capacity, capacity_before);
        assert_ptr_equal(array, before);
        assert_int_equal(array[0], 42);
    }
    free(array);
}

static void text(void **state)
{
    char *copy = memory_copy_text("steering"), *formatted = memory_format("%s_%02d", "conv", 3);

    (void)state;
    assert_string_equal(copy, "steering");
    assert_string_equal(formatted, "conv_03");
    free(copy);
    free(formatted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_that_do_not_fit),
        cmocka_unit_test(arrays_are_zeroed),
        cmocka_unit_test(empty_arrays_are_not_null),
        cmocka_unit_test(aligned_arrays_are_aligned),
        cmocka_unit_test(arrays_that_cannot_be),
        cmocka_unit_test(growing_keeps_and_zeroes),
        cmocka_unit_test(growing_enough_is_nothing),
        cmocka_unit_test(failed_growth_changes_nothing),
        cmocka_unit_test(text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
