/*
 * roadsim: draws drives along made-up roads, with the steering that they need and with what every
 * pixel shows. Everything follows from --seed.
 */
#include "base/file.h"
#include "base/memory.h"
#include "media/ffmpeg.h"
#include "record.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    SIDE_LEAST = 16,
    SIDE_MOST = 8192,
    THREADS_MOST = 256,
    FRAMES_MOST = 1000000
};

static const char usage[] =
    "usage: roadsim [options] --video OUT.mp4 | --log FOLDER\n"
    "\n"
    "Draws a drive along a made-up road, with the steering it needs.\n"
    "\n"
    "  --video OUT.mp4     the drive as a video (H.264)\n"
    "  --labels OUT.csv    frame, time, inverse_radius (1/m) and wheel_degrees that the driver "
    "asks\n"
    "                      for there (right is positive), weather, road, place in the lane, speed\n"
    "  --truth OUT         what pixels show: 0 rest, 1 lane marking, 2 road edge, 3 vehicle;\n"
    "                      a video (.mkv: FFV1, gray) or a folder of PNG pictures;\n"
    "                      with --log, 'log' puts them into FOLDER/truth\n"
    "  --log FOLDER        pictures with a Udacity driving_log.csv, labels.csv and drive.json\n"
    "  --drives K          with --log: K drives, in FOLDER/drive_0001 and on\n"
    "  --cameras 1|3       with --log: the centre one only, or left and right too (3)\n"
    "  --png               with --log: pictures as PNG, not JPEG\n"
    "  --quantiser N       of JPEG: 2 (best, default 3) to 31\n"
    "  --crf N             of the video (default 23)\n"
    "\n"
    "  --seed N            every choice follows from it (1)\n"
    "  --frames N          of each drive (600)\n"
    "  --fps F             frames of a second, 0.5 to 240 (30)\n"
    "  --size WxH          16 to 8192 each (640x360)\n"
    "  --samples N         points along each side of a pixel (2)\n"
    "  --road KIND         motorway, country, suburban or mixed (default)\n"
    "  --weather KIND      clear, overcast, dusk, night, rain, fog or mixed (default)\n"
    "  --traffic X         0 none, 1 usual (1)\n"
    "  --disturb X         how hard the car is pushed off its line, 0 not at all (1)\n"
    "  --threads N         (as many as cores)\n"
    "  -q, --quiet         no progress\n"
    "  -h, --help          this text\n";

enum option_code {
    OPTION_VIDEO = 256,
    OPTION_LABELS,
    OPTION_TRUTH,
    OPTION_LOG,
    OPTION_DRIVES,
    OPTION_CAMERAS,
    OPTION_PNG,
    OPTION_QUANTISER,
    OPTION_CRF,
    OPTION_SEED,
    OPTION_FRAMES,
    OPTION_FPS,
    OPTION_SIZE,
    OPTION_SAMPLES,
    OPTION_ROAD,
    OPTION_WEATHER,
    OPTION_TRAFFIC,
    OPTION_DISTURB,
    OPTION_THREADS
};

static const struct option long_options[] = {
    {"video", required_argument, NULL, OPTION_VIDEO},
    {"labels", required_argument, NULL, OPTION_LABELS},
    {"truth", required_argument, NULL, OPTION_TRUTH},
    {"log", required_argument, NULL, OPTION_LOG},
    {"drives", required_argument, NULL, OPTION_DRIVES},
    {"cameras", required_argument, NULL, OPTION_CAMERAS},
    {"png", no_argument, NULL, OPTION_PNG},
    {"quantiser", required_argument, NULL, OPTION_QUANTISER},
    {"crf", required_argument, NULL, OPTION_CRF},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"frames", required_argument, NULL, OPTION_FRAMES},
    {"fps", required_argument, NULL, OPTION_FPS},
    {"size", required_argument, NULL, OPTION_SIZE},
    {"samples", required_argument, NULL, OPTION_SAMPLES},
    {"road", required_argument, NULL, OPTION_ROAD},
    {"weather", required_argument, NULL, OPTION_WEATHER},
    {"traffic", required_argument, NULL, OPTION_TRAFFIC},
    {"disturb", required_argument, NULL, OPTION_DISTURB},
    {"threads", required_argument, NULL, OPTION_THREADS},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

