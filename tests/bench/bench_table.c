/*
 * Joins what `vbp bench --json`, frame_bench and kernels_bench said into one JSON file, and prints
 * it as tables in Markdown, ready for doc/performance.md: first what was asked, and whether it is
 * reached.
 *
 *     bench_table OUT.json LOAD NAME=FILE.json...
 *
 * LOAD is the load average before all of it. A NAME that begins with zoo/ is one of many networks
 * that the same is asked of.
 */
#include "base/file.h"
#include "base/memory.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdbool.h>
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

static char *processor_name(void)
{
    static const char key[] = "model name";
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[512], *found = NULL;

    while (file && !found && fgets(line, sizeof(line), file)) {
        if (strncmp(line, key, strlen(key)) == 0) {
            char *value = line + strcspn(line, ":");

            value += strspn(value, ": \t");
            value[strcspn(value, "\n")] = 0;
            found = memory_copy_text(value);
        }
    }
    if (file)
        fclose(file);
    return found;
}

static void add_machine(cJSON *root, const char *load)
{
    char *processor = processor_name();

    cJSON_AddStringToObject(root, "processor", processor ? processor : "unknown processor");
    cJSON_AddStringToObject(root, "load_average", load);
    free(processor);
}

/* ---- Joining -------------------------------------------------------------------------------- */

static bool move(cJSON *from, const char *key, cJSON *to)
{
    cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(from, key);

    return item && cJSON_AddItemToObject(to, key, item);
}

static int add_file(cJSON *root, const char *argument, VbpError *error)
{
    const char *equals = strchr(argument, '=');
    unsigned char *bytes;
    size_t length;
    cJSON *content;
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
    if (move(content, "frames", root) || move(content, "kernels", root)) {
        cJSON_Delete(content);
        return VBP_OK;
    }
    name = memory_format("%.*s", (int)(equals - argument), argument);
    cJSON_AddStringToObject(content, "network", name ? name : "");
    free(name);
    cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(root, "networks"), content);
    return VBP_OK;
}

/* ---- What was asked ------------------------------------------------------------------------- */

static const cJSON *peer_of(const cJSON *network)
{
    return cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(network, "peers"), 0);
}

static double forward_ms(const cJSON *network, const char *key)
{
    return number(cJSON_GetObjectItemCaseSensitive(network, "forward_ms"), key);
}

/* vbp's time over the peer's; 0 without a peer. */
static double ratio(const cJSON *network, const char *key)
{
    double other = forward_ms(peer_of(network), key);

    return other > 0 ? forward_ms(network, key) / other : 0;
}

/* NAN where it was not measured. */
static double forward_ratio(const cJSON *network)
{
    return peer_of(network) ? ratio(network, "median") : NAN;
}

static double mask_ratio(const cJSON *network)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(network, "vbp_over_forward");

    return cJSON_IsNumber(value) ? value->valuedouble : NAN;
}

static bool begins_with(const char *name, const char *begin)
{
    return strncmp(name, begin, strlen(begin)) == 0;
}

static bool is_row(const cJSON *network, const char *begin, int threads, const char *isa)
{
    return begins_with(text(network, "network"), begin) && number(network, "threads") == threads &&
           strcmp(text(network, "isa"), isa) == 0;
}

/* One row of what was asked; NAN: no such bound, or not measured. */
static void add_goal(cJSON *root, const char *name, double least, double most, double measured,
                     const char *unit)
{
    cJSON *goal = cJSON_CreateObject();

    cJSON_AddStringToObject(goal, "name", name);
    cJSON_AddStringToObject(goal, "unit", unit);
    if (!isnan(least))
        cJSON_AddNumberToObject(goal, "least", least);
    if (!isnan(most))
        cJSON_AddNumberToObject(goal, "most", most);
    if (!isnan(measured)) {
        cJSON_AddNumberToObject(goal, "measured", measured);
        if (!isnan(least) || !isnan(most))
            cJSON_AddBoolToObject(goal, "reached", !(measured < least) && !(measured > most));
    }
    cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(root, "goals"), goal);
}

struct group {
    const char *name;
    const char *begin; /* of its networks' names */
};

static const struct group pilotnet = {"PilotNet", "PilotNet"}, nethvf = {"NetHVF", "NetHVF"};
static const struct group zoo = {"each network of the zoo", "zoo/"};

