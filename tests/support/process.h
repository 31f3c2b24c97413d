/* Runs a program to its end and keeps what it said. */
#ifndef VBP_TESTS_SUPPORT_PROCESS_H
#define VBP_TESTS_SUPPORT_PROCESS_H

#include <stddef.h>

struct process_result {
    int status;   /* exit status; 128 + signal if it was killed */
    char *output; /* standard output, NUL-terminated */
    char *errors; /* standard error */
};

/*
 * arguments: NULL-terminated, [0] is the program, found by PATH. Standard input is empty. A program
 * that runs longer than `seconds` is killed and fails the running test.
 */
struct process_result process_run(const char *const *arguments, int seconds);
void process_free(struct process_result *result);

/* execvp with arguments that are const; returns only if it fails. For a child that was forked. */
void process_replace(const char *const *arguments);

/* The vbp under test: what the environment variable VBP names, or build/vbp. */
const char *process_vbp(void);

/* process_run of vbp with the given arguments: VBP_RUN("info", "x.onnx"). */
#define VBP_RUN(...) process_run((const char *const[]){process_vbp(), __VA_ARGS__, NULL}, 120)

#endif
