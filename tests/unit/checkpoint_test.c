/* Checkpoints: what comes back from one, and which ones are refused. */
#include "base/file.h"
#include "support/drive.h"
#include "support/scratch.h"
#include "train/checkpoint.h"
#include "train/network.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char description[] =
    "{\"input\": [3, 8, 10], \"layers\": [{\"conv\": 2}, {\"dense\": 3}]}";

static struct graph *build(const char *text, uint64_t seed)
{
    struct graph *graph;
    VbpError error;

    if (network_build(&graph, scratch_write("net.json", text, strlen(text)), seed, &error) !=
        VBP_OK)
        fail_msg("%s", error.message);
    return graph;
}

static struct train_options small_options(int epochs)
{
    return (struct train_options){.epochs = epochs,
                                  .batch = 8,
                                  .threads = 1,
                                  .seed = 5,
                                  .huber_delta = 1,
                                  .optimiser = optimiser_default_options(OPTIMISER_ADAM)};
}

/* ---- What comes back ------------------------------------------------------------------------ */

struct witness {
    struct epoch_report reports[8]; /* of epochs that ended */
    struct epoch_report before[8];  /* that were told at the resumption */
    int count, before_count;
    char kept[8];
};

static int see_epoch(void *context, const struct epoch_report *report, VbpError *error)
{
    struct witness *witness = context;

    (void)error;
    assert_true(witness->count < 8);
    witness->reports[witness->count++] = *report;
    return VBP_OK;
}

static int keep(void *context, unsigned char **bytes, size_t *length, VbpError *error)
{
    const struct witness *witness = context;

    (void)error;
    *bytes = malloc(8);
    assert_non_null(*bytes);
    *length = (size_t)snprintf((char *)*bytes, 8, "kept%d", witness->count);
    return VBP_OK;
}

static int resumed(void *context, const struct epoch_report *reports, size_t count,
                   const unsigned char *kept, size_t length, VbpError *error)
{
    struct witness *witness = context;

    (void)error;
    assert_true(count <= 8 && length < 8);
    memcpy(witness->before, reports, count * sizeof(*reports));
    memcpy(witness->kept, kept, length);
    witness->before_count = (int)count;
    return VBP_OK;
}

static void run(struct train_options *options, struct witness *witness)
{
    struct loader_options training_options = drive_plain_options();
    struct loader *training = drive_loader(&drive, &training_options);
    struct loader *validation = drive_loader(&drive, &training_options);
    struct graph *graph = build(description, 1);
    struct train_result result;
    VbpError error;

    options->context = witness;
    options->epoch_done = see_epoch;
    options->resumed = resumed;
    if (train_run(graph, training, validation, options, &result, &error) != VBP_OK)
        fail_msg("%s", error.message);
    loader_destroy(&training);
    loader_destroy(&validation);
    graph_destroy(&graph);
}

static void reports_and_what_was_kept_come_back(void **state)
{
    struct train_options options = small_options(2);
    struct witness first = {0}, second = {0}, third = {0};

    (void)state;
    options.checkpoint = scratch_path("rows");
    options.keep = keep;
    run(&options, &first);
    assert_int_equal(first.count, 2);
    assert_int_equal(first.before_count, 0);
    options.resume = true;
    options.epochs = 3;
    options.keep = NULL; /* it stays in the checkpoint all the same */
    run(&options, &second);
    assert_int_equal(second.before_count, 2);
    assert_memory_equal(second.before, first.reports, 2 * sizeof(first.reports[0]));
    assert_string_equal(second.kept, "kept1");
    options.epochs = 4;
    run(&options, &third);
    assert_int_equal(third.before_count, 3);
    assert_memory_equal(third.before, first.reports, 2 * sizeof(first.reports[0]));
    assert_memory_equal(&third.before[2], &second.reports[0], sizeof(second.reports[0]));
    assert_string_equal(third.kept, "kept1");
    assert_int_equal(third.reports[0].epoch, 4);
}

/* ---- What is refused ------------------------------------------------------------------------ */

/* A checkpoint of two epochs as a run would leave it. */
static struct checkpoint make_checkpoint(void)
{
    struct graph *graph = build(description, 1);
    struct checkpoint checkpoint;

    assert_int_equal(checkpoint_create(&checkpoint, graph, 3, NULL), VBP_OK);
    checkpoint_take_weights(checkpoint.weights, graph);
    checkpoint_take_weights(checkpoint.best_weights, graph);
    graph_destroy(&graph);
    memset(checkpoint.state, 0, 3 * sizeof(float));
    checkpoint.reports = calloc(2, sizeof(*checkpoint.reports));
    checkpoint.kept = calloc(5, 1);
    assert_true(checkpoint.reports && checkpoint.kept);
    checkpoint.report_capacity = 2;
    checkpoint.kept_length = 5;
    checkpoint.reports[0].epoch = 1;
    checkpoint.reports[1].epoch = 2;
    checkpoint.epoch = 2;
    checkpoint.best_epoch = 1;
    checkpoint.best_loss = 0.5;
    checkpoint.best_error = NAN;
    checkpoint.steps = 10;
    checkpoint.moment = 4;
    checkpoint.identity = (struct identity){1, 2, 3};
    return checkpoint;
}

