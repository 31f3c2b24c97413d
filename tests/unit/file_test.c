#include "base/file.h"
#include "support/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int fsync_count, fsync_error;

/* In place of the C library's: synchronising is seen, and can be made to fail.
 * NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int fsync(int descriptor)
{
    (void)descriptor;
    fsync_count++;
    errno = fsync_error;
    return fsync_error ? -1 : 0;
}

static void expect_content(const char *path, const char *content)
{
    unsigned char *bytes;
    size_t length;
    VbpError error;

    assert_int_equal(file_read(path, 1 << 20, &bytes, &length, &error), VBP_OK);
    assert_int_equal(length, strlen(content));
    assert_string_equal((char *)bytes, content);
    free(bytes);
}

static void read_refuses(const char *path, size_t limit, int status, const char *reason)
{
    unsigned char *bytes = (unsigned char *)path;
    size_t length = 1;
    VbpError error;

    assert_int_equal(file_read(path, limit, &bytes, &length, &error), status);
    assert_null(bytes);
    assert_int_equal(length, 0);
    assert_non_null(strstr(error.message, path));
    assert_non_null(strstr(error.message, reason));
}

static void reads_whole_files(void **state)
{
    unsigned char content[5000], *bytes;
    size_t length;
    VbpError error;

    (void)state;
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (unsigned char)(i * 7);
    scratch_write("bytes", content, sizeof(content));
    assert_int_equal(file_read(scratch_path("bytes"), sizeof(content), &bytes, &length, &error),
                     VBP_OK);
    assert_int_equal(length, sizeof(content));
    assert_memory_equal(bytes, content, sizeof(content));
    assert_int_equal(bytes[length], 0);
    free(bytes);
    expect_content(scratch_write("empty", "", 0), "");
}

static void refuses_what_it_should_not_read(void **state)
{
    const char *five = scratch_write("five", "12345", 5), *fifo = scratch_path("fifo");

    (void)state;
    read_refuses(five, 4, VBP_ERROR_UNSUPPORTED, "5 bytes");
    read_refuses(scratch_path("nothing"), 100, VBP_ERROR_IO, "No such file");
    read_refuses(scratch_path(""), 100, VBP_ERROR_IO, "folder");
    read_refuses("/dev/zero", 100, VBP_ERROR_IO, "not a regular file");
    /* A pipe that nobody writes to must not be waited for. */
    assert_int_equal(mkfifo(fifo, 0600), 0);
    read_refuses(fifo, 100, VBP_ERROR_IO, "not a regular file");
}

static void exists_and_same(void **state)
{
    const char *a = scratch_write("a", "1", 1), *b = scratch_write("b", "1", 1);
    const char *link_to_a = scratch_path("link"), *nothing = scratch_path("nothing");

    (void)state;
    assert_int_equal(symlink("a", link_to_a), 0);
    assert_true(file_exists(a));
    assert_false(file_exists(nothing));
    assert_true(file_same(a, link_to_a));
    assert_true(file_same(a, scratch_path("./a")));
    assert_false(file_same(a, b));
    assert_false(file_same(nothing, nothing));
}

static void partial_files_are_new_ones(void **state)
{
    const char *path = scratch_path("new.mp4");
    const char *mine = scratch_write(".new.mp4.partial", "mine", 4);
    char *first, *second;
    int descriptors[2];
    VbpError error;

    (void)state;
    assert_int_equal(file_make_partial(path, &first, &descriptors[0], &error), VBP_OK);
    assert_string_equal(first, scratch_path(".new.mp4.2.partial"));
    assert_int_equal(file_make_partial(path, &second, &descriptors[1], &error), VBP_OK);
    assert_string_equal(second, scratch_path(".new.mp4.3.partial"));
    assert_int_equal(write(descriptors[0], "1st", 3), 3);
    assert_int_equal(write(descriptors[1], "2nd", 3), 3);
    expect_content(mine, "mine");
    expect_content(first, "1st");
    expect_content(second, "2nd");
    assert_false(file_exists(path));
    close(descriptors[0]);
    close(descriptors[1]);
    free(first);
    free(second);
}

