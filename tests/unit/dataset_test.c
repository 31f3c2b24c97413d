/* Labelled drives: logs and tubs as they are found, and what of them is refused where. */
#include "media/dataset.h"

#include "base/file.h"
#include "support/data.h"
#include "support/loader_check.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct dataset_options everything;

/* Is it one of the files that the fuzzers of logs and tubs are about, they begin with it. */
static void save_seed_of(const char *name, const char *text)
{
    static const char *manifest = "", *catalog = "";
    const char *base = strrchr(name, '/') + 1;
    char both[8192];

    if (strcmp(base, "driving_log.csv") == 0) {
        save_seed("log", text, strlen(text));
    } else if (strncmp(base, "record_", 7) == 0) {
        save_seed("tub", text, strlen(text));
    } else if (strcmp(base, "manifest.json") == 0 || strcmp(base, "catalog_0.catalog") == 0) {
        *(*base == 'm' ? &manifest : &catalog) = text;
        snprintf(both, sizeof(both), "%s\xff%s", manifest, catalog);
        save_seed("tub", both, strlen(both));
    }
}

/* Writes text to a file whose folders are made. The text of a tub is a literal. */
static void put(const char *name, const char *text)
{
    char folder[600];
    const char *path = scratch_path(name);
    VbpError error;

    snprintf(folder, sizeof(folder), "%s", path);
    *strrchr(folder, '/') = 0;
    if (file_make_folder(folder, &error) != VBP_OK)
        fail_msg("%s", error.message);
    scratch_write(name, text, strlen(text));
    save_seed_of(name, text);
}

static struct dataset *open_with(const char *path, const struct dataset_options *options)
{
    struct dataset *dataset;
    VbpError error;