/* The file is refused with that status; its name and the word are in the message. */
static void refuse_file(const char *path, const char *word, int status)
{
    struct checkpoint checkpoint = make_checkpoint();
    VbpError error;

    assert_int_equal(checkpoint_read(&checkpoint, path, &error), status);
    if (!strstr(error.message, path) || !strstr(error.message, word))
        fail_msg("no '%s' in: %s", word, error.message);
    checkpoint_free(&checkpoint);
}

static void every_damaged_byte_is_noticed(void **state)
{
    struct checkpoint checkpoint = make_checkpoint();
    const char *path = scratch_path("damaged");
    unsigned char *bytes;
    size_t length;
    VbpError error;

    (void)state;
    assert_int_equal(checkpoint_write(&checkpoint, path, &error), VBP_OK);
    assert_int_equal(checkpoint_read(&checkpoint, path, &error), VBP_OK);
    checkpoint_free(&checkpoint);
    assert_int_equal(file_read(path, 1 << 20, &bytes, &length, &error), VBP_OK);
    for (size_t at = 0; at < length; at += 1 + (at > 200 && at + 100 < length) * 36) {
        bytes[at] ^= 0x10;
        path = scratch_write("damaged", bytes, length);
        refuse_file(path, "checkpoint", VBP_ERROR_FORMAT);
        bytes[at] ^= 0x10;
    }
    for (size_t cut = 0; cut < length; cut += 1 + cut / 4)
        refuse_file(scratch_write("short", bytes, cut), "checkpoint", VBP_ERROR_FORMAT);
    /* The zero byte behind what was read. */
    refuse_file(scratch_write("long", bytes, length + 1), "damaged", VBP_ERROR_FORMAT);
    free(bytes);
    refuse_file(scratch_write("older", "vbptrn1 and more", 16), "another version",
                VBP_ERROR_FORMAT);
    refuse_file(scratch_write("text", "a letter\n", 9), "not a checkpoint", VBP_ERROR_FORMAT);
    refuse_file(scratch_path("missing"), "No such file", VBP_ERROR_IO);
}

/* Whole files of numbers that no run can have come to. */
static void impossible_numbers_are_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct checkpoint checkpoint = make_checkpoint();
        const char *path = scratch_path("impossible");
        VbpError error;

        switch (i) {
        case 0:
            checkpoint.epoch = 0;
            break;
        case 1:
            checkpoint.epoch = -2;
            break;
        case 2:
            checkpoint.best_epoch = 3;
            break;
        case 3:
            checkpoint.best_epoch = 0;
            break;
        case 4:
            checkpoint.steps = -1;
            break;
        case 5:
            checkpoint.best_loss = NAN;
            break;
        case 6:
            checkpoint.moment = 1;
            break;
        case 7:
            checkpoint.moment = INFINITY;
            break;
        case 8:
            checkpoint.moment = NAN;
            break;
        default:
            checkpoint.reports[1].epoch = 7;
            break;
        }
        assert_int_equal(checkpoint_write(&checkpoint, path, &error), VBP_OK);
        checkpoint_free(&checkpoint);
        refuse_file(path, "damaged", VBP_ERROR_FORMAT);
    }
}

static void runs_of_others_are_refused(void **state)
{
    static const char *const words[] = {"another network", "other data", "other settings"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct checkpoint checkpoint = make_checkpoint();
        const char *path = scratch_path("other");

        *(i == 0   ? &checkpoint.identity.network
          : i == 1 ? &checkpoint.identity.data
                   : &checkpoint.identity.settings) = 99;
        assert_int_equal(checkpoint_write(&checkpoint, path, NULL), VBP_OK);
        checkpoint_free(&checkpoint);
        refuse_file(path, words[i], VBP_ERROR_ARGUMENT);
    }
}

/* ---- What makes a run the same -------------------------------------------------------------- */

static struct identity identify(const struct dataset *dataset, const struct loader_options *options)
{
    struct loader *loader = drive_loader(dataset, options);
    struct train_options train = small_options(1);
    struct graph *graph = build(description, 1);
    struct identity identity = identity_make(graph, loader, NULL, &train);

    graph_destroy(&graph);
    loader_destroy(&loader);
    return identity;
}

