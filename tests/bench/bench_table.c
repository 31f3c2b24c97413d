/*
 * Joins what `vbp bench --json` and frame_bench said into one JSON file, and prints it as tables in
 * Markdown, ready for doc/performance.md.
 *
 *     bench_table OUT.json NAME=FILE.json...
 */
#include "base/file.h"
#include "base/memory.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES ((size_t)1 << 24)

static double number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static const char *text(const cJSON *object, const char *key)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

    return value ? value : "";
}

/* ---- What machine --------------------------------------------------------------------------- */

/* The rest of the first line of the file that begins with `key`, after a colon if there is one. */
static char *line_of(const char *path, const char *key)
{
    FILE *file = fopen(path, "r");
    char line[512], *found = NULL;

    while (file && !found && fgets(line, sizeof(line), file)) {
        if (strncmp(line, key, strlen(key)) == 0) {
            char *colon = strchr(line, ':');
            char *value = colon && *key ? colon + 1 + strspn(colon + 1, " \t") : line;

            value[strcspn(value, "\n")] = 0;
            found = memory_copy_text(value);
        }
    }
    if (file)
        fclose(file);
    return found ? found : memory_copy_text("unknown");
}

static void add_machine(cJSON *root)
{
    char *processor = line_of("/proc/cpuinfo", "model name"), *load = line_of("/proc/loadavg", "");

    if (load && strchr(load, '/')) {
        /* "0.52 0.48 0.41 2/118 30715": the counts of processes say nothing. */
        *strchr(load, '/') = 0;
        *strrchr(load, ' ') = 0;
    }
    cJSON_AddStringToObject(root, "processor", processor ? processor : "");
    cJSON_AddStringToObject(root, "load_average", load ? load : "");
    free(processor);
    free(load);
}

/* ---- Joining -------------------------------------------------------------------------------- */

static int add_file(cJSON *root, const char *argument, VbpError *error)
{
    const char *equals = strchr(argument, '=');
    unsigned char *bytes;
    size_t length;
    cJSON *content, *frames;
    char *name;
    int result;

    if (!equals)
        return error_set(error, VBP_ERROR_ARGUMENT, "not NAME=FILE: %s", argument);
    result = file_read(equals + 1, MOST_BYTES, &bytes, &length, error);
    if (result != VBP_OK)
        return result;
    content = cJSON_ParseWithLength((const char *)bytes, length);
    free(bytes);
    if (!content)
        return error_set(error, VBP_ERROR_FORMAT, "%s is no JSON", equals + 1);
    frames = cJSON_DetachItemFromObjectCaseSensitive(content, "frames");
    if (frames) {
        cJSON_AddItemToObject(root, "frames", frames);
        cJSON_Delete(content);
        return VBP_OK;
    }
    name = memory_format("%.*s", (int)(equals - argument), argument);
    cJSON_AddStringToObject(content, "network", name ? name : "");
    free(name);
    cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(root, "networks"), content);
    return VBP_OK;
}

/* ---- Tables --------------------------------------------------------------------------------- */

static void print_spread(const cJSON *spread)
{
    printf(" %.3f / %.3f / %.3f |", number(spread, "min"), number(spread, "median"),
           number(spread, "p99"));
}

static double ratio(const cJSON *network, const cJSON *peer, const char *key)
{
    double other = number(cJSON_GetObjectItemCaseSensitive(peer, "forward_ms"), key);

    return other > 0 ? number(cJSON_GetObjectItemCaseSensitive(network, "forward_ms"), key) / other
                     : 0;
}

static void print_network(const cJSON *network)
{
    const cJSON *peer = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(network, "peers"), 0);
    double threads = number(network, "threads"), peak = number(network, "peak_gflops");

    printf("| %s | ", text(network, "network"));
    if (peer && number(peer, "threads") != threads)
        printf("%g (vbp %g) |", number(peer, "threads"), threads);
    else
        printf("%g |", threads);
    print_spread(cJSON_GetObjectItemCaseSensitive(network, "forward_ms"));
    if (peer) {
        print_spread(cJSON_GetObjectItemCaseSensitive(peer, "forward_ms"));
        printf(" %.2f / %.2f |", ratio(network, peer, "min"), ratio(network, peer, "median"));
    } else {
        printf(" - | - |");
    }
    if (cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(network, "vbp_over_forward")))
        printf(" %.3f |", number(network, "vbp_over_forward"));
    else
        printf(" - |");
    printf(" %.0f |", number(network, "gflops"));
    if (peak > 0)
        printf(" %.0f %% |\n", 100 * number(network, "gflops") / peak);
    else
        printf(" - |\n");
}

static const char *peer_name(const cJSON *networks)
{
    const cJSON *network;

    for (network = networks ? networks->child : NULL; network; network = network->next) {
        const cJSON *peer =
            cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(network, "peers"), 0);

        if (peer)
            return text(peer, "name");
    }
    return "peer";
}

static void print_tables(const cJSON *root)
{
    const cJSON *networks = cJSON_GetObjectItemCaseSensitive(root, "networks"), *item;
    const cJSON *first = cJSON_GetArrayItem(networks, 0);
    const cJSON *frames = cJSON_GetObjectItemCaseSensitive(root, "frames");

    printf("%s, kernels for %s, %g runs each; load average %s. Milliseconds as min / median / "
           "p99.\n\n",
           text(root, "processor"), text(first, "isa"), number(first, "runs"),
           text(root, "load_average"));
    printf("| network | threads | vbp, ms | %s, ms | vbp / peer, min / median | mask / forward | "
           "GFLOP/s | of the "
           "limit |\n|---|---|---|---|---|---|---|---|\n",
           peer_name(networks));
    for (item = networks ? networks->child : NULL; item; item = item->next)
        print_network(item);
    if (!frames)
        return;
    printf("\n| frame | ms |\n|---|---|\n");
    for (item = frames->child; item; item = item->next) {
        printf("| %s |", text(item, "name"));
        print_spread(cJSON_GetObjectItemCaseSensitive(item, "ms"));
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    cJSON *root = cJSON_CreateObject();
    VbpError error = {0};
    char *printed = NULL;
    int result = VBP_OK;

    if (argc < 3) {
        fprintf(stderr, "usage: bench_table OUT.json NAME=FILE.json...\n");
        cJSON_Delete(root);
        return 2;
    }
    add_machine(root);
    cJSON_AddArrayToObject(root, "networks");
    for (int i = 2; i < argc && result == VBP_OK; i++)
        result = add_file(root, argv[i], &error);
    if (result == VBP_OK) {
        printed = cJSON_Print(root);
        result = printed ? file_write(argv[1], printed, strlen(printed), &error)
                         : error_out_of_memory(&error);
    }
    if (result == VBP_OK)
        print_tables(root);
    else
        fprintf(stderr, "bench_table: %s\n", error.message);
    free(printed);
    cJSON_Delete(root);
    return result == VBP_OK && fflush(stdout) == 0 ? 0 : 1;
}