struct arguments {
    struct drive_options drive;
    struct record_options record;
    int drives; /* 0: one, in the folder itself */
    bool quiet, help;
};

static int wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int wrong(const char *format, ...)
{
    va_list arguments;

    fputs("roadsim: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs("; see roadsim -h\n", stderr);
    return EXIT_USAGE;
}

static bool read_number(const char *text, double low, double high, double *number)
{
    char *end;

    errno = 0;
    *number = strtod(text, &end);
    return end != text && *end == '\0' && errno == 0 && *number >= low && *number <= high;
}

static bool read_whole(const char *text, int low, int high, int *number)
{
    double value;

    if (!read_number(text, low, high, &value) || value != floor(value))
        return false;
    *number = (int)value;
    return true;
}

static bool read_seed(const char *text, uint64_t *seed)
{
    char *end;

    errno = 0;
    *seed = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

static bool read_size(const char *text, int *width, int *height)
{
    char *end;
    long numbers[2];

    for (int i = 0; i < 2; i++) {
        errno = 0;
        numbers[i] = strtol(text, &end, 10);
        if (*text < '0' || *text > '9' || errno != 0 || *end != (i == 0 ? 'x' : '\0') ||
            numbers[i] < SIDE_LEAST || numbers[i] > SIDE_MOST)
            return false;
        text = end + 1;
    }
    *width = (int)numbers[0];
    *height = (int)numbers[1];
    return true;
}

static bool read_name(const char *text, const char *const *names, int count, int *choice)
{
    *choice = DRIVE_ANY;
    if (strcmp(text, "mixed") == 0)
        return true;
    for (int i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0)
            *choice = i;
    return *choice != DRIVE_ANY;
}

/* Takes one option; false where its value makes no sense. */
static bool take_option(struct arguments *arguments, int code, const char *value)
{
    struct drive_options *drive = &arguments->drive;
    struct record_options *record = &arguments->record;

    switch (code) {
    case OPTION_VIDEO:
        record->video = value;
        return true;
    case OPTION_LABELS:
        record->labels = value;
        return true;
    case OPTION_TRUTH:
        record->truth = value;
        return true;
    case OPTION_LOG:
        record->log = value;
        return true;
    case OPTION_DRIVES:
        return read_whole(value, 1, 100000, &arguments->drives);
    case OPTION_CAMERAS:
        record->side_cameras = strcmp(value, "3") == 0;
        return record->side_cameras || strcmp(value, "1") == 0;
    case OPTION_PNG:
        record->png = true;
        return true;
    case OPTION_QUANTISER:
        return read_whole(value, 2, 31, &record->quantiser);
    case OPTION_CRF:
        return read_whole(value, 0, 51, &record->crf);
    case OPTION_SEED:
        return read_seed(value, &drive->seed);
    case OPTION_FRAMES:
        return read_whole(value, 1, FRAMES_MOST, &drive->frames);
    case OPTION_FPS:
        return read_number(value, 0.5, 240, &drive->fps);
    case OPTION_SIZE:
        return read_size(value, &record->width, &record->height);
    case OPTION_SAMPLES:
        return read_whole(value, 1, 8, &record->samples);
    case OPTION_ROAD:
        return read_name(value, road_names, ROAD_KINDS, &drive->road);
    case OPTION_WEATHER:
        return read_name(value, weather_names, WEATHER_KINDS, &drive->weather);
    case OPTION_TRAFFIC:
        return read_number(value, 0, 10, &drive->traffic);
    case OPTION_DISTURB:
        return read_number(value, 0, 10, &drive->disturbance);
    case OPTION_THREADS:
        return read_whole(value, 1, THREADS_MOST, &record->threads);
    case 'q':
        arguments->quiet = true;
        return true;
    default:
        arguments->help = true;
        return true;
    }
}

static bool has_empty_name(const struct record_options *record)
{
    const char *names[] = {record->video, record->labels, record->truth, record->log};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i] && !*names[i])
            return true;
    }
    return false;
}

