/* A main() for a fuzzing program without libFuzzer: runs it on each file given, e.g. in valgrind.
 */
#include "base/file.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Only some have it. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int main(int count, char **paths)
{
    if (LLVMFuzzerInitialize && LLVMFuzzerInitialize(&count, &paths) != 0)
        return 1;
    for (int i = 1; i < count; i++) {
        unsigned char *bytes, *exact;
        size_t length;
        VbpError error;

        if (file_read(paths[i], (size_t)1 << 30, &bytes, &length, &error) != VBP_OK) {
            fprintf(stderr, "%s\n", error.message);
            return 1;
        }
        /* In a block of just that size, so that reading on is noticed. */
        exact = malloc(length + !length);
        if (!exact)
            return 1;
        memcpy(exact, bytes, length);
        free(bytes);
        LLVMFuzzerTestOneInput(exact, length);
        free(exact);
    }
    return 0;
}