    if (dataset_open(&dataset, path, options, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return dataset;
}

static struct dataset *open_all(const char *name)
{
    return open_with(scratch_path(name), &everything);
}

static void refuse_with(const char *name, const struct dataset_options *options, int status,
                        const char *reason)
{
    struct dataset *dataset;
    VbpError error;

    assert_int_equal(dataset_open(&dataset, scratch_path(name), options, &error), status);
    assert_null(dataset);
    if (!strstr(error.message, reason))
        fail_msg("\"%s\" does not say \"%s\"", error.message, reason);
}

static void refuse(const char *name, const char *reason)
{
    refuse_with(name, &everything, VBP_ERROR_FORMAT, reason);
}

/* The sample's image is that file of the scratch folder. */
static void check_sample(const struct dataset *dataset, size_t index, const char *image,
                         double steering, int camera)
{
    const struct sample *sample = &dataset->samples[index];

    assert_true(index < dataset->count);
    if (!file_same(sample->image, scratch_path(image)))
        fail_msg("sample %zu is %s instead of %s", index, sample->image, image);
    assert_true(sample->steering == steering);
    assert_int_equal(sample->camera, camera);
}

/* ---- Udacity -------------------------------------------------------------------------------- */

static void make_images(const char *folder)
{
    static const char *const names[] = {"c1.png", "c2.png", "l1.png", "r1.png", "l2.png", "r2.png"};
    char name[200];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(name, sizeof(name), "%s/IMG/%s", folder, names[i]);
        put(name, "");
    }
}

static void reads_a_log(void **state)
{
    struct dataset *dataset;

    (void)state;
    make_images("log");
    put("log/driving_log.csv", "center,left,right,steering,throttle,brake,speed\n"
                               "IMG/c1.png, IMG/l1.png, IMG/r1.png, -0.25, 0.9, 0, 30\n"
                               "IMG/c2.png, IMG/l2.png, IMG/r2.png, 1e-1, 0.9, 0, 30\n");
    for (int by_folder = 0; by_folder < 2; by_folder++) {
        dataset = open_all(by_folder ? "log" : "log/driving_log.csv");
        assert_string_equal(dataset->kind, "Udacity log");
        assert_int_equal(dataset->count, 2);
        assert_int_equal(dataset->drive_count, 1);
        assert_int_equal(dataset->missing_images, 0);
        assert_null(dataset->first_missing);
        check_sample(dataset, 0, "log/IMG/c1.png", -0.25, 0);
        check_sample(dataset, 1, "log/IMG/c2.png", 0.1, 0);
        dataset_close(&dataset);
        assert_null(dataset);
    }
    dataset_close(&dataset);
}

static void reads_logs_of_other_machines(void **state)
{
    struct dataset *dataset;

    (void)state;
    make_images("moved");
    put("moved/driving_log.csv",
        "C:\\Users\\me\\run 1\\IMG\\c1.png,\"D:\\IMG\\l1.png\",x,0.5,1,0,3\r\n"
        "\r\n"
        "/home/me/elsewhere/c2.png , , ,\"-.5\"\r\n");
    dataset = open_all("moved");
    assert_int_equal(dataset->count, 2);
    check_sample(dataset, 0, "moved/IMG/c1.png", 0.5, 0);
    check_sample(dataset, 1, "moved/IMG/c2.png", -0.5, 0);
    dataset_close(&dataset);
}

static void columns_follow_the_header(void **state)
{
    struct dataset *dataset;

    (void)state;
    make_images("header");
    put("header/driving_log.csv", "steering,speed,Center\n0.75,3,IMG/c1.png\n");
    dataset = open_all("header");
    check_sample(dataset, 0, "header/IMG/c1.png", 0.75, 0);
    dataset_close(&dataset);
    refuse_with("header", &(struct dataset_options){.side_cameras = true}, VBP_ERROR_ARGUMENT,
                "driving_log.csv:1: no columns left and right");
}

static void side_cameras_are_corrected(void **state)
{
    struct dataset *dataset;

    (void)state;
    make_images("sides");
    put("sides/driving_log.csv", "IMG/c1.png,IMG/l1.png,IMG/r1.png,0.25,0,0,0\n"
                                 "IMG/c2.png,,IMG/absent.png,-0.5,0,0,0\n");
    dataset = open_with(scratch_path("sides"),
                        &(struct dataset_options){.side_cameras = true, .side_correction = 0.125});
    assert_int_equal(dataset->count, 4);
    check_sample(dataset, 0, "sides/IMG/c1.png", 0.25, 0);
    check_sample(dataset, 1, "sides/IMG/l1.png", 0.375, -1);
    check_sample(dataset, 2, "sides/IMG/r1.png", 0.125, 1);
    check_sample(dataset, 3, "sides/IMG/c2.png", -0.5, 0);
    assert_int_equal(dataset->missing_images, 1);
    assert_non_null(strstr(dataset->first_missing, "absent.png"));
    dataset_close(&dataset);
}

static void counts_missing_images(void **state)
{
    struct dataset *dataset;

    (void)state;
    make_images("missing");
    put("missing/driving_log.csv", "IMG/a.png,,,0\nIMG/c1.png,,,1\nIMG/b.png,,,2\nIMG,,,3\n");
    dataset = open_all("missing");
    assert_int_equal(dataset->count, 1);
    check_sample(dataset, 0, "missing/IMG/c1.png", 1, 0);
    assert_int_equal(dataset->missing_images, 3);
    assert_non_null(strstr(dataset->first_missing, "/IMG/a.png"));
    dataset_close(&dataset);

    put("missing/driving_log.csv", "IMG/a.png,,,0\nIMG/b.png,,,2\n");
    refuse("missing", "none of its 2 images exists; the first is ");
}

static void takes_the_chosen_records(void **state)
{
    struct dataset *dataset;
    char text[1000] = "center,left,right,steering\n";

    (void)state;
    make_images("range");
    for (int i = 0; i < 10; i++)
        sprintf(text + strlen(text), "IMG/c1.png,,,%d\n", i);
    put("range/driving_log.csv", text);
    dataset = open_with(scratch_path("range"), &(struct dataset_options){.first = 3, .count = 4});
    assert_int_equal(dataset->count, 4);
    assert_true(dataset->samples[0].steering == 3 && dataset->samples[3].steering == 6);
    dataset_close(&dataset);
    dataset = open_with(scratch_path("range"), &(struct dataset_options){.first = 8});
    assert_int_equal(dataset->count, 2);
    dataset_close(&dataset);
    refuse_with("range", &(struct dataset_options){.first = 10}, VBP_ERROR_ARGUMENT,
                "has no record 10; it has 10");
    refuse_with("range", &(struct dataset_options){.first = -1}, VBP_ERROR_ARGUMENT, "-1");
}

static void pauses_part_drives(void **state)
{
    static const char *const names[] = {"center_2016_12_31_23_59_59_500.png",
                                        "center_2016_12_31_23_59_59_600.png",
                                        "center_2017_01_01_00_00_01_600.png", /* 2 s later */
                                        "center_2017_01_01_00_00_03_601.png", /* 2.001 s later */
                                        "center_2017_01_01_00_00_03_701.png",
                                        "center_2016_12_31_23_59_59_500.png", /* back */
                                        "plain.png"};
    static const int drives[] = {0, 0, 0, 1, 1, 2, 2};
    struct dataset *dataset;
    char text[1000] = "", name[100];

    (void)state;
    for (int i = 0; i < 7; i++) {
        snprintf(name, sizeof(name), "pause/IMG/%s", names[i]);
        put(name, "");
        sprintf(text + strlen(text), "C:\\7_8\\IMG\\%s,,,%d\n", names[i], i);
    }
    put("pause/driving_log.csv", text);
    dataset = open_all("pause");
    assert_int_equal(dataset->count, 7);
    assert_int_equal(dataset->drive_count, 3);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(dataset->samples[i].drive, drives[i]);
    dataset_close(&dataset);
}

static void refuses_damaged_logs(void **state)
{
    (void)state;
    make_images("damaged");
    put("damaged/driving_log.csv", "");
    refuse("damaged", "driving_log.csv:1: no records");
    put("damaged/driving_log.csv", "center,left,right,steering\n\n");
    refuse("damaged", "driving_log.csv:3: no records");
    put("damaged/driving_log.csv", "IMG/c1.png,,,0.5\nIMG/c2.png,,,left\n");
    refuse("damaged", "driving_log.csv:2: the steering 'left' is no number");
    put("damaged/driving_log.csv", "IMG/c1.png,,,0.5\nIMG/c2.png,,,nan\n");
    refuse("damaged", "driving_log.csv:2: the steering 'nan' is no number");
    put("damaged/driving_log.csv", "IMG/c1.png,,,0.5\nIMG/c2.png,,\n");
    refuse("damaged", "driving_log.csv:2: only 3 fields");
    put("damaged/driving_log.csv", "IMG/c1.png,,,0.5\n,,,1\n");
    refuse("damaged", "driving_log.csv:2: no image");
    put("damaged/driving_log.csv", "time,angle\n1,2\n");
    refuse("damaged", "driving_log.csv:1: neither a header");
    put("damaged/driving_log.csv", "IMG/c1.png,,,0.5\n\"IMG/c2.png,,,1\n");
    refuse("damaged", "driving_log.csv:2: a quote that does not end");
}

static void reads_drives_in_the_order_of_their_names(void **state)
{
    struct dataset *dataset;

    (void)state;
    make_images("road/drive_0002");
    make_images("road/drive_0001");
    make_images("road/drive_0001-b");
    put("road/drive_0002/driving_log.csv", "center,steering\nIMG/c1.png,2\nIMG/c2.png,2.5\n");
    put("road/drive_0001/driving_log.csv", "center,steering\nIMG/c1.png,1\n");
    put("road/drive_0001-b/driving_log.csv", "center,steering\nIMG/c1.png,1.5\n");
    put("road/notes/readme.txt", "no drive");
    put("road/.hidden/driving_log.csv", "center,steering\nIMG/c1.png,9\n");
    dataset = open_all("road");
    assert_string_equal(dataset->kind, "Udacity log");
    assert_int_equal(dataset->count, 4);
    assert_int_equal(dataset->drive_count, 3);
    check_sample(dataset, 0, "road/drive_0001/IMG/c1.png", 1, 0);
    check_sample(dataset, 1, "road/drive_0001-b/IMG/c1.png", 1.5, 0);
    check_sample(dataset, 2, "road/drive_0002/IMG/c1.png", 2, 0);
    check_sample(dataset, 3, "road/drive_0002/IMG/c2.png", 2.5, 0);
    assert_int_equal(dataset->samples[3].drive, 2);
    dataset_close(&dataset);

    put("road/drive_0001/drive.json", "{}");
    put("road/drive_0001-b/drive.json", "{}");
    put("road/drive_0002/drive.json", "{}");
    dataset = open_with(scratch_path("road"), &(struct dataset_options){.first = 2, .count = 1});
    assert_string_equal(dataset->kind, "roadsim");
    assert_int_equal(dataset->count, 1);
    assert_int_equal(dataset->drive_count, 1);
    check_sample(dataset, 0, "road/drive_0002/IMG/c1.png", 2, 0);
    assert_int_equal(dataset->samples[0].drive, 0);
    dataset_close(&dataset);

    put("road/drive_0001/drive.json", "{\"weather\": \"rain\", \"road\": \"country\", "
                                      "\"full_lock_degrees\": 180}");
    put("road/drive_0001-b/drive.json",
        "{\"weather\": \"\\u001b[2J\", \"road\": 7, \"full_lock_degrees\": -1}");
    put("road/drive_0002/drive.json", "not JSON");
    dataset = open_all("road");
    assert_int_equal(dataset->drive_count, 3);
    assert_string_equal(dataset->drives[0].weather, "rain");
    assert_string_equal(dataset->drives[0].road, "country");
    assert_true(dataset->drives[0].degrees_per_unit == 180);
    for (int d = 1; d < 3; d++) {
        assert_null(dataset->drives[d].weather);
        assert_null(dataset->drives[d].road);
        assert_true(dataset->drives[d].degrees_per_unit == 0);
    }
    dataset_close(&dataset);

    put("road/drive_0002/driving_log.csv", "center,steering\nIMG/c1.png,?\n");
    refuse("road", "drive_0002/driving_log.csv:2: the steering");
}

static char *truth_of(const char *image)
{
    char path[600];
    struct sample sample = {.image = path};

    snprintf(path, sizeof(path), "%s", scratch_path(image));
    return dataset_find_truth(&sample);
}

static void finds_the_truth_of_a_picture(void **state)
{
    char *truth;

    (void)state;
    put("seen/truth/000007.png", "");
    truth = truth_of("seen/IMG/center_000007.jpg");
    assert_non_null(truth);
    assert_true(file_same(truth, scratch_path("seen/truth/000007.png")));
    free(truth);
    assert_null(truth_of("seen/IMG/center_000008.jpg"));
    assert_null(truth_of("seen/IMG/left_000007.jpg"));
    assert_null(truth_of("seen/IMG/center_000007_1.jpg"));
    assert_null(truth_of("seen/IMG/center_.jpg"));
    assert_null(truth_of("seen/center_000007.jpg"));
}

static void refuses_what_no_wheel_does(void **state)
{
    struct dataset_options sides = {.side_cameras = true};

    (void)state;
    make_images("wild");
    put("wild/driving_log.csv", "IMG/c1.png, , , 1e300, 0, 0, 30\n");
    refuse("wild", "driving_log.csv:1: a steering of 1e+300");
    put("wild/driving_log.csv", "IMG/c1.png, , , 1, 0, 0, 30\n");
    refuse_with("wild", &sides, VBP_ERROR_FORMAT, "no left and right image");
    put("wild/driving_log.csv", "center,left,right,steering\nIMG/c1.png,,,1,5\n");
    refuse("wild", "driving_log.csv:2: 5 fields where the header has 4");
    put("wildtub/1.png", "");
    put("wildtub/record_1.json", "{\"cam/image_array\": \"1.png\", \"user/angle\": -1e7}");
    refuse("wildtub", "user/angle is -1e+07");
}

static void refuses_what_is_no_data_set(void **state)
{
    (void)state;
    put("empty/nothing.txt", "nothing");
    refuse("empty", "no driving_log.csv, no Donkey tub");
    refuse_with("not there", &everything, VBP_ERROR_IO, "not there");
    put("empty/model.onnx", "\x08\x01\x02");
    refuse("empty/model.onnx", "model.onnx:1:");
}

/* ---- Donkey --------------------------------------------------------------------------------- */

static void reads_a_tub_v1(void **state)
{
    static const int numbers[] = {2, 10, 9, 100};
    struct dataset *dataset;
    char name[100], text[300];

    (void)state;
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof(name), "tub1/record_%d.json", numbers[i]);
        snprintf(
            text, sizeof(text),
            "{\"cam/image_array\": \"%d_cam.jpg\",\n \"user/angle\": %d.5, \"milliseconds\": %d}",
            numbers[i], numbers[i], numbers[i] * 30);
        put(name, text);
        snprintf(name, sizeof(name), "tub1/%d_cam.jpg", numbers[i]);
        put(name, "");
    }
    put("tub1/record_x.json", "no record");
    put("tub1/meta.json", "{\"start\": 1}");
    dataset = open_all("tub1");
    assert_string_equal(dataset->kind, "Donkey tub v1");
    assert_int_equal(dataset->count, 4);
    assert_int_equal(dataset->drive_count, 2); /* from 10 to 100 are 2.7 s */
    check_sample(dataset, 0, "tub1/2_cam.jpg", 2.5, 0);
    check_sample(dataset, 1, "tub1/9_cam.jpg", 9.5, 0);
    check_sample(dataset, 2, "tub1/10_cam.jpg", 10.5, 0);
    check_sample(dataset, 3, "tub1/100_cam.jpg", 100.5, 0);
    assert_int_equal(dataset->samples[2].drive, 0);
    assert_int_equal(dataset->samples[3].drive, 1);
    dataset_close(&dataset);

    refuse_with("tub1", &(struct dataset_options){.side_cameras = true}, VBP_ERROR_ARGUMENT,
                "no side cameras");
    put("tub1/record_9.json", "{\"cam/image_array\": \"9_cam.jpg\",\n\"user/angle\": ");
    refuse("tub1", "record_9.json:2: damaged JSON");
    put("tub1/record_9.json", "{\"cam/image_array\": \"9_cam.jpg\", \"user/angle\": \"0.5\"}");
    refuse("tub1", "record_9.json:1: user/angle is no number");
    put("tub1/record_9.json", "{\"user/angle\": 0}");
    refuse("tub1", "record_9.json:1: cam/image_array names no image");
    put("tub1/record_9.json", "[1]");
    refuse("tub1", "record_9.json:1: no JSON object");
    put("tub1/record_9.json", "{} {}");
    refuse("tub1", "record_9.json:1: something behind");
    put("tub1/record_9.json", "");
    refuse("tub1", "record_9.json:1: damaged JSON");
}

