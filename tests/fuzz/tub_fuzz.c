/*
 * libFuzzer: any bytes as a Donkey tub. Up to the first byte 0xff they are the manifest of a tub v2
 * and behind it its catalog; without such a byte they are the record of a tub v1.
 */
#include "fuzz_folder.h"

#include "media/dataset.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void open_tub(const char *folder)
{
    struct dataset *dataset;
    VbpError error;

    if (dataset_open(&dataset, folder, &(struct dataset_options){0}, &error) != VBP_OK)
        return;
    fuzz_check(dataset);
    dataset_close(&dataset);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const char *const images[] = {"images/0.jpg", "images/1.jpg", "0.jpg", NULL};
    const uint8_t *mark = length ? memchr(bytes, 0xff, length) : NULL;
    size_t manifest = mark ? (size_t)(mark - bytes) : 0;
    const char *folder;

    if (!mark) {
        folder = fuzz_folder("tub1", "images", images);
        fuzz_write(folder, "record_1.json", bytes, length);
    } else {
        folder = fuzz_folder("tub2", "images", images);
        fuzz_write(folder, "manifest.json", bytes, manifest);
        fuzz_write(folder, "catalog_0.catalog", mark + 1, length - manifest - 1);
    }
    open_tub(folder);
    return 0;
}