static void writers_do_not_share_partial_files(void **state)
{
    const char *path = scratch_path("shared");
    const char *mine = scratch_write(".shared.partial", "mine", 4);
    struct file_writer first, second;
    VbpError error;

    (void)state;
    assert_int_equal(file_writer_begin(&first, path, &error), VBP_OK);
    assert_int_equal(file_writer_begin(&second, path, &error), VBP_OK);
    fputs("first", first.stream);
    fputs("second", second.stream);
    assert_int_equal(file_writer_commit(&first, &error), VBP_OK);
    expect_content(path, "first");
    assert_int_equal(file_writer_commit(&second, &error), VBP_OK);
    expect_content(path, "second");
    expect_content(mine, "mine");
    assert_false(file_exists(scratch_path(".shared.2.partial")));
    assert_false(file_exists(scratch_path(".shared.3.partial")));
}

static void partial_files_that_cannot_be(void **state)
{
    const char *path = scratch_path("crowded");
    char *partial, expected[300];
    int descriptor, result, before, made = 0;
    VbpError error;

    (void)state;
    assert_int_equal(mkdir(scratch_path("folder"), 0700), 0);
    before = scratch_count();
    assert_int_equal(file_make_partial(scratch_path("folder"), &partial, &descriptor, &error),
                     VBP_ERROR_IO);
    snprintf(expected, sizeof(expected), "cannot write %s: Is a directory", scratch_path("folder"));
    assert_string_equal(error.message, expected);
    assert_null(partial);
    assert_int_equal(descriptor, -1);
    assert_int_equal(scratch_count(), before);
    for (;;) {
        result = file_make_partial(path, &partial, &descriptor, &error);
        if (result != VBP_OK)
            break;
        close(descriptor);
        free(partial);
        assert_in_range(++made, 1, 1000);
    }
    assert_int_equal(result, VBP_ERROR_IO);
    snprintf(expected, sizeof(expected), "cannot write %s: %d unfinished files", path, made);
    assert_memory_equal(error.message, expected, strlen(expected));
    assert_int_equal(scratch_count(), before + made);
}

static void appears_only_when_whole(void **state)
{
    const char *path = scratch_path("whole");
    struct file_writer writer;
    VbpError error;

    (void)state;
    assert_int_equal(file_writer_begin(&writer, path, &error), VBP_OK);
    fputs("new", writer.stream);
    fflush(writer.stream);
    assert_false(file_exists(path));
    assert_true(file_exists(scratch_path(".whole.partial")));
    assert_int_equal(file_writer_commit(&writer, &error), VBP_OK);
    expect_content(path, "new");
    assert_false(file_exists(scratch_path(".whole.partial")));
    file_writer_abandon(&writer); /* allowed, and nothing happens */
    expect_content(path, "new");
}

static void old_content_stays_until_commit(void **state)
{
    const char *path = scratch_write("kept", "old", 3);
    struct file_writer writer;
    VbpError error;

    (void)state;
    assert_int_equal(file_writer_begin(&writer, path, &error), VBP_OK);
    fputs("half", writer.stream);
    fflush(writer.stream);
    expect_content(path, "old");
    file_writer_abandon(&writer);
    expect_content(path, "old");
    assert_false(file_exists(scratch_path(".kept.partial")));
    assert_int_equal(file_write(path, "new", 3, &error), VBP_OK);
    expect_content(path, "new");
}

static void abandon_of_a_zeroed_writer(void **state)
{
    struct file_writer writer = {0};

    (void)state;
    file_writer_abandon(&writer);
    assert_null(writer.stream);
}

static void writing_where_nothing_can_be(void **state)
{
    int before = scratch_count();
    VbpError error;

    (void)state;
    assert_int_equal(file_write(scratch_path("no/folder/file"), "x", 1, &error), VBP_ERROR_IO);
    assert_non_null(strstr(error.message, "no/folder/file: No such file or directory"));
    assert_int_equal(file_write(scratch_path(""), "x", 1, &error), VBP_ERROR_IO);
    assert_non_null(strstr(error.message, "directory"));
    assert_int_equal(scratch_count(), before);
}

/* A file size limit is a disk that fills up: small writes fail when they are flushed, large ones
 * at once, and then fflush finds nothing to complain about. */