/* The worst of a group. */
static void add_network_goal(cJSON *root, const struct group *group, int threads, const char *isa,
                             const char *what, double (*measure)(const cJSON *network), double most)
{
    const cJSON *networks = cJSON_GetObjectItemCaseSensitive(root, "networks"), *item;
    const cJSON *worst = NULL;
    int count = 0, reached = 0;
    char name[256], which[128] = "";

    for (item = networks->child; item; item = item->next) {
        if (!is_row(item, group->begin, threads, isa) || isnan(measure(item)))
            continue;
        count++;
        reached += measure(item) <= most;
        if (!worst || measure(item) > measure(worst))
            worst = item;
    }
    if (count > 1)
        snprintf(which, sizeof(which), "; %d of %d do, the last is %s", reached, count,
                 text(worst, "network"));
    snprintf(name, sizeof(name), "%s, %s, %d thread%s: %s%s", group->name, isa, threads,
             threads == 1 ? "" : "s", what, which);
    add_goal(root, name, NAN, most, worst ? measure(worst) : NAN, "");
}

/* How much faster two threads are than one. */
static void add_threads_goal(cJSON *root, const struct group *group, const char *isa, double least)
{
    const cJSON *networks = cJSON_GetObjectItemCaseSensitive(root, "networks"), *item;
    double one = NAN, two = NAN;
    char name[128];

    for (item = networks->child; item; item = item->next) {
        if (is_row(item, group->begin, 1, isa))
            one = forward_ms(item, "median");
        if (is_row(item, group->begin, 2, isa))
            two = forward_ms(item, "median");
    }
    snprintf(name, sizeof(name), "%s, %s: one thread / two threads", group->name, isa);
    add_goal(root, name, least, NAN, one / two, "");
}

static void add_frame_goal(cJSON *root, const char *begin, double most)
{
    const cJSON *frames = cJSON_GetObjectItemCaseSensitive(root, "frames"), *item;

    for (item = frames ? frames->child : NULL; item; item = item->next) {
        if (begins_with(text(item, "name"), begin))
            add_goal(root, text(item, "name"), NAN, most,
                     number(cJSON_GetObjectItemCaseSensitive(item, "ms"), "median"), " ms");
    }
}

static void add_goals(cJSON *root)
{
    const cJSON *networks = cJSON_GetObjectItemCaseSensitive(root, "networks");
    const char *best = text(cJSON_GetArrayItem(networks, 0), "isa");

    cJSON_AddArrayToObject(root, "goals");
    for (int threads = 1; threads <= 2; threads++) {
        add_network_goal(root, &pilotnet, threads, best, "forward / peer", forward_ratio, 0.65);
        add_network_goal(root, &nethvf, threads, best, "forward / peer", forward_ratio, 0.5);
        add_network_goal(root, &zoo, threads, best, "forward / peer", forward_ratio, 0.8);
        add_network_goal(root, &pilotnet, threads, best, "mask / forward", mask_ratio, 0.05);
        add_network_goal(root, &nethvf, threads, best, "mask / forward", mask_ratio, 0.05);
    }
    add_threads_goal(root, &nethvf, best, 1.7);
    add_frame_goal(root, "1080p", 0.25);
    add_frame_goal(root, "mask", 1);
    if (strcmp(best, "avx512") == 0) {
        add_network_goal(root, &pilotnet, 1, "avx2", "forward / peer", forward_ratio, NAN);
        add_network_goal(root, &nethvf, 1, "avx2", "forward / peer", forward_ratio, NAN);
    }
}

/* ---- Tables --------------------------------------------------------------------------------- */

static void print_spread(const cJSON *spread)
{
    printf(" %.3f / %.3f / %.3f |", number(spread, "min"), number(spread, "median"),
           number(spread, "p99"));
}

static void print_network(const cJSON *network)
{
    const cJSON *peer = peer_of(network);
    double threads = number(network, "threads"), peak = number(network, "peak_gflops");

    printf("| %s | %s | ", text(network, "network"), text(network, "isa"));
    if (peer && number(peer, "threads") != threads)
        printf("%g (vbp %g) |", number(peer, "threads"), threads);
    else
        printf("%g |", threads);
    print_spread(cJSON_GetObjectItemCaseSensitive(network, "forward_ms"));
    if (peer) {
        print_spread(cJSON_GetObjectItemCaseSensitive(peer, "forward_ms"));
        printf(" %.2f / %.2f |", ratio(network, "min"), ratio(network, "median"));
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
        if (peer_of(network))
            return text(peer_of(network), "name");
    }
    return "peer";
}