#define MANIFEST_START                                                                             \
    "[\"cam/image_array\", \"user/angle\"]\n[\"image_array\", \"float\"]\n{}\n{}\n"
#define RECORD(index, session, time, angle)                                                        \
    "{\"_index\": " #index ", \"_session_id\": \"" session "\", \"_timestamp_ms\": " #time         \
    ", \"cam/image_array\": \"" #index ".jpg\", \"user/angle\": " #angle "}\n"

static void reads_a_tub_v2(void **state)
{
    struct dataset *dataset;
    char name[100];

    (void)state;
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof(name), "tub2/images/%d.jpg", i);
        put(name, "");
    }
    put("tub2/manifest.json",
        MANIFEST_START "{\"paths\": [\"catalog_0.catalog\", \"catalog_1.catalog\"], "
                       "\"current_index\": 30, \"deleted_indexes\": [20, 1]}\n");
    put("tub2/catalog_0.catalog", RECORD(0, "a", 1000, 0) RECORD(1, "a", 1050, 0.1)
                                      RECORD(2, "a", 1100, 0.2) "\n" RECORD(7, "b", 1150, 0.7));
    put("tub2/catalog_1.catalog", RECORD(20, "b", 1200, -1) RECORD(21, "b", 3150, -0.1)
                                      RECORD(22, "b", 5151, -0.2) RECORD(99, "b", 5200, 0));
    dataset = open_all("tub2");
    assert_string_equal(dataset->kind, "Donkey tub v2");
    assert_int_equal(dataset->count, 5);
    check_sample(dataset, 0, "tub2/images/0.jpg", 0, 0);
    check_sample(dataset, 1, "tub2/images/2.jpg", 0.2, 0);
    check_sample(dataset, 2, "tub2/images/7.jpg", 0.7, 0);
    check_sample(dataset, 3, "tub2/images/21.jpg", -0.1, 0);
    check_sample(dataset, 4, "tub2/images/22.jpg", -0.2, 0);
    /* Another session; 2 s are no pause yet, 2.001 s are. */
    assert_int_equal(dataset->drive_count, 3);
    assert_int_equal(dataset->samples[1].drive, 0);
    assert_int_equal(dataset->samples[2].drive, 1);
    assert_int_equal(dataset->samples[3].drive, 1);
    assert_int_equal(dataset->samples[4].drive, 2);
    assert_int_equal(dataset->missing_images, 1);
    assert_non_null(strstr(dataset->first_missing, "99.jpg"));
    dataset_close(&dataset);

    /* Deleted records do not count. */
    dataset = open_with(scratch_path("tub2"), &(struct dataset_options){.first = 1, .count = 2});
    assert_int_equal(dataset->count, 2);
    check_sample(dataset, 0, "tub2/images/2.jpg", 0.2, 0);
    dataset_close(&dataset);

    /* A list that was never begun is an empty one. */
    put("tub2/manifest.json",
        MANIFEST_START "{\"paths\": [\"catalog_0.catalog\"], \"deleted_indexes\": null}\n");
    dataset = open_all("tub2");
    assert_int_equal(dataset->count, 4);
    dataset_close(&dataset);
}

