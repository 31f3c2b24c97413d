/* vbp bench: the keys that others read, sane numbers, other programs that take turns or fail to. */
#include "base/file.h"
#include "support/models.h"
#include "support/process.h"
#include "support/scratch.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define RUNS "12"

/* The network's output is 0.5 whatever it reads. */
static const float half = 0.5F;

static const char *constant_model(void)
{
    return model_write("constant.onnx", &(struct model_parts){.channels = 3, .bias = &half});
}

static cJSON *parse(const struct process_result *result)
{
    cJSON *root;

    if (result->status != 0)
        fail_msg("exit %d: %s", result->status, result->errors);
    root = cJSON_Parse(result->output);
    if (!root)
        fail_msg("no JSON: %s", result->output);
    return root;
}

static double number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    if (!cJSON_IsNumber(item))
        fail_msg("'%s' is no number", key);
    return item->valuedouble;
}

static bool is_null(const cJSON *object, const char *key)
{
    return cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(object, key));
}

/* The median of an object of min, median and p99, and nothing else, in order. */
static double median(const cJSON *object, const char *key)
{
    const cJSON *spread = cJSON_GetObjectItemCaseSensitive(object, key);

    if (!cJSON_IsObject(spread) || cJSON_GetArraySize(spread) != 3)
        fail_msg("'%s' is not min, median, p99", key);
    assert_true(number(spread, "min") <= number(spread, "median"));
    assert_true(number(spread, "median") <= number(spread, "p99"));
    return number(spread, "median");
}

static void check_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-4 * fabs(want) + 1e-6))
        fail_msg("%.9g, not %.9g", got, want);
}

/* ---- What it says --------------------------------------------------------------------------- */

static void test_json_keys_are_the_contract(void **state)
{
    static const char *const keys[] = {
        "model",        "isa",          "threads",          "runs",  "macs", "forward_ms",
        "vbp_extra_ms", "lrp_extra_ms", "vbp_over_forward", "gflops"};
    const char *path = constant_model();
    struct process_result result = VBP_RUN("bench", path, "--json", "--runs", RUNS);
    struct process_result info = VBP_RUN("info", path, "--json");
    cJSON *root = parse(&result), *facts = parse(&info);
    const char *isa;
    double forward, extra;

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (!cJSON_GetObjectItemCaseSensitive(root, keys[i]))
            fail_msg("no key '%s' in %s", keys[i], result.output);
    }
    assert_string_equal(result.errors, "");
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(root, "model")->valuestring, path);
    isa = cJSON_GetObjectItemCaseSensitive(root, "isa")->valuestring;
    assert_true(strcmp(isa, "c") == 0 || strcmp(isa, "avx2") == 0 || strcmp(isa, "avx512") == 0);
    assert_true(number(root, "threads") >= 1);
    assert_true(number(root, "runs") == 12);
    assert_true(number(root, "macs") > 0 && number(root, "macs") == number(facts, "macs"));
    forward = median(root, "forward_ms");
    extra = median(root, "vbp_extra_ms");
    assert_true(forward > 0 && forward < 1000 && fabs(extra) < 1000);
    assert_true(is_null(root, "lrp_extra_ms"));
    check_near(number(root, "vbp_over_forward"), extra / forward);
    check_near(number(root, "gflops"), 2 * number(root, "macs") / forward * 1e-6);
    assert_true(number(root, "peak_gflops") > number(root, "gflops"));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "peers")), 0);
    assert_null(cJSON_GetObjectItemCaseSensitive(root, "layers"));
    cJSON_Delete(root);
    cJSON_Delete(facts);
    process_free(&result);
    process_free(&info);
}

static void test_every_layer_on_demand(void **state)
{
    struct process_result result =
        VBP_RUN("bench", constant_model(), "--json", "-v", "--runs", "3");
    cJSON *root = parse(&result);
    const cJSON *layers = cJSON_GetObjectItemCaseSensitive(root, "layers"), *layer;
    double multiply_adds = 0;

    (void)state;
    assert_non_null(layers);
    for (layer = layers->child; layer; layer = layer->next) {
        assert_true(cJSON_IsString(cJSON_GetObjectItemCaseSensitive(layer, "name")));
        assert_true(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(layer, "shape")) > 0);
        assert_true(number(layer, "median_ms") >= 0);
        multiply_adds += number(layer, "macs");
    }
    assert_true(multiply_adds == number(root, "macs"));
    cJSON_Delete(root);
    process_free(&result);
}

