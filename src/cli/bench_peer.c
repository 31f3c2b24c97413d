#include "base/file.h"
#include "base/memory.h"
#include "cli/bench.h"
#include "formats/formats.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_SIZE      65536
#define ARGUMENTS_LEAD 7 /* node, script, model, threads, shape, input, result */

/*
 *     vbp ── "5\n" ─────────────────────> node onnxruntime.mjs
 *         <── "0.34 0.35 0.34 0.36 0.34\n" ──
 *
 * over one socket, which is the other program's standard input and output. Input, outputs and a
 * model that is not ONNX go through files in a folder that is gone once the program is ready.
 */
struct bench_peer {
    pid_t process; /* 0: none */
    int socket;
    FILE *answers;
    char *line; /* LINE_SIZE bytes: the last answer */
    char *name;
    char *folder; /* NULL: there is none */
    char *script, *model, *input, *result;
};

static size_t total_output_length(const VbpModel *model)
{
    size_t length = 0;

    for (int i = 0; i < vbp_model_output_count(model); i++)
        length += vbp_model_output_length(model, i);
    return length;
}

/* ---- Files ---------------------------------------------------------------------------------- */

static void remove_files(struct bench_peer *peer)
{
    const char *paths[] = {peer->model, peer->input, peer->result};

    if (!peer->folder)
        return;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        size_t length = strlen(peer->folder);

        if (paths[i] && strncmp(paths[i], peer->folder, length) == 0 && paths[i][length] == '/')
            unlink(paths[i]);
    }
    rmdir(peer->folder);
    free(peer->folder);
    peer->folder = NULL;
}

static int make_folder(struct bench_peer *peer, VbpError *error)
{
    const char *temporary = getenv("TMPDIR");
    char *folder = memory_format("%s/vbp-bench-XXXXXX", temporary ? temporary : "/tmp");
    int result;

    if (!folder)
        return error_out_of_memory(error);
    if (!mkdtemp(folder)) {
        result = error_set_errno(error, "cannot make the folder", folder);
        free(folder);
        return result;
    }
    peer->folder = folder;
    return VBP_OK;
}

/* The model's own file where it is ONNX, else the network written as such. */
static int give_model(struct bench_peer *peer, const VbpModel *model, VbpError *error)
{
    unsigned char *bytes;
    size_t length;
    int result;

    if (model->graph->format && strncmp(model->graph->format, "ONNX", 4) == 0) {
        peer->model = memory_copy_text(model->path);
        return peer->model ? VBP_OK : error_out_of_memory(error);
    }
    peer->model = memory_format("%s/model.onnx", peer->folder);
    if (!peer->model)
        return error_out_of_memory(error);
    result = onnx_write(model->graph, NULL, &bytes, &length, error);
    if (result == VBP_OK)
        result = file_write(peer->model, bytes, length, error);
    free(bytes);
    return result;
}

static int give_files(struct bench_peer *peer, const VbpModel *model, const float *input,
                      VbpError *error)
{
    const struct graph *graph = model->graph;
    size_t size = (size_t)shape_elements(&graph->tensors[graph->input].shape) * sizeof(float);
    int result = make_folder(peer, error);

    if (result == VBP_OK)
        result = give_model(peer, model, error);
    if (result != VBP_OK)
        return result;
    peer->input = memory_format("%s/input.f32", peer->folder);
    peer->result = memory_format("%s/result.f32", peer->folder);
    if (!peer->input || !peer->result)
        return error_out_of_memory(error);
    return file_write(peer->input, input, size, error);
}

/* ---- The process ---------------------------------------------------------------------------- */

static int find_script(struct bench_peer *peer, VbpError *error)
{
    const char *folder = getenv("VBP_PEERS");

    folder = folder ? folder : "tests/bench/peers";
    peer->script = memory_format("%s/onnxruntime.mjs", folder);
    if (!peer->script)
        return error_out_of_memory(error);
    if (!file_exists(peer->script))
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "there is no %s: --peers is for vbp's source folder, or with VBP_PEERS",
                         peer->script);
    return VBP_OK;
}

/* "1,3,66,200" */
static void format_shape(const struct shape *shape, char *text, size_t size)
{
    size_t used = 0;

    text[0] = 0;
    for (int i = 0; i < shape->rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? "," : "",
                                 (long long)shape->extent[i]);
}

