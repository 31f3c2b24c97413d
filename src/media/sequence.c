#include "media/sequence.h"

#include "base/memory.h"
#include "media/dataset.h"

#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* A second of what says nothing of its rate. */
#define DEFAULT_RATE 20.0

/* Pictures of one folder; more are refused. */
#define MAX_PICTURES ((size_t)10000000)

static bool is_folder(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool exists(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0;
}

/* ---- Names ---------------------------------------------------------------------------------- */

/* Digits count as numbers, so that 2 comes before 10; equal numbers with more zeros come later. */
static int compare_naturally(const char *a, const char *b)
{
    int zeros = 0;

    while (*a && *b) {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            size_t a_zeros = strspn(a, "0"), b_zeros = strspn(b, "0");
            size_t a_digits, b_digits;
            int order;

            a += a_zeros;
            b += b_zeros;
            a_digits = strspn(a, "0123456789");
            b_digits = strspn(b, "0123456789");
            if (a_digits != b_digits)
                return a_digits < b_digits ? -1 : 1;
            order = strncmp(a, b, a_digits);
            if (order != 0)
                return order;
            if (zeros == 0)
                zeros = (a_zeros > b_zeros) - (a_zeros < b_zeros);
            a += a_digits;
            b += b_digits;
        } else if (*a != *b) {
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        } else {
            a++;
            b++;
        }
    }
    if (*a || *b)
        return *a ? 1 : -1;
    return zeros;
}

static int compare_pictures(const void *a, const void *b)
{
    return compare_naturally(((const struct sequence_picture *)a)->path,
                             ((const struct sequence_picture *)b)->path);
}

static bool is_picture_name(const char *name)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png",  ".bmp", ".ppm",
                                          ".pgm", ".tif",  ".tiff", ".webp"};
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < sizeof(endings) / sizeof(endings[0]); i++) {
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    }
    return false;
}

/*
 * name = before the number, number, behind it. The pattern is one %d or %0Nd (N digits at least, as
 * printf writes them), with %% for a percent sign.
 */
struct pattern {
    char before[256], behind[256];
    size_t digits; /* at least; exactly, unless the number is larger */
    bool zeros;
};

/* Copies up to the next %d into `part`; false where what follows is no pattern. */
static bool parse_part(const char **at, char *part, size_t size)
{
    size_t length = 0;

    for (; **at; (*at)++) {
        if (**at == '%' && (*at)[1] != '%')
            break;
        *at += **at == '%';
        if (length + 1 == size)
            return false;
        part[length++] = **at;
    }
    part[length] = 0;
    return true;
}

static bool parse_pattern(const char *text, struct pattern *pattern)
{
    *pattern = (struct pattern){0};
    if (!parse_part(&text, pattern->before, sizeof(pattern->before)) || *text++ != '%')
        return false;
    pattern->zeros = *text == '0';
    for (; isdigit((unsigned char)*text) && pattern->digits < 100; text++)
        pattern->digits = 10 * pattern->digits + (size_t)(*text - '0');
    if (*text++ != 'd' || pattern->digits > 18)
        return false;
    return parse_part(&text, pattern->behind, sizeof(pattern->behind)) && !*text;
}

static bool matches(const struct pattern *pattern, const char *name)
{
    size_t length = strlen(name), before = strlen(pattern->before),
           behind = strlen(pattern->behind), digits;

    if (length < before + behind + 1 || strncmp(name, pattern->before, before) != 0 ||
        strcmp(name + length - behind, pattern->behind) != 0)
        return false;
    name += before;
    length -= before + behind;
    digits = strspn(name, "0123456789");
    if (digits != length || length < pattern->digits)
        return false;
    /* More digits than asked for only where the number needs them. */
    return length == (pattern->zeros ? pattern->digits : 1) || *name != '0';
}

/* ---- Folders -------------------------------------------------------------------------------- */

static int add(struct sequence *sequence, size_t *capacity, char *path, double recorded,
               VbpError *error)
{
    if (!path || !memory_grow((void **)&sequence->pictures, capacity, sequence->count + 1,
                              sizeof(*sequence->pictures))) {
        free(path);
        return error_out_of_memory(error);
    }
    sequence->pictures[sequence->count++] =
        (struct sequence_picture){.path = path, .recorded = recorded};
    return VBP_OK;
}

static void spread_evenly(struct sequence *sequence)
{
    for (size_t i = 0; i < sequence->count; i++)
        sequence->pictures[i].time = llround((double)i * 1000 / DEFAULT_RATE);
}

/* The folder's pictures, or those that match a pattern (not NULL). */
static int read_folder(struct sequence *sequence, const char *folder, const struct pattern *pattern,
                       VbpError *error)
{
    DIR *stream = opendir(folder);
    const struct dirent *entry;
    size_t capacity = 0;
    int result = VBP_OK;

    if (!stream)
        return error_set_errno(error, "cannot open", folder);
    while (result == VBP_OK && (entry = readdir(stream)) != NULL) {
        if (entry->d_name[0] == '.' ||
            !(pattern ? matches(pattern, entry->d_name) : is_picture_name(entry->d_name)))
            continue;
        result = sequence->count < MAX_PICTURES
                     ? add(sequence, &capacity, memory_format("%s/%s", folder, entry->d_name), NAN,
                           error)
                     : error_set(error, VBP_ERROR_UNSUPPORTED, "%s: more than %zu pictures", folder,
                                 MAX_PICTURES);
    }
    closedir(stream);
    if (result == VBP_OK && sequence->count > 0)
        qsort(sequence->pictures, sequence->count, sizeof(*sequence->pictures), compare_pictures);
    spread_evenly(sequence);
    return result;
}