static int read_arguments(struct arguments *arguments, int argc, char **argv)
{
    struct record_options *record = &arguments->record;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int code, which = 0;

    *arguments = (struct arguments){.drive = {.seed = 1,
                                              .frames = 600,
                                              .fps = 30,
                                              .road = DRIVE_ANY,
                                              .weather = DRIVE_ANY,
                                              .traffic = 1,
                                              .disturbance = 1},
                                    .record = {.width = 640,
                                               .height = 360,
                                               .samples = 2,
                                               .threads = cores < 1              ? 1
                                                          : cores > THREADS_MOST ? THREADS_MOST
                                                                                 : (int)cores,
                                               .crf = 23,
                                               .quantiser = 3,
                                               .side_cameras = true}};
    opterr = 0;
    while ((code = getopt_long(argc, argv, ":qh", long_options, &which)) != -1) {
        if (code == ':')
            return wrong("%s wants a value", argv[optind - 1]);
        if (code == '?')
            return wrong("what is %s?", argv[optind - 1]);
        if (!take_option(arguments, code, optarg))
            return wrong("--%s %s makes no sense", long_options[which].name, optarg);
    }
    if (arguments->help)
        return EXIT_SUCCESS;
    if (optind < argc)
        return wrong("what is %s?", argv[optind]);
    if (!record->video && !record->log && !record->labels && !record->truth)
        return wrong("nothing to make: give --video or --log");
    if (has_empty_name(record))
        return wrong("a file or folder without a name");
    if (record->video && record->truth && strcmp(record->video, record->truth) == 0)
        return wrong("--video and --truth are one file");
    if (arguments->drives > 0 && (!record->log || record->video || record->labels))
        return wrong("--drives goes with --log alone");
    if (record->truth && strcmp(record->truth, "log") == 0) {
        if (!record->log)
            return wrong("--truth log goes with --log");
        record->truth = NULL;
        record->truth_in_log = true;
    } else if (record->truth && arguments->drives > 0) {
        return wrong("with --drives, truth goes to --truth log");
    }
    if (record->video && record->log)
        return wrong("either --video or --log");
    return EXIT_SUCCESS;
}

static int run_drive(const struct arguments *arguments, const struct art *art,
                     const struct drive_options *options, const char *log, VbpError *error)
{
    struct record_options record = arguments->record;
    struct drive drive;
    int result = drive_make(&drive, art, options, error);

    if (result != VBP_OK)
        return result;
    record.log = log;
    result = record_drive(&drive, &record, error);
    drive_free(&drive);
    return result;
}

/* A folder holds the drives of one run: one left of a longer run would pass for one of these. */
static int check_folder(const struct arguments *arguments, VbpError *error)
{
    char *next = memory_format("%s/drive_%04d", arguments->record.log, arguments->drives + 1);
    int result = VBP_OK;

    if (!next)
        return error_out_of_memory(error);
    if (file_exists(next))
        result = error_set(error, VBP_ERROR_IO, "%s is there already: of an earlier run", next);
    free(next);
    return result;
}

static int run_drives(const struct arguments *arguments, const struct art *art, VbpError *error)
{
    int result = check_folder(arguments, error);

    for (int i = 1; i <= arguments->drives && result == VBP_OK; i++) {
        struct drive_options options = arguments->drive;
        char *log = memory_format("%s/drive_%04d", arguments->record.log, i);

        if (!log)
            return error_out_of_memory(error);
        options.seed = random_stream(arguments->drive.seed, 1000 + (uint64_t)i).state >> 1;
        result = run_drive(arguments, art, &options, log, error);
        free(log);
        if (!arguments->quiet && isatty(STDERR_FILENO))
            fprintf(stderr, "\rroadsim: drive %d of %d%s", i, arguments->drives,
                    i == arguments->drives ? "\n" : "");
    }
    return result;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    struct art art;
    VbpError error;
    int result = read_arguments(&arguments, argc, argv);

    if (result != EXIT_SUCCESS)
        return result;
    if (arguments.help)
        return fputs(usage, stdout) < 0 ? EXIT_FAILED : EXIT_SUCCESS;
    media_quiet_ffmpeg();
    result = art_make(&art, &error);
    if (result == VBP_OK) {
        result = arguments.drives > 0
                     ? run_drives(&arguments, &art, &error)
                     : run_drive(&arguments, &art, &arguments.drive, arguments.record.log, &error);
        art_free(&art);
    }
    if (result != VBP_OK)
        fprintf(stderr, "roadsim: %s\n", error.message);
    return result == VBP_OK ? EXIT_SUCCESS : EXIT_FAILED;
}
