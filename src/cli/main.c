/* vbp COMMAND [options] SOURCE */
#include "cli/cli.h"
#include "kernels/threads.h"
#include "media/ffmpeg.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const struct command *const commands[] = {&command_watch, &command_export,  &command_frame,
                                                 &command_info,  &command_convert, &command_train,
                                                 &command_eval,  &command_bench};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_usage(FILE *stream)
{
    fputs("usage: vbp COMMAND [options] SOURCE\n"
          "\n"
          "Shows which pixels the steering of a neural network came from (VisualBackProp).\n"
          "\n",
          stream);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(stream, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n"
          "  vbp COMMAND -h   the command's options\n"
          "  vbp --version    the version\n",
          stream);
}

/* With one of the three closed, the next file opened would take its place and get its messages. */
static void open_standard_streams(void)
{
    for (int descriptor = 0; descriptor < 3; descriptor++) {
        if (fcntl(descriptor, F_GETFD) == -1 && open("/dev/null", O_RDWR) != descriptor)
            _exit(EXIT_FAILED);
    }
}

int main(int argc, char **argv)
{
    open_standard_streams();
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(stdout);
        return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("vbp %s\n", vbp_version());
        return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
    }
    media_quiet_ffmpeg();
    threads_limit_blas(1); /* so that results do not depend on the number of threads */
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], commands[i]->name) == 0)
            return commands[i]->run(argc - 1, argv + 1);
    }
    fprintf(stderr, "vbp: there is no command '%s'; see vbp --help\n", argv[1]);
    return EXIT_USAGE;
}
