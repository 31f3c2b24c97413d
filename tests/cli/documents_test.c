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

static void link_to(const char *folder)
{
    char *path = realpath(folder, NULL);

    assert_non_null(path);
    assert_int_equal(symlink(path, scratch_path(folder)), 0);
    free(path);
}

/* Runs one line of the README in a folder that holds the shipped clip and network. */
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
    char *text = read_text("README.md");
    int commands = 0;

    (void)state;
    link_to("videos");
    link_to("models");
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, "vbp ", 4) == 0 && strstr(text, "```sh") < line) {
            run_line(line, (int)strcspn(line, "\n"));
            commands++;
        }
        if (!*line)
            break;
    }
    assert_int_equal(commands, 5);
    assert_true(file_exists(scratch_path("annotated.mp4")));
    assert_true(file_exists(scratch_path("folder/overlay.png")));
    free(text);
}

/* The two commands for a new machine: the second runs this test. */
static void test_readme_begins_with_two_commands(void **state)
{
    char *text = read_text("README.md");

    (void)state;
    assert_non_null(strstr(text, "\n```\nmake demo\nmake test\n```\n"));
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

/* Every row of a table in the source: "    {"NAME", ...". */
static void check_table(const char *path, int least)
{
    char *document = read_text("doc/models.md"), *source = read_text(path);
    int rows = 0;

    for (const char *row = source; (row = strstr(row, "\n    {\"")); row++) {
        char name[64];
        int length = (int)strcspn(row + 7, "\"");

        snprintf(name, sizeof(name), "`%.*s`", length, row + 7);
        if (!strstr(document, name))
            fail_msg("doc/models.md does not name %s", name);
        rows++;
    }
    assert_true(rows > least);
    free(document);
    free(source);
}

static void test_models_lists_every_operator(void **state)
{
    (void)state;
    check_table("src/formats/onnx_operators.c", 20);
    check_table("src/formats/keras_layers.c", 40);
}

/* ---- The manual ----------------------------------------------------------------------------- */

/* The text from `begin`, which must be there, up to `end`. To be freed. */
static char *cut(const char *text, const char *begin, const char *end)
{
    const char *from = strstr(text, begin), *to;
    char *part;

    if (!from)
        fail_msg("doc/vbp.1 has no line %s", begin + 1);
    from += strlen(begin);
    to = strstr(from, end);
    part = strndup(from, to ? (size_t)(to - from) : strlen(from));
    assert_non_null(part);
    return part;
}

/* Whether the text has the long option as the head of an item: ".It Fl o , Fl -output Ar file". */
static bool explains(const char *text, const char *option, int length)
{
    char macro[64];
    int macro_length = snprintf(macro, sizeof(macro), "Fl -%.*s", length, option);

    for (const char *line = text; line; line = strchr(line + 1, '\n')) {
        const char *line_end = line + 1 + strcspn(line + 1, "\n");
        const char *found = line;

        if (strncmp(line, "\n.It ", 5) != 0)
            continue;
        while ((found = strstr(found + 1, macro)) && found < line_end) {
            if (strchr(" \n", found[macro_length]))
                return true;
        }
    }
    return false;
}

/* What stands in the manual on a command's own options, and on those of all. */
struct manual_part {
    const char *command;
    char *own, *common;
};

/* Every long option that `vbp COMMAND -h` prints. */
static void check_printed_options(const struct manual_part *part, const char *help)
{
    bool common = false;
    int options = 0;

    for (const char *at = help; *at; at++) {
        int length = (int)strspn(at + 1, "-abcdefghijklmnopqrstuvwxyz");

        common = common || strncmp(at, "\ncommon options:", 16) == 0;
        if (strncmp(at, " --", 3) != 0)
            continue;
        if (!explains(common ? part->common : part->own, at + 3, length - 2))
            fail_msg("doc/vbp.1 does not explain %.*s of %s", length, at + 1, part->command);
        options++;
    }
    assert_true(common && options > 9);
}

/* Every long option that the manual says the command has. */
static void check_explained_options(const char *explained, const char *command, const char *help)
{
    for (const char *at = explained; (at = strstr(at, "Fl -")); at++) {
        char option[64];

        snprintf(option, sizeof(option), " --%.*s ", (int)strcspn(at + 4, " \n"), at + 4);
        if (!strstr(help, option))
            fail_msg("doc/vbp.1 explains%sof %s, which has no such option", option, command);
    }
}

static void test_manual_has_the_options_of_the_program(void **state)
{
    static const char *const commands[] = {"watch",   "export", "frame", "info",
                                           "convert", "train",  "eval",  "bench"};
    char *manual = read_text("doc/vbp.1");
    char *all = cut(manual, "\nThe commands are:", "\n.Sh ");
    char *common = cut(all, "\nOptions that all commands take:", "\n.El");

    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        struct process_result help = VBP_RUN(commands[i], "-h");
        struct manual_part part = {.command = commands[i], .common = common};
        char heading[64];

        snprintf(heading, sizeof(heading), "\n.It Cm %s\n", commands[i]);
        part.own = cut(all, heading, "\n.El");
        assert_int_equal(help.status, 0);
        check_printed_options(&part, help.output);
        check_explained_options(part.own, commands[i], help.output);
        check_explained_options(common, commands[i], help.output);
        process_free(&help);
        free(part.own);
    }
    free(common);
    free(all);
    free(manual);
}

/* Adds a key line's names, ".It Ic \&. No or Ic p", as a reader sees them: ". or p". */
static void add_names(struct table *table, const char *line)
{
    char words[128];
    char *rest = NULL, names[128] = "";
    size_t used = 0;

    snprintf(words, sizeof(words), "%.*s", (int)strcspn(line, "\n"), line);
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (strcmp(word, "Ic") == 0 || strcmp(word, "No") == 0)
            continue;
        if (strncmp(word, "\\&", 2) == 0)
            word += 2;
        else if (strcmp(word, "\\-") == 0)
            word++;
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", used ? " " : "", word);
    }
    line += strcspn(line, "\n");
    snprintf(words, sizeof(words), "%.*s", (int)strcspn(line + 1, "\n"), line + 1);
    add_row(table, names, words);
}

static void test_manual_keys_are_the_programs(void **state)
{
    struct table expected = {0}, explained = {0};
    char *manual = read_text("doc/vbp.1");
    char *keys = cut(manual, "\n.Ss Keys of watch\n", "\n.Sh ");

    (void)state;
    keys_walk(add_row, &expected);
    assert_true(expected.used > 0);
    for (const char *item = keys; (item = strstr(item, "\n.It ")); item++)
        add_names(&explained, item + 5);
    assert_string_equal(explained.text, expected.text);
    free(keys);
    free(manual);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readme_commands_run),
        cmocka_unit_test(test_readme_begins_with_two_commands),
        cmocka_unit_test(test_readme_keys_are_the_programs),
        cmocka_unit_test(test_readme_card_is_a_card),
        cmocka_unit_test(test_models_lists_every_operator),
        cmocka_unit_test(test_manual_has_the_options_of_the_program),
        cmocka_unit_test(test_manual_keys_are_the_programs),
    };

    return cmocka_run_group_tests(tests, lane_files_setup, lane_files_teardown);
}