static void refuses_damaged_tubs_v2(void **state)
{
    (void)state;
    put("bad2/images/0.jpg", "");
    put("bad2/catalog_0.catalog", RECORD(0, "a", 1000, 0) "{\"_index\": 1, \"user/ang");
    put("bad2/manifest.json", MANIFEST_START "{\"paths\": [\"catalog_0.catalog\"]}");
    refuse("bad2", "catalog_0.catalog:2: damaged JSON");
    put("bad2/catalog_0.catalog",
        RECORD(0, "a", 1000, 0) "{\"cam/image_array\": \"0.jpg\", \"user/angle\": 0}");
    refuse("bad2", "catalog_0.catalog:2: _index is no number");
    put("bad2/catalog_0.catalog", RECORD(0, "a", 1000, null));
    refuse("bad2", "catalog_0.catalog:1: user/angle is no number");
    put("bad2/catalog_0.catalog", "\n\n");
    refuse("bad2", "manifest.json:5: a tub without records");
    put("bad2/manifest.json", MANIFEST_START);
    refuse("bad2", "manifest.json:4: ends without the list of catalogs");
    put("bad2/manifest.json", "");
    refuse("bad2", "manifest.json:1: ends without the list of catalogs");
    put("bad2/manifest.json", MANIFEST_START "{\"paths\": [\"catalog_0.cat");
    refuse("bad2", "manifest.json:5: damaged JSON");
    put("bad2/manifest.json", MANIFEST_START "{\"paths\": [\"../tub2/catalog_0.catalog\"]}");
    refuse("bad2", "manifest.json:5: paths holds what is no name");
    put("bad2/manifest.json", MANIFEST_START "{\"paths\": [], \"deleted_indexes\": [\"1\"]}");
    refuse("bad2", "manifest.json:5: deleted_indexes holds what is no number");
    put("bad2/manifest.json", MANIFEST_START "{\"paths\": [\"catalog_7.catalog\"]}");
    refuse_with("bad2", &everything, VBP_ERROR_IO, "catalog_7.catalog");
}

