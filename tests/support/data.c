#include "support/data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *data_path(const char *name)
{
    static char paths[4][512];
    static int next;
    const char *folder = getenv("VBP_TEST_DATA");
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder ? folder : "../shared/data", name);
    if (access(path, R_OK) != 0) {
        print_message("skipped: %s is absent\n", path);
        skip();
    }
    return path;
}

struct npy data_array(const char *name)
{
    struct npy array;
    VbpError error;

    if (npy_read(data_path(name), &array, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return array;
}
