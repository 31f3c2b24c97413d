/* What the documents say is true: their commands run, their tables are those of the program. */
#include "base/file.h"
#include "support/lane_files.h"
#include "support/process.h"
#include "support/scratch.h"
#include "window/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char *read_text(const char *path)
{
    struct process_result result = process_run((const char *const[]){"cat", path, NULL}, 10);

    if (result.status != 0)
        fail_msg("%s", result.errors);
    free(result.errors);
    return result.output;
}

static void link_as(const char *path, const char *name)
{
    assert_int_equal(symlink(path, scratch_path(name)), 0);
}

/* Runs one line of the README in a folder that holds drive.mp4, model.onnx and model.card.json. */
static void run_line(const char *line, int length)
{
    char folder[512], program[512], command[2048];
    bool watch = strncmp(line, "vbp watch", 9) == 0;
    struct process_result result;

    snprintf(folder, sizeof(folder), "%s", scratch_path("."));
    assert_non_null(realpath(process_vbp(), program));
    /* A window that nobody sees, and that closes by itself. */
    snprintf(command, sizeof(command), "cd '%s' && %s'%s'%.*s%s", folder,
             watch ? "SDL_VIDEODRIVER=dummy " : "", program, length - 3, line + 3,
             watch ? " --frames 5" : "");
    result = process_run((const char *const[]){"sh", "-c", command, NULL}, 120);
    if (result.status != 0)
        fail_msg("%.*s: exit %d: %s", length, line, result.status, result.errors);
    process_free(&result);
}

static void test_readme_commands_run(void **state)
{
    const struct lane_files *files = *state;
    char *text = read_text("README.md");
    int commands = 0;

    link_as(files->clip, "drive.mp4");
    link_as(files->model, "model.onnx");
    link_as(files->card, "model.card.json");
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, "vbp ", 4) == 0 && strstr(text, "```sh") < line) {
            run_line(line, (int)strcspn(line, "\n"));
            commands++;
        }
        if (!*line)
            break;
    }
    assert_int_equal(commands, 4);
    assert_true(file_exists(scratch_path("annotated.mp4")));
    assert_true(file_exists(scratch_path("folder/overlay.png")));
    free(text);
}

/* The two commands for a new machine: the second runs this test. */
static void test_readme_begins_with_two_commands(void **state)
{
    char *text = read_text("README.md");

    (void)state;
    assert_non_null(strstr(text, "\n```\nmake\nmake test\n```\n"));
    free(text);
}

struct table {
    char text[8192];
    size_t used;
};

static void add_row(void *context, const char *names, const char *help)
{
    struct table *table = context;

    if (names)
        table->used +=
            (size_t)snprintf(table->text + table->used, sizeof(table->text) - table->used,
                             "| %s | %s |\n", names, help);
    assert_true(table->used < sizeof(table->text));
}

static void test_readme_keys_are_the_programs(void **state)
{
    struct table table = {0};
    char *text = read_text("README.md");

    (void)state;
    keys_walk(add_row, &table);
    if (!strstr(text, table.text))
        fail_msg("the README's key table is not the program's, which is\n%s", table.text);
    free(text);
}

static void test_readme_card_is_a_card(void **state)
{
    const struct lane_files *files = *state;
    char *document = read_text("README.md");
    char *begin = strstr(document, "```json\n"), *end = begin ? strstr(begin + 8, "```") : NULL;
    VbpModelOptions options = {.card_path = scratch_path("readme.card.json")};
    VbpModel *model;
    VbpError error;

    assert_non_null(end);
    assert_int_equal(file_write(options.card_path, begin + 8, (size_t)(end - begin) - 8, &error),
                     VBP_OK);
    /* It reads well; it is for another network, which is what the model says. */
    assert_int_equal(vbp_model_open(&model, files->model, &options, &error), VBP_ERROR_ARGUMENT);
    assert_non_null(strstr(error.message, "yuv"));
    free(document);
}

static void test_models_lists_every_operator(void **state)
{
    char *document = read_text("doc/models.md"),
         *source = read_text("src/formats/onnx_operators.c");
    int operators = 0;

    (void)state;
    for (const char *row = source; (row = strstr(row, "\n    {\"")); row++) {
        char name[64];
        int length = (int)strcspn(row + 7, "\"");

        snprintf(name, sizeof(name), "`%.*s`", length, row + 7);
        if (!strstr(document, name))
            fail_msg("doc/models.md does not name %s", name);
        operators++;
    }
    assert_true(operators > 20);
    free(document);
    free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readme_commands_run),
        cmocka_unit_test(test_readme_begins_with_two_commands),
        cmocka_unit_test(test_readme_keys_are_the_programs),
        cmocka_unit_test(test_readme_card_is_a_card),
        cmocka_unit_test(test_models_lists_every_operator),
    };

    return cmocka_run_group_tests(tests, lane_files_setup, lane_files_teardown);
}