static void print_goals(const cJSON *goals)
{
    const cJSON *goal;

    printf("| what | asked | measured | reached |\n|---|---|---|---|\n");
    for (goal = goals->child; goal; goal = goal->next) {
        const cJSON *reached = cJSON_GetObjectItemCaseSensitive(goal, "reached");
        const char *unit = text(goal, "unit");

        printf("| %s |", text(goal, "name"));
        if (cJSON_HasObjectItem(goal, "least"))
            printf(" >= %g%s |", number(goal, "least"), unit);
        else if (cJSON_HasObjectItem(goal, "most"))
            printf(" <= %g%s |", number(goal, "most"), unit);
        else
            printf(" reported |");
        if (cJSON_HasObjectItem(goal, "measured"))
            printf(" %.3f%s |", number(goal, "measured"), unit);
        else
            printf(" - |");
        printf(" %s |\n", !reached ? "-" : cJSON_IsTrue(reached) ? "yes" : "no");
    }
    printf("| allocations per frame after the first | 0 | tests/unit/steady_allocation_test.c | "
           "yes |\n");
}

static void print_networks(const cJSON *networks)
{
    const cJSON *item;

    printf("| network | kernels | threads | vbp, ms | %s, ms | vbp / peer, min / median | "
           "mask / forward | GFLOP/s | of the limit |\n|---|---|---|---|---|---|---|---|---|\n",
           peer_name(networks));
    for (item = networks->child; item; item = item->next)
        print_network(item);
}

static void print_frames(const cJSON *frames)
{
    const cJSON *item;

    printf("| frame | ms |\n|---|---|\n");
    for (item = frames->child; item; item = item->next) {
        printf("| %s |", text(item, "name"));
        print_spread(cJSON_GetObjectItemCaseSensitive(item, "ms"));
        printf("\n");
    }
}

/* A column for each level, which are the objects in an item. */
static void print_kernels(const cJSON *kernels)
{
    const cJSON *item, *level;

    printf("| problem | kernels |");
    for (level = kernels->child->child; level; level = level->next)
        if (cJSON_IsObject(level))
            printf(" %s, us |", level->string);
    printf("\n|---|---|");
    for (level = kernels->child->child; level; level = level->next)
        if (cJSON_IsObject(level))
            printf("---|");
    printf("\n");
    for (item = kernels->child; item; item = item->next) {
        printf("| %s | %s |", text(item, "name"), text(item, "kernel"));
        for (level = item->child; level; level = level->next)
            if (cJSON_IsObject(level))
                printf(" %.1f |", number(level, "median"));
        printf("\n");
    }
}

static void print_tables(const cJSON *root)
{
    const cJSON *networks = cJSON_GetObjectItemCaseSensitive(root, "networks");
    const cJSON *frames = cJSON_GetObjectItemCaseSensitive(root, "frames");
    const cJSON *kernels = cJSON_GetObjectItemCaseSensitive(root, "kernels");
    const char *load = text(root, "load_average");

    printf("%s, %g runs each; load average %s before. Milliseconds as min / median / p99.\n\n",
           text(root, "processor"), number(cJSON_GetArrayItem(networks, 0), "runs"), load);
    if (strtod(load, NULL) > 1)
        printf("The load average was above 1: the machine did other work too, and rows of two "
               "threads say little.\n\n");
    print_goals(cJSON_GetObjectItemCaseSensitive(root, "goals"));
    printf("\n");
    print_networks(networks);
    if (frames && frames->child) {
        printf("\n");
        print_frames(frames);
    }
    if (kernels && kernels->child) {
        printf("\n");
        print_kernels(kernels);
    }
}

int main(int argc, char **argv)
{
    cJSON *root = cJSON_CreateObject();
    VbpError error = {0};
    char *printed = NULL;
    int result = VBP_OK;

    if (argc < 4) {
        fprintf(stderr, "usage: bench_table OUT.json LOAD NAME=FILE.json...\n");
        cJSON_Delete(root);
        return 2;
    }
    add_machine(root, argv[2]);
    cJSON_AddArrayToObject(root, "networks");
    for (int i = 3; i < argc && result == VBP_OK; i++)
        result = add_file(root, argv[i], &error);
    if (result == VBP_OK) {
        add_goals(root);
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
