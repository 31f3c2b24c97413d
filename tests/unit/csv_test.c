/* Tables as text: what is a field, a record and a number, and what is refused where. */
#include "base/csv.h"

#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

static struct csv open_text(const char *text)
{
    struct csv csv;
    VbpError error;

    if (csv_open(&csv, scratch_write("table.csv", text, strlen(text)), 1 << 20, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return csv;
}

static void check_record(struct csv *csv, size_t line, int count, const char *const *fields)
{
    VbpError error;

    assert_int_equal(csv_read(csv, &error), CSV_RECORD);
    assert_int_equal(csv->line, line);
    assert_int_equal(csv->count, count);
    for (int i = 0; i < count; i++)
        assert_string_equal(csv->field[i], fields[i]);
}

static void reads_plain_fields(void **state)
{
    struct csv csv = open_text("\xef\xbb\xbfone, two ,\tthree\r\n\r\n  \n4,,6\nlast");

    (void)state;
    check_record(&csv, 1, 3, (const char *[]){"one", "two", "three"});
    check_record(&csv, 4, 3, (const char *[]){"4", "", "6"});
    check_record(&csv, 5, 1, (const char *[]){"last"});
    assert_int_equal(csv_read(&csv, NULL), CSV_END);
    assert_int_equal(csv_read(&csv, NULL), CSV_END);
    csv_close(&csv);
    csv_close(&csv);
}

static void reads_quoted_fields(void **state)
{
    struct csv csv = open_text("\"a, b\" , \"say \"\"this\"\"\",\" kept \"\n"
                               "\"two\nlines\",x\n\"\",\"end\"");

    (void)state;
    check_record(&csv, 1, 3, (const char *[]){"a, b", "say \"this\"", " kept "});
    check_record(&csv, 2, 2, (const char *[]){"two\nlines", "x"});
    check_record(&csv, 4, 2, (const char *[]){"", "end"});
    assert_int_equal(csv_read(&csv, NULL), CSV_END);
    csv_close(&csv);
}

static void a_comma_at_the_end_is_an_empty_field(void **state)
{
    struct csv csv = open_text("a,\n,");

    (void)state;
    check_record(&csv, 1, 2, (const char *[]){"a", ""});
    check_record(&csv, 2, 2, (const char *[]){"", ""});
    assert_int_equal(csv_read(&csv, NULL), CSV_END);
    csv_close(&csv);
}

static void refuse(const char *text, const char *reason)
{
    struct csv csv = open_text(text);
    VbpError error;
    int result;

    while ((result = csv_read(&csv, &error)) == CSV_RECORD)
        ;
    assert_int_equal(result, VBP_ERROR_FORMAT);
    if (!strstr(error.message, reason))
        fail_msg("\"%s\" does not say \"%s\"", error.message, reason);
    csv_close(&csv);
}

static void refuses_what_is_no_table(void **state)
{
    char *wide = malloc(100000);
    struct csv csv;
    VbpError error;

    (void)state;
    assert_non_null(wide);
    refuse("a\n\"open\nand open", "table.csv:2: a quote that does not end");
    refuse("a\n\"x\ny\" b,c", "table.csv:3: text behind a quote");
    memset(wide, ',', 70);
    wide[70] = 0;
    refuse(wide, "table.csv:1: more than 64 fields");
    memset(wide, 'x', 99999);
    wide[99999] = 0;
    refuse(wide, "table.csv:1: longer than");
    free(wide);

    assert_int_equal(csv_open(&csv, scratch_write("zero", "a\nb\0c", 5), 100, &error),
                     VBP_ERROR_FORMAT);
    assert_non_null(strstr(error.message, "zero:2: a zero byte"));
    assert_null(csv.text);
    assert_int_equal(csv_open(&csv, scratch_path("absent"), 100, &error), VBP_ERROR_IO);
    assert_int_equal(csv_open(&csv, scratch_path("zero"), 4, &error), VBP_ERROR_UNSUPPORTED);
}

static void finds_columns_by_name(void **state)
{
    struct csv csv = open_text("Center,left, STEERING");

    (void)state;
    assert_int_equal(csv_read(&csv, NULL), CSV_RECORD);
    assert_int_equal(csv_find(&csv, "center"), 0);
    assert_int_equal(csv_find(&csv, "steering"), 2);
    assert_int_equal(csv_find(&csv, "right"), -1);
    csv_close(&csv);
}

static void numbers_are_decimal(void **state)
{
    static const char *const wrong[] = {"",     "nan", "inf",   "0x10", "1,5", " 1",
                                        "1.5x", "-",   "1e999", "1e",   "1 ",  "e5"};
    double number = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (csv_number(wrong[i], &number))
            fail_msg("'%s' was read as %g", wrong[i], number);
    }
    assert_true(number == 7);
    assert_true(csv_number("-0.1287396", &number) && number == -0.1287396);
    assert_true(csv_number("+2.5E-3", &number) && number == 2.5e-3);
    assert_true(csv_number(".5", &number) && number == 0.5);
}

/* With a locale that writes 0,5 where the machine has one. */
static void numbers_do_not_follow_the_locale(void **state)
{
    double number;

    (void)state;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8")) {
        print_message("skipped: no locale with a decimal comma is installed\n");
        skip();
    }
    assert_true(csv_number("0.5", &number) && number == 0.5);
    assert_false(csv_number("0,5", &number));
    setlocale(LC_NUMERIC, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_plain_fields),
        cmocka_unit_test(reads_quoted_fields),
        cmocka_unit_test(a_comma_at_the_end_is_an_empty_field),
        cmocka_unit_test(refuses_what_is_no_table),
        cmocka_unit_test(finds_columns_by_name),
        cmocka_unit_test(numbers_are_decimal),
        cmocka_unit_test(numbers_do_not_follow_the_locale),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
