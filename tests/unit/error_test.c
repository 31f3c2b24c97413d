#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MESSAGE_SIZE (sizeof(((VbpError *)0)->message))

static void set_fills_status_and_message(void **state)
{
    VbpError error;

    (void)state;
    assert_int_equal(error_set(&error, VBP_ERROR_FORMAT, "%s: byte %d", "a.onnx", 12),
                     VBP_ERROR_FORMAT);
    assert_int_equal(error.status, VBP_ERROR_FORMAT);
    assert_string_equal(error.message, "a.onnx: byte 12");
}

static void no_error_wanted(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, VBP_ERROR_IO, "%s", "x"), VBP_ERROR_IO);
    assert_int_equal(error_out_of_memory(NULL), VBP_ERROR_MEMORY);
    errno = ENOENT;
    assert_int_equal(error_set_errno(NULL, "cannot open", "x"), VBP_ERROR_IO);
    assert_int_equal(error_prefix(NULL, "x: "), 0);
}

static void errno_becomes_text(void **state)
{
    VbpError error;

    (void)state;
    errno = ENOENT;
    assert_int_equal(error_set_errno(&error, "cannot open", "a.npy"), VBP_ERROR_IO);
    assert_string_equal(error.message, "cannot open a.npy: No such file or directory");
    errno = ENOMEM;
    assert_int_equal(error_set_errno(&error, "cannot open", "a.npy"), VBP_ERROR_MEMORY);
    assert_int_equal(error_out_of_memory(&error), VBP_ERROR_MEMORY);
    assert_string_equal(error.message, "out of memory");
}

static void message_is_one_line_of_utf8(void **state)
{
    static const struct {
        const char *given, *kept;
    } cases[] = {
        {"a\nb\tc\x1b[1m\x7f", "a?b?c?[1m?"},
        {"Stra\xc3\x9f"
         "e \xe2\x82\xac \xf0\x9f\x9a\x97",
         "Stra\xc3\x9f"
         "e \xe2\x82\xac \xf0\x9f\x9a\x97"},
        {"\xc2\x85 \xc2\x9b", "?? ??"},           /* next line, CSI: controls of two bytes */
        {"\xc2\xa0", "\xc2\xa0"},                 /* the first that is none */
        {"\x80 \xbf \xff", "? ? ?"},              /* no first bytes */
        {"\xc3(", "?("},                          /* no second byte */
        {"\xe2\x82", "??"},                       /* ends inside, but was given so */
        {"\xc0\xaf \xe0\x80\xaf", "?? ???"},      /* overlong */
        {"\xed\xa0\x80", "???"},                  /* a surrogate */
        {"\xf4\x90\x80\x80 \xf5", "???? ?"},      /* above U+10FFFF */
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"}, /* U+10FFFF */
    };
    VbpError error;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        error_set(&error, VBP_ERROR_FORMAT, "%s", cases[i].given);
        assert_string_equal(error.message, cases[i].kept);
        error_set(&error, VBP_ERROR_FORMAT, "message");
        error_prefix(&error, "%s", cases[i].given);
        assert_memory_equal(error.message, cases[i].kept, strlen(cases[i].kept));
        assert_string_equal(error.message + strlen(cases[i].kept), "message");
    }
}

static void long_text_is_cut_between_characters(void **state)
{
    /* At every offset of the cut inside a character of each length. */
    static const char *const characters[] = {"x", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x9a\x97"};
    char text[2 * MESSAGE_SIZE];
    VbpError error;

    (void)state;
    for (size_t c = 0; c < 4; c++) {
        size_t length = strlen(characters[c]);

        for (size_t shift = 0; shift < length; shift++) {
            size_t kept = (MESSAGE_SIZE - 1 - shift) / length * length + shift;

            memset(text, 'a', sizeof(text));
            for (size_t i = shift; i + length < sizeof(text); i += length)
                memcpy(text + i, characters[c], length);
            text[sizeof(text) - 1] = 0;
            error_set(&error, VBP_ERROR_IO, "%s", text);
            assert_int_equal(strlen(error.message), kept);
            assert_memory_equal(error.message, text, kept);
        }
    }
}

static void prefix_stands_before(void **state)
{
    VbpError error;

    (void)state;
    error_set(&error, VBP_ERROR_FORMAT, "no outputs");
    assert_int_equal(error_prefix(&error, "%s: node %d: ", "a.onnx", 7), VBP_ERROR_FORMAT);
    assert_string_equal(error.message, "a.onnx: node 7: no outputs");
    /* The message itself as an argument. */
    error_prefix(&error, "(%s) ", error.message);
    assert_string_equal(error.message, "(a.onnx: node 7: no outputs) a.onnx: node 7: no outputs");
}

static void long_prefix_pushes_the_message_out(void **state)
{
    char text[2 * MESSAGE_SIZE];
    VbpError error;

    (void)state;
    memset(text, 'a', sizeof(text));
    for (size_t length = MESSAGE_SIZE - 4; length < MESSAGE_SIZE + 2; length++) {
        size_t kept = length < MESSAGE_SIZE - 1 ? length : MESSAGE_SIZE - 1;

        error_set(&error, VBP_ERROR_FORMAT, "\xe2\x82\xac!");
        assert_int_equal(error_prefix(&error, "%.*s", (int)length, text), VBP_ERROR_FORMAT);
        assert_memory_equal(error.message, text, kept);
        /* The three bytes fit only where three are left before the final zero. */
        assert_string_equal(error.message + kept,
                            MESSAGE_SIZE - 1 - kept >= 3 ? "\xe2\x82\xac" : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_status_and_message),
        cmocka_unit_test(no_error_wanted),
        cmocka_unit_test(errno_becomes_text),
        cmocka_unit_test(message_is_one_line_of_utf8),
        cmocka_unit_test(long_text_is_cut_between_characters),
        cmocka_unit_test(prefix_stands_before),
        cmocka_unit_test(long_prefix_pushes_the_message_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