static void settings_tell_runs_apart(void **state)
{
    const struct loader_options plain = drive_plain_options();
    struct identity before = identify(&drive, &plain);

    (void)state;
    for (int i = 0; i < 18; i++) {
        struct loader_options other = plain;
        struct identity after;

        switch (i) {
        case 0:
            other.label_scale = 2.25;
            break;
        case 1:
            other.augmentation.flip = true;
            break;
        case 2:
            other.augmentation.shift = 0.1;
            break;
        case 3:
            other.augmentation.shift_label = 1.5;
            break;
        case 4:
            other.augmentation.brightness = 0.1;
            break;
        case 5:
            other.augmentation.shadow = 0.1;
            break;
        case 6:
            other.augmentation.blur = 0.1;
            break;
        case 7:
            other.straight_share = 0.5;
            break;
        case 8:
            other.straight_limit = 0.25;
            break;
        case 9:
            other.shuffle = !other.shuffle;
            break;
        case 10:
            other.seed++;
            break;
        case 11:
            other.settings.crop_top++;
            break;
        case 12:
            other.settings.crop_left += 0.5;
            break;
        case 13:
            other.settings.resize = other.settings.resize == CARD_AREA ? CARD_BILINEAR : CARD_AREA;
            break;
        case 14:
            other.settings.color = other.settings.color == CARD_BGR ? CARD_RGB : CARD_BGR;
            break;
        case 15:
            other.settings.scale[1] += 0.5f;
            break;
        case 16:
            other.settings.bias[2] += 0.5f;
            break;
        default:
            other.settings.channels_last = true;
            break;
        }
        after = identify(&drive, &other);
        if (after.settings == before.settings)
            fail_msg("setting %d makes no difference", i);
        assert_true(after.data == before.data && after.network == before.network);
    }
    {
        struct loader_options same = plain;

        same.threads = 1;
        same.cache_bytes = 0;
        assert_true(identify(&drive, &same).settings == before.settings);
    }
}

static void data_tells_runs_apart(void **state)
{
    const struct loader_options options = drive_plain_options();
    struct identity before = identify(&drive, &options);
    struct sample copy[DRIVE_SAMPLES];
    struct dataset dataset = drive;
    char moved[64];

    (void)state;
    dataset.samples = copy;
    for (int i = 0; i < 6; i++) {
        bool same;

        memcpy(copy, drive_samples, sizeof(copy));
        dataset.count = drive.count;
        switch (i) {
        case 0:
            copy[3].steering += 1e-9;
            break;
        case 1:
            copy[3].image = copy[4].image;
            break;
        case 2:
            copy[3] = drive_samples[4];
            copy[4] = drive_samples[3];
            break;
        case 3:
            dataset.count--;
            break;
        case 4:
            copy[36].drive++;
            break;
        default: /* the same file in a folder elsewhere, which is no difference */
            copy[3].image = moved;
            {
                const char *slash = strrchr(drive_samples[3].image, '/');

                while (slash > drive_samples[3].image && slash[-1] != '/')
                    slash--;
                snprintf(moved, sizeof(moved), "/elsewhere/%s", slash);
            }
            break;
        }
        same = identify(&dataset, &options).data == before.data;
        if (same != (i == 5))
            fail_msg("difference %d: %s", i, same ? "not noticed" : "noticed");
    }
}

static void networks_tell_runs_apart(void **state)
{
    static const char elu[] = "{\"input\": [3, 8, 10], \"activation\": \"elu\", \"layers\": "
                              "[{\"conv\": 2}, {\"dense\": 3}]}";
    static const char kernel[] = "{\"input\": [3, 8, 10], \"layers\": "
                                 "[{\"conv\": 2, \"kernel\": 2}, {\"dense\": 3}]}";
    static const char max[] =
        "{\"input\": [3, 8, 10], \"layers\": [{\"pool\": \"max\"}, {\"dense\": 3}]}";
    static const char average[] =
        "{\"input\": [3, 8, 10], \"layers\": [{\"pool\": \"average\"}, {\"dense\": 3}]}";
    static const char *const others[] = {elu, kernel, max, average};
    const struct loader_options loader_options = drive_plain_options();
    struct loader *loader = drive_loader(&drive, &loader_options);
    struct train_options options = small_options(1);
    struct graph *graph = build(description, 1), *same = build(description, 2);
    uint64_t seen[5] = {identity_make(graph, loader, NULL, &options).network};

    (void)state;
    /* Weights are what training changes. */
    assert_true(identity_make(same, loader, NULL, &options).network == seen[0]);
    graph_destroy(&graph);
    graph_destroy(&same);
    for (int i = 0; i < 4; i++) {
        graph = build(others[i], 1);
        seen[i + 1] = identity_make(graph, loader, NULL, &options).network;
        graph_destroy(&graph);
        for (int j = 0; j <= i; j++)
            assert_true(seen[j] != seen[i + 1]);
    }
    loader_destroy(&loader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_and_what_was_kept_come_back),
        cmocka_unit_test(every_damaged_byte_is_noticed),
        cmocka_unit_test(impossible_numbers_are_refused),
        cmocka_unit_test(runs_of_others_are_refused),
        cmocka_unit_test(settings_tell_runs_apart),
        cmocka_unit_test(data_tells_runs_apart),
        cmocka_unit_test(networks_tell_runs_apart),
    };

    return cmocka_run_group_tests(tests, drive_setup, drive_teardown);
}