static void full_disk_is_an_error(void **state)
{
    static const size_t lengths[] = {2000, 100, 1 << 20};
    const char *path = scratch_write("full", "old", 3);
    unsigned char *bytes = calloc(1, 1 << 20);
    struct rlimit unlimited, limited;
    VbpError errors[3];
    int results[3];
    struct file_writer writer;

    (void)state;
    assert_non_null(bytes);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    limited = unlimited;
    limited.rlim_cur = 50;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limited), 0);
    for (int i = 0; i < 3; i++)
        results[i] = file_write(path, bytes, lengths[i], &errors[i]);
    setrlimit(RLIMIT_FSIZE, &unlimited);
    free(bytes);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(results[i], VBP_ERROR_IO);
        assert_non_null(strstr(errors[i].message, "full: File too large"));
    }
    expect_content(path, "old");
    assert_false(file_exists(scratch_path(".full.partial")));

    /* Without a buffer the write itself fails, long before commit. */
    assert_int_equal(file_writer_begin(&writer, "/dev/full", &errors[0]), VBP_OK);
    setvbuf(writer.stream, NULL, _IONBF, 0);
    fputc('x', writer.stream);
    assert_int_equal(file_writer_commit(&writer, &errors[0]), VBP_ERROR_IO);
    assert_string_equal(errors[0].message, "cannot write /dev/full: No space left on device");
    assert_true(file_exists("/dev/full"));
}

static void devices_and_pipes_are_written_to(void **state)
{
    const char *fifo = scratch_path("pipe");
    char got[4] = "";
    struct stat status;
    VbpError error;
    int reader;

    (void)state;
    assert_int_equal(mkfifo(fifo, 0600), 0);
    reader = open(fifo, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    assert_int_equal(file_write(fifo, "abc", 3, &error), VBP_OK);
    assert_int_equal(read(reader, got, 4), 3);
    assert_string_equal(got, "abc");
    close(reader);
    assert_int_equal(stat(fifo, &status), 0);
    assert_true(S_ISFIFO(status.st_mode));
}

/* Content is on the disk before the name is; a disk that says no keeps the old file. */
static void content_reaches_the_disk_before_the_name(void **state)
{
    const char *path = scratch_write("synchronised", "old", 3);
    VbpError error;

    (void)state;
    fsync_count = 0;
    assert_int_equal(file_write(path, "new", 3, &error), VBP_OK);
    assert_int_equal(fsync_count, 1);
    fsync_error = EIO;
    assert_int_equal(file_write(path, "newer", 5, &error), VBP_ERROR_IO);
    assert_non_null(strstr(error.message, "synchronised: Input/output error"));
    expect_content(path, "new");
    assert_false(file_exists(scratch_path(".synchronised.partial")));
    /* A file system that knows no such thing is no failure. */
    fsync_error = EINVAL;
    assert_int_equal(file_write(path, "newest", 6, &error), VBP_OK);
    expect_content(path, "newest");
    fsync_error = 0;
    fsync_count = 0;
    assert_int_equal(file_write("/dev/null", "x", 1, &error), VBP_OK);
    assert_int_equal(fsync_count, 0);
}

static void makes_folders(void **state)
{
    VbpError error;

    (void)state;
    assert_int_equal(file_make_folder(scratch_path("x/y//z/"), &error), VBP_OK);
    assert_true(file_exists(scratch_path("x/y/z")));
    assert_int_equal(file_make_folder(scratch_path("x/y"), &error), VBP_OK);
    scratch_write("x/file", "", 0);
    assert_int_equal(file_make_folder(scratch_path("x/file"), &error), VBP_ERROR_IO);
    assert_non_null(strstr(error.message, "it is a file"));
    assert_int_equal(file_make_folder(scratch_path("x/file/z"), &error), VBP_ERROR_IO);
    assert_non_null(strstr(error.message, "Not a directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_whole_files),
        cmocka_unit_test(refuses_what_it_should_not_read),
        cmocka_unit_test(exists_and_same),
        cmocka_unit_test(partial_files_are_new_ones),
        cmocka_unit_test(writers_do_not_share_partial_files),
        cmocka_unit_test(partial_files_that_cannot_be),
        cmocka_unit_test(appears_only_when_whole),
        cmocka_unit_test(old_content_stays_until_commit),
        cmocka_unit_test(abandon_of_a_zeroed_writer),
        cmocka_unit_test(writing_where_nothing_can_be),
        cmocka_unit_test(full_disk_is_an_error),
        cmocka_unit_test(devices_and_pipes_are_written_to),
        cmocka_unit_test(content_reaches_the_disk_before_the_name),
        cmocka_unit_test(makes_folders),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