static void test_text_has_the_same_figures(void **state)
{
    static const char *const words[] = {"\nkernels   ",   "\nlimit     ",    "\nforward ",
                                        "\nmask on top ", " of the limit\n", "GFLOP/s"};
    struct process_result result = VBP_RUN("bench", constant_model(), "--runs", "1");
    struct process_result more = VBP_RUN("bench", constant_model(), "--runs", "1", "-v");

    (void)state;
    assert_int_equal(result.status, 0);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!strstr(result.output, words[i]))
            fail_msg("no '%s' in: %s", words[i], result.output);
    }
    assert_null(strstr(result.output, "median ms"));
    assert_int_equal(more.status, 0);
    assert_non_null(strstr(more.output, "median ms"));
    process_free(&result);
    process_free(&more);
}

static void test_network_without_levels(void **state)
{
    const char *path =
        model_write("plain.onnx", &(struct model_parts){.channels = 3, .no_relu = 1});
    struct process_result result = VBP_RUN("bench", path, "--json", "--runs", "3");
    cJSON *root = parse(&result);

    (void)state;
    assert_true(median(root, "forward_ms") > 0);
    assert_true(is_null(root, "vbp_extra_ms") && is_null(root, "vbp_over_forward"));
    assert_non_null(strstr(result.errors, "no level"));
    cJSON_Delete(root);
    process_free(&result);
}

static void expect_failure(struct process_result result, int status, const char *word)
{
    if (result.status != status || !strstr(result.errors, word))
        fail_msg("exit %d, not %d with '%s': %s", result.status, status, word, result.errors);
    assert_string_equal(result.output, "");
    assert_ptr_equal(strchr(result.errors, '\n'), result.errors + strlen(result.errors) - 1);
    process_free(&result);
}

static void test_wrong_usage_and_failures(void **state)
{
    const char *path = constant_model();
    char command[1024];
    struct process_result full;

    (void)state;
    expect_failure(VBP_RUN("bench"), 2, "missing");
    expect_failure(VBP_RUN("bench", path, path), 2, "more than one");
    expect_failure(VBP_RUN("bench", path, "--runs", "0"), 2, "--runs");
    expect_failure(VBP_RUN("bench", path, "--runs", "1000001"), 2, "--runs");
    expect_failure(VBP_RUN("bench", path, "--runs", "many"), 2, "--runs");
    expect_failure(VBP_RUN("bench", path, "--runs"), 2, "needs a value");
    expect_failure(VBP_RUN("bench", path, "--laps", "3"), 2, "--laps");
    expect_failure(VBP_RUN("bench", scratch_path("none.onnx")), 1, "none.onnx");
    snprintf(command, sizeof(command), "'%s' bench '%s' --runs 1 >/dev/full", process_vbp(), path);
    full = process_run((const char *const[]){"sh", "-c", command, NULL}, 60);
    expect_failure(full, 1, "standard output");
}

/* ---- Peers ---------------------------------------------------------------------------------- */

/*
 * Stands in for node: takes its arguments and plays the part of the script, or does wrong what
 * MOOD says.
 */
static const char fake_node[] =
    "#!/bin/sh\n"
    "[ -s \"$1\" ] && [ -s \"$2\" ] && [ \"$3\" = 2 ] && [ \"$4\" = 1,3,12,16 ] || exit 1\n"
    "[ \"$(wc -c <\"$5\")\" -eq 2304 ] && [ \"$7\" = steering ] || exit 1\n"
    "case $MOOD in\n"
    "wrong) printf '\\000\\000\\100\\077' >\"$6\" ;;\n"   /* 0.75 */
    "strange) printf '\\000\\000\\300\\177' >\"$6\" ;;\n" /* NaN */
    "short) printf '\\000\\000' >\"$6\" ;;\n"
    "*) printf '\\000\\000\\000\\077' >\"$6\" ;;\n" /* 0.5 */
    "esac\n"
    "[ \"$MOOD\" != unable ] || { echo 'error no such operator'; exit 1; }\n"
    "echo 'ready Fake 1.0'\n"
    "[ \"$MOOD\" != leaves ] || exit 0\n"
    "while read -r count; do\n"
    "    times=\n"
    "    [ \"$MOOD\" != babbles ] || times=hello\n"
    "    while [ \"$count\" -gt 0 ]; do times=\"$times 0.25\"; count=$((count - 1)); done\n"
    "    echo $times\n"
    "done\n";

