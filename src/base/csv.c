#include "base/csv.h"

#include "base/file.h"
#include "base/memory.h"

#include <locale.h>
#include <math.h>
#include <string.h>
#include <strings.h>

/* Bytes of one record. */
#define MAX_RECORD 65536

/* Zeroes would end fields; no table has them. */
static int check_text(const struct csv *csv, VbpError *error)
{
    const char *zero = memchr(csv->text, 0, csv->length);
    size_t line = 1;

    if (!zero)
        return VBP_OK;
    for (const char *c = csv->text; c < zero; c++)
        line += *c == '\n';
    return error_set(error, VBP_ERROR_FORMAT, "%s:%zu: a zero byte; this is no text", csv->path,
                     line);
}

int csv_open(struct csv *csv, const char *path, size_t limit, VbpError *error)
{
    unsigned char *bytes = NULL;
    int result;

    *csv = (struct csv){.next_line = 1};
    csv->path = memory_copy_text(path);
    result = csv->path ? file_read(path, limit, &bytes, &csv->length, error)
                       : error_out_of_memory(error);
    csv->text = (char *)bytes;
    if (result == VBP_OK)
        result = check_text(csv, error);
    if (result != VBP_OK) {
        csv_close(csv);
        return result;
    }
    if (csv->length >= 3 && memcmp(csv->text, "\xef\xbb\xbf", 3) == 0)
        csv->at = 3;
    return VBP_OK;
}

void csv_close(struct csv *csv)
{
    free(csv->path);
    free(csv->text);
    *csv = (struct csv){0};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Whether the record ends here: at LF, CRLF or the end of the file. */
static bool ends_record(const struct csv *csv, size_t at)
{
    return at >= csv->length || csv->text[at] == '\n' ||
           (csv->text[at] == '\r' && (at + 1 >= csv->length || csv->text[at + 1] == '\n'));
}

/* Cuts out the quoted field at csv->at and closes up doubled quotes in place. */
static int read_quoted(struct csv *csv, VbpError *error)
{
    char *to = csv->text + ++csv->at;

    csv->field[csv->count++] = to;
    for (;; csv->at++) {
        char c;

        if (csv->at >= csv->length)
            return error_set(error, VBP_ERROR_FORMAT, "%s:%zu: a quote that does not end",
                             csv->path, csv->line);
        c = csv->text[csv->at];
        if (c == '"') {
            if (csv->text[csv->at + 1] != '"') /* at the end of the file there is a zero */
                break;
            csv->at++;
        } else if (c == '\n') {
            csv->next_line++;
        }
        *to++ = c;
    }
    *to = 0; /* at the latest on the closing quote */
    csv->at++;
    while (is_blank(csv->text[csv->at]))
        csv->at++;
    if (csv->text[csv->at] != ',' && !ends_record(csv, csv->at))
        return error_set(error, VBP_ERROR_FORMAT, "%s:%zu: text behind a quote", csv->path,
                         csv->next_line);
    return VBP_OK;
}

/* Finds the end of the plain field at csv->at. *end: where its zero goes. */
static void read_plain(struct csv *csv, char **end)
{
    char *start = csv->text + csv->at;

    csv->field[csv->count++] = start;
    while (csv->text[csv->at] != ',' && !ends_record(csv, csv->at))
        csv->at++;
    *end = csv->text + csv->at;
    while (*end > start && is_blank((*end)[-1]))
        (*end)--;
}

static void skip_line_end(struct csv *csv)
{
    if (csv->at < csv->length && csv->text[csv->at] == '\r')
        csv->at++;
    if (csv->at < csv->length)
        csv->at++;
    csv->next_line++;
}

/* Moves to the next record. False: there is none. */
static bool skip_empty_lines(struct csv *csv)
{
    for (;;) {
        size_t at = csv->at;

        while (is_blank(csv->text[at]))
            at++;
        if (!ends_record(csv, at))
            return true;
        csv->at = at;
        if (at >= csv->length)
            return false;
        skip_line_end(csv);
    }
}

int csv_read(struct csv *csv, VbpError *error)
{
    size_t start;

    csv->count = 0;
    if (!skip_empty_lines(csv))
        return CSV_END;
    csv->line = csv->next_line;
    start = csv->at;
    for (;;) {
        char *end = NULL;
        bool last;
        int result = VBP_OK;

        while (is_blank(csv->text[csv->at]))
            csv->at++;
        if (csv->count == CSV_MAX_FIELDS)
            return error_set(error, VBP_ERROR_FORMAT, "%s:%zu: more than %d fields", csv->path,
                             csv->line, CSV_MAX_FIELDS);
        if (csv->text[csv->at] == '"')
            result = read_quoted(csv, error);
        else
            read_plain(csv, &end);
        if (result != VBP_OK)
            return result;
        if (csv->at - start > MAX_RECORD)
            return error_set(error, VBP_ERROR_FORMAT, "%s:%zu: longer than %d bytes", csv->path,
                             csv->line, MAX_RECORD);
        last = csv->text[csv->at] != ',';
        if (last)
            skip_line_end(csv);
        else
            csv->at++;
        if (end)
            *end = 0;
        if (last)
            return CSV_RECORD;
    }
}

int csv_find(const struct csv *csv, const char *name)
{
    for (int i = 0; i < csv->count; i++) {
        if (strcasecmp(csv->field[i], name) == 0)
            return i;
    }
    return -1;
}

bool csv_number(const char *text, double *number)
{
    /* strtod alone would read "nan", "0x1p3" and leading blanks, and the user's decimal comma. */
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value;
    char *end;

    if (!plain)
        return false;
    value = strtod_l(text, &end, plain);
    freelocale(plain);
    if (!*text || *end || text[strspn(text, "0123456789+-.eE")] || !isfinite(value))
        return false;
    *number = value;
    return true;
}
