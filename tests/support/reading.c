#include "reading.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

const struct source_options reading_sought = {.threads = 2, .random_access = true};
const struct source_options reading_straight = {.threads = 2, .random_access = false};

struct source *reading_open(const char *path, const struct source_options *options)
{
    struct source *source;
    VbpError error;

    if (source_open(&source, path, options, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return source;
}

void reading_next(struct source *source, struct frame *frame)
{
    VbpError error = {0};

    if (source_read(source, frame, &error) != SOURCE_FRAME)
        fail_msg("no frame: %s", error.message);
}

void reading_assert_end(struct source *source)
{
    struct frame frame;
    VbpError error;

    assert_int_equal(source_read(source, &frame, &error), SOURCE_END);
    assert_null(frame.picture);
    assert_int_equal(source_read(source, &frame, &error), SOURCE_END);
}

void reading_expect_refusal(const char *path, int status, const char *words)
{
    struct source *source;
    VbpError error = {0};
    int result = source_open(&source, path, &reading_sought, &error);

    if (result == VBP_OK)
        fail_msg("%s was opened", path);
    assert_null(source);
    if (strstr(error.message, path) != error.message || !strstr(error.message, words) ||
        error.status != result || result != status)
        fail_msg("%s: status %d (wanted %d): %s", path, result, status, error.message);
}

void reading_write_file(const char *path, const void *bytes, size_t length)
{
    VbpError error;

    if (file_write(path, bytes, length, &error) != VBP_OK)
        fail_msg("%s", error.message);
}