/* bench with a peer in that mood, whose folder is `peers`; nothing temporary is left. */
static struct process_result run_with_peer(const char *mood, const char *peers)
{
    char path[1024], mood_word[64], peers_word[1024], temporary[1024];
    const char *model = constant_model();
    struct process_result result, left;
    VbpError error;

    if (file_make_folder(scratch_path("bin"), &error) != VBP_OK ||
        file_make_folder(scratch_path("temporary"), &error) != VBP_OK)
        fail_msg("%s", error.message);
    scratch_write("bin/node", fake_node, strlen(fake_node));
    assert_int_equal(chmod(scratch_path("bin/node"), 0755), 0);
    scratch_write("onnxruntime.mjs", "-", 1);
    snprintf(path, sizeof(path), "PATH=%s:%s", scratch_path("bin"), getenv("PATH"));
    snprintf(mood_word, sizeof(mood_word), "MOOD=%s", mood);
    snprintf(peers_word, sizeof(peers_word), "VBP_PEERS=%s", peers);
    snprintf(temporary, sizeof(temporary), "TMPDIR=%s", scratch_path("temporary"));
    result = process_run((const char *const[]){"env", path, mood_word, peers_word, temporary,
                                               process_vbp(), "bench", model, "--peers", "--json",
                                               "--threads", "2", "--runs", RUNS, NULL},
                         60);
    left = process_run((const char *const[]){"ls", scratch_path("temporary"), NULL}, 10);
    assert_string_equal(left.output, "");
    process_free(&left);
    return result;
}

static void test_peer_takes_turns(void **state)
{
    struct process_result result = run_with_peer("good", scratch_path("."));
    cJSON *root = parse(&result);
    const cJSON *peers = cJSON_GetObjectItemCaseSensitive(root, "peers"), *peer;

    (void)state;
    assert_string_equal(result.errors, "");
    assert_int_equal(cJSON_GetArraySize(peers), 1);
    peer = cJSON_GetArrayItem(peers, 0);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(peer, "name")->valuestring, "Fake 1.0");
    assert_true(number(peer, "threads") == 2);
    check_near(median(peer, "forward_ms"), 0.25);
    check_near(number(peer, "vbp_over_peer"), median(root, "forward_ms") / 0.25);
    assert_true(number(peer, "largest_difference") <= 1e-6);
    cJSON_Delete(root);
    process_free(&result);
}

static void test_peer_must_do_the_same_and_stay(void **state)
{
    (void)state;
    expect_failure(run_with_peer("wrong", scratch_path(".")), 1, "outputs of Fake 1.0 differ");
    expect_failure(run_with_peer("strange", scratch_path(".")), 1, "outputs of Fake 1.0 differ");
    expect_failure(run_with_peer("short", scratch_path(".")), 1, "gives 0 numbers, not 1");
    expect_failure(run_with_peer("leaves", scratch_path(".")), 1, "Fake 1.0");
    expect_failure(run_with_peer("babbles", scratch_path(".")), 1, "answers 'hello");
}

/* Without a peer the rest is measured all the same. */
static void test_missing_peer_is_said(void **state)
{
    static const char *const moods[2] = {"unable", "good"}, *const folders[2] = {".", "nowhere"};
    static const char *const words[2] = {"no such operator", "VBP_PEERS"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct process_result result = run_with_peer(moods[i], scratch_path(folders[i]));
        cJSON *root = parse(&result);

        assert_true(median(root, "forward_ms") > 0);
        assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "peers")), 0);
        assert_non_null(strstr(result.errors, words[i]));
        cJSON_Delete(root);
        process_free(&result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_keys_are_the_contract),
        cmocka_unit_test(test_every_layer_on_demand),
        cmocka_unit_test(test_text_has_the_same_figures),
        cmocka_unit_test(test_network_without_levels),
        cmocka_unit_test(test_wrong_usage_and_failures),
        cmocka_unit_test(test_peer_takes_turns),
        cmocka_unit_test(test_peer_must_do_the_same_and_stay),
        cmocka_unit_test(test_missing_peer_is_said),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
