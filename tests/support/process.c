#include "support/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

const char *process_vbp(void)
{
    const char *program = getenv("VBP");

    return program ? program : "build/vbp";
}

#define MAX_ARGUMENTS 64

void process_replace(const char *const *arguments)
{
    char *copies[MAX_ARGUMENTS + 1] = {NULL};

    for (int i = 0; i < MAX_ARGUMENTS && arguments[i]; i++)
        copies[i] = strdup(arguments[i]);
    execvp(arguments[0], copies);
}

static void start_child(const char *const *arguments, const int output[2], const int errors[2])
{
    int nothing = open("/dev/null", O_RDONLY);

    dup2(nothing, STDIN_FILENO);
    dup2(output[1], STDOUT_FILENO);
    dup2(errors[1], STDERR_FILENO);
    close(output[0]);
    close(errors[0]);
    process_replace(arguments);
    fprintf(stderr, "cannot run %s: %s\n", arguments[0], strerror(errno));
    _exit(127);
}

/* Appends what is there to *text; false at its end. */
static int read_some(int descriptor, char **text, size_t *length)
{
    char buffer[4096];
    ssize_t got = read(descriptor, buffer, sizeof(buffer));

    if (got <= 0)
        return 0;
    *text = realloc(*text, *length + (size_t)got + 1);
    if (!*text)
        abort();
    memcpy(*text + *length, buffer, (size_t)got);
    *length += (size_t)got;
    (*text)[*length] = 0;
    return 1;
}

struct process_result process_run(const char *const *arguments, int seconds)
{
    struct process_result result = {.output = calloc(1, 1), .errors = calloc(1, 1)};
    size_t lengths[2] = {0, 0};
    char **texts[2] = {&result.output, &result.errors};
    time_t deadline = time(NULL) + seconds;
    int output[2], errors[2], status, open_ends = 2;
    struct pollfd ends[2];
    pid_t child;

    if (!result.output || !result.errors || pipe(output) != 0 || pipe(errors) != 0)
        fail_msg("no memory or pipes");
    child = fork();
    if (child == 0)
        start_child(arguments, output, errors);
    close(output[1]);
    close(errors[1]);
    ends[0] = (struct pollfd){.fd = output[0], .events = POLLIN};
    ends[1] = (struct pollfd){.fd = errors[0], .events = POLLIN};
    while (open_ends > 0) {
        int left = (int)(deadline - time(NULL));

        if (left <= 0 || poll(ends, 2, left * 1000) == 0) {
            kill(child, SIGKILL);
            waitpid(child, NULL, 0);
            fail_msg("%s %s ran longer than %d s", arguments[0], arguments[1], seconds);
        }
        for (int i = 0; i < 2; i++) {
            if (ends[i].fd >= 0 && ends[i].revents &&
                !read_some(ends[i].fd, texts[i], &lengths[i])) {
                close(ends[i].fd);
                ends[i].fd = -1;
                open_ends--;
            }
        }
    }
    waitpid(child, &status, 0);
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return result;
}

void process_free(struct process_result *result)
{
    free(result->output);
    free(result->errors);
    *result = (struct process_result){0};
}