static int read_pattern(struct sequence *sequence, const char *name, const struct pattern *pattern,
                        VbpError *error)
{
    const char *slash = strrchr(name, '/');
    char *folder = memory_format("%.*s", slash ? (int)(slash - name) + 1 : 1, slash ? name : ".");
    int result;

    if (!folder)
        return error_out_of_memory(error);
    result = read_folder(sequence, folder, pattern, error);
    free(folder);
    if (result == VBP_OK && sequence->count == 0)
        result = error_set(error, VBP_ERROR_IO, "%s: no file has such a name", name);
    return result;
}

/* ---- Recordings ----------------------------------------------------------------------------- */

/*
 * Times of all drives one after the other. Within a drive they are the recorder's, moved to begin
 * where the drive before ended; what does not rise there is moved apart by a millisecond.
 */
static void place(struct sequence *sequence, const struct dataset *dataset)
{
    double begin = 0; /* of the drive, in milliseconds */

    for (size_t i = 0, first = 0; i < sequence->count; i++) {
        const struct sample *sample = &dataset->samples[i], *start;
        double fps = dataset->drives[sample->drive].fps, step, time;
        int64_t before = i > 0 ? sequence->pictures[i - 1].time : -1;

        step = 1000 / (fps > 0 ? fps : DEFAULT_RATE);
        if (i > 0 && sample->drive != dataset->samples[i - 1].drive) {
            begin = (double)before + step;
            first = i;
        }
        start = &dataset->samples[first];
        time = begin + (isnan(sample->time) ? (double)(i - first) * step
                                            : (sample->time - start->time) * 1000);
        sequence->pictures[i].time = llround(time);
        if (sequence->pictures[i].time <= before)
            sequence->pictures[i].time = before + 1;
    }
}

static int read_recording(struct sequence *sequence, const char *name, VbpError *error)
{
    struct dataset *dataset;
    size_t capacity = 0;
    int result = dataset_open(&dataset, name, &(struct dataset_options){0}, error);

    if (result != VBP_OK)
        return result;
    for (size_t i = 0; i < dataset->count && result == VBP_OK; i++) {
        struct sample *sample = &dataset->samples[i];

        result = add(sequence, &capacity, sample->image, sample->steering, error);
        sample->image = NULL; /* add has taken it over */
    }
    if (result == VBP_OK)
        place(sequence, dataset);
    dataset_close(&dataset);
    return result;
}

/* ---- Opening -------------------------------------------------------------------------------- */

static bool ends_with(const char *name, const char *ending)
{
    size_t length = strlen(name), size = strlen(ending);

    return length >= size && strcasecmp(name + length - size, ending) == 0;
}

static int read_any(struct sequence *sequence, const char *name, VbpError *error)
{
    const char *slash = strrchr(name, '/');
    struct pattern pattern;
    int result;

    if (!exists(name) && parse_pattern(slash ? slash + 1 : name, &pattern))
        return read_pattern(sequence, name, &pattern, error);
    if (!is_folder(name))
        return ends_with(name, ".csv") ? read_recording(sequence, name, error) : VBP_OK;
    if (dataset_is_recording(name))
        return read_recording(sequence, name, error);
    result = read_folder(sequence, name, NULL, error);
    if (result != VBP_OK || sequence->count > 0)
        return result;
    return read_recording(sequence, name, error); /* a folder of recordings */
}

int sequence_open(struct sequence **sequence, const char *name, VbpError *error)
{
    struct sequence *made = memory_array(1, sizeof(*made));
    int result;

    *sequence = NULL;
    if (!made)
        return error_out_of_memory(error);
    result = read_any(made, name, error);
    if (result == VBP_OK && made->count > 0)
        *sequence = made;
    else
        sequence_close(&made);
    return result;
}

void sequence_close(struct sequence **sequence)
{
    struct sequence *closed = *sequence;

    if (!closed)
        return;
    for (size_t i = 0; i < closed->count; i++)
        free(closed->pictures[i].path);
    free(closed->pictures);
    free(closed);
    *sequence = NULL;
}

int64_t sequence_duration(const struct sequence *sequence, size_t index)
{
    const struct sequence_picture *pictures = sequence->pictures;

    if (sequence->count < 2)
        return llround(1000 / DEFAULT_RATE);
    if (index + 1 == sequence->count)
        index--;
    return pictures[index + 1].time - pictures[index].time;
}

size_t sequence_at(const struct sequence *sequence, int64_t time)
{
    size_t low = 0, high = sequence->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (sequence->pictures[middle].time <= time)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? low - 1 : 0;
}