static int spawn(struct bench_peer *peer, char *const *arguments, VbpError *error)
{
    posix_spawn_file_actions_t actions;
    int ends[2], failure;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return error_set_errno(error, "cannot make", "a socket");
    peer->socket = ends[0];
    failure = posix_spawn_file_actions_init(&actions);
    if (failure == 0) {
        failure = posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
        if (failure == 0)
            failure = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        if (failure == 0)
            failure =
                posix_spawnp(&peer->process, arguments[0], &actions, NULL, arguments, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    close(ends[1]);
    if (failure != 0) {
        peer->process = 0;
        return error_set(error, VBP_ERROR_UNSUPPORTED, "cannot run %s: %s", arguments[0],
                         strerror(failure));
    }
    peer->answers = fdopen(peer->socket, "r");
    return peer->answers ? VBP_OK : error_out_of_memory(error);
}

static int start_process(struct bench_peer *peer, const VbpModel *model, int threads,
                         VbpError *error)
{
    const struct graph *graph = model->graph;
    int outputs = vbp_model_output_count(model), result;
    const char **arguments = memory_array(ARGUMENTS_LEAD + (size_t)outputs + 1, sizeof(*arguments));
    char threads_text[16], shape_words[128];

    if (!arguments)
        return error_out_of_memory(error);
    snprintf(threads_text, sizeof(threads_text), "%d", threads);
    format_shape(&graph->tensors[graph->input].shape, shape_words, sizeof(shape_words));
    arguments[0] = "node";
    arguments[1] = peer->script;
    arguments[2] = peer->model;
    arguments[3] = threads_text;
    arguments[4] = shape_words;
    arguments[5] = peer->input;
    arguments[6] = peer->result;
    for (int i = 0; i < outputs; i++)
        arguments[ARGUMENTS_LEAD + i] = vbp_model_output_name(model, i);
    result = spawn(peer, (char *const *)arguments, error);
    free(arguments);
    return result;
}

static int read_answer(struct bench_peer *peer, VbpError *error)
{
    if (!fgets(peer->line, LINE_SIZE, peer->answers))
        return error_set(error, VBP_ERROR_IO, "%s ended early",
                         peer->name ? peer->name : peer->script);
    peer->line[strcspn(peer->line, "\n")] = 0;
    return VBP_OK;
}

static int wait_until_ready(struct bench_peer *peer, VbpError *error)
{
    int result = read_answer(peer, error);

    if (result != VBP_OK)
        return result;
    if (strncmp(peer->line, "ready ", 6) != 0)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "%s: %s", peer->script, peer->line);
    peer->name = memory_copy_text(peer->line + 6);
    return peer->name ? VBP_OK : error_out_of_memory(error);
}

static int compare_outputs(const struct bench_peer *peer, size_t length, const float *outputs,
                           double *difference, VbpError *error)
{
    unsigned char *bytes;
    size_t size;
    int result = file_read(peer->result, length * sizeof(float) + 1, &bytes, &size, error);

    if (result != VBP_OK)
        return result;
    *difference = 0;
    if (size != length * sizeof(float))
        result = error_set(error, VBP_ERROR_FORMAT, "%s gives %zu numbers, not %zu", peer->name,
                           size / sizeof(float), length);
    for (size_t i = 0; i < length && result == VBP_OK; i++) {
        float other;
        double distance;

        memcpy(&other, bytes + i * sizeof(float), sizeof(other));
        distance = fabs((double)other - (double)outputs[i]) / fmax(1, fabs((double)other));
        /* NaN counts as the largest. */
        *difference = distance <= *difference ? *difference : distance;
    }
    free(bytes);
    return result;
}

int bench_peer_start(struct bench_peer **peer, const VbpModel *model, int threads,
                     const float *input, const float *outputs, double *difference, VbpError *error)
{
    struct bench_peer *p = memory_array(1, sizeof(*p));
    int result;

    *peer = NULL;
    if (!p)
        return error_out_of_memory(error);
    p->socket = -1;
    p->line = memory_array(LINE_SIZE, 1);
    result = p->line ? find_script(p, error) : error_out_of_memory(error);
    if (result == VBP_OK)
        result = give_files(p, model, input, error);
    if (result == VBP_OK)
        result = start_process(p, model, threads, error);
    if (result == VBP_OK)
        result = wait_until_ready(p, error);
    if (result == VBP_OK)
        result = compare_outputs(p, total_output_length(model), outputs, difference, error);
    remove_files(p);
    if (result == VBP_OK)
        *peer = p;
    else
        bench_peer_stop(&p);
    return result;
}

const char *bench_peer_name(const struct bench_peer *peer)
{
    return peer->name;
}

int bench_peer_run(struct bench_peer *peer, double *milliseconds, int count, VbpError *error)
{
    char question[16];
    int length = snprintf(question, sizeof(question), "%d\n", count), result;
    const char *at = peer->line;

    /* A program that is gone is an error here, not a signal. */
    if (send(peer->socket, question, (size_t)length, MSG_NOSIGNAL) != length)
        return error_set(error, VBP_ERROR_IO, "%s does not listen any more", peer->name);
    result = read_answer(peer, error);
    for (int i = 0; i < count && result == VBP_OK; i++) {
        char *end;

        milliseconds[i] = strtod(at, &end);
        if (end == at || !(milliseconds[i] >= 0))
            result = error_set(error, VBP_ERROR_FORMAT, "%s answers '%.40s', not %d times",
                               peer->name, peer->line, count);
        at = end;
    }
    return result;
}

void bench_peer_stop(struct bench_peer **peer)
{
    struct bench_peer *p = *peer;

    if (!p)
        return;
    if (p->answers)
        fclose(p->answers);
    else if (p->socket >= 0)
        close(p->socket);
    while (p->process > 0 && waitpid(p->process, NULL, 0) == -1 && errno == EINTR)
        continue;
    remove_files(p);
    free(p->line);
    free(p->name);
    free(p->script);
    free(p->model);
    free(p->input);
    free(p->result);
    free(p);
    *peer = NULL;
}