/* ---- Drives of others ------------------------------------------------------------------------ */

static char *read_text(const char *path)
{
    static unsigned char *bytes;
    size_t length;
    VbpError error;

    if (file_read(path, 1 << 24, &bytes, &length, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return (char *)bytes;
}

/* The number behind `key` and ": " in text. */
static double number_behind(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    assert_non_null(at);
    return strtod(at + strlen(key) + 2, NULL);
}

/* The number behind the third comma of a line. */
static double fourth_field(const char *line)
{
    for (int i = 0; i < 3; i++) {
        line = strchr(line, ',');
        assert_non_null(line);
        line++;
    }
    return strtod(line, NULL);
}

static void reads_the_lake_drive(void **state)
{
    struct dataset *dataset = open_with(data_path("sequences/udacity-lake"), &everything);
    char *text = read_text(data_path("sequences/udacity-lake/driving_log.csv"));
    const char *line = strchr(text, '\n') + 1;

    (void)state;
    assert_int_equal(dataset->count, 300);
    assert_int_equal(dataset->drive_count, 1);
    assert_int_equal(dataset->missing_images, 0);
    for (size_t i = 0; i < 300; i++, line = strchr(line, '\n') + 1)
        assert_true(dataset->samples[i].steering == fourth_field(line));
    free(text);
    dataset_close(&dataset);

    /* Its side images were left away. */
    dataset = open_with(data_path("sequences/udacity-lake"),
                        &(struct dataset_options){.side_cameras = true});
    assert_int_equal(dataset->count, 300);
    assert_int_equal(dataset->missing_images, 600);
    assert_non_null(strstr(dataset->first_missing, "left_2016_12_01_13_36_00_987.jpg"));
    dataset_close(&dataset);
}

static void reads_the_recorded_tub_v1(void **state)
{
    struct dataset *dataset = open_with(data_path("sequences/donkey-tub-v1"), &everything);
    char name[100];

    (void)state;
    assert_int_equal(dataset->count, 400);
    assert_int_equal(dataset->drive_count, 1);
    for (int i = 0; i < 400; i += 133) {
        char *text;

        snprintf(name, sizeof(name), "sequences/donkey-tub-v1/record_%d.json", 4000 + i);
        text = read_text(data_path(name));
        assert_true(dataset->samples[i].steering == number_behind(text, "\"user/angle\""));
        snprintf(name, sizeof(name), "/%d_cam-image_array_.jpg", 4000 + i);
        assert_non_null(strstr(dataset->samples[i].image, name));
        free(text);
    }
    dataset_close(&dataset);
}

static void reads_the_recorded_tub_v2(void **state)
{
    struct dataset *dataset = open_with(data_path("sequences/donkey-tub-v2"), &everything);
    size_t sample = 0;

    (void)state;
    assert_int_equal(dataset->count, 2391); /* none is deleted */
    assert_int_equal(dataset->drive_count, 3);
    for (int catalog = 0; catalog < 3; catalog++) {
        char name[100], *text, *rest;

        snprintf(name, sizeof(name), "sequences/donkey-tub-v2/catalog_%d.catalog", catalog);
        text = read_text(data_path(name));
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
            assert_true(dataset->samples[sample++].steering ==
                        number_behind(line, "\"user/angle\""));
        free(text);
    }
    assert_int_equal(sample, 2391);
    dataset_close(&dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_log),
        cmocka_unit_test(reads_logs_of_other_machines),
        cmocka_unit_test(columns_follow_the_header),
        cmocka_unit_test(side_cameras_are_corrected),
        cmocka_unit_test(counts_missing_images),
        cmocka_unit_test(takes_the_chosen_records),
        cmocka_unit_test(pauses_part_drives),
        cmocka_unit_test(refuses_damaged_logs),
        cmocka_unit_test(reads_drives_in_the_order_of_their_names),
        cmocka_unit_test(finds_the_truth_of_a_picture),
        cmocka_unit_test(refuses_what_no_wheel_does),
        cmocka_unit_test(refuses_what_is_no_data_set),
        cmocka_unit_test(reads_a_tub_v1),
        cmocka_unit_test(reads_a_tub_v2),
        cmocka_unit_test(refuses_damaged_tubs_v2),
        cmocka_unit_test(reads_the_lake_drive),
        cmocka_unit_test(reads_the_recorded_tub_v1),
        cmocka_unit_test(reads_the_recorded_tub_v2),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
