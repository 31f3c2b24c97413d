/* libFuzzer: any bytes as a driving_log.csv, with and without side cameras. */
#include "fuzz_folder.h"

#include "media/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const char *const images[] = {"IMG/a.png", "IMG/center_2016_12_01_13_36_00_987.jpg",
                                         "IMG/center_2016_12_01_13_36_03_987.jpg", NULL};
    const char *folder = fuzz_folder("log", "IMG", images);

    fuzz_write(folder, "driving_log.csv", bytes, length);
    for (int sides = 0; sides < 2; sides++) {
        struct dataset_options options = {.side_cameras = sides, .side_correction = 0.2};
        struct dataset *dataset;
        VbpError error;

        if (dataset_open(&dataset, folder, &options, &error) != VBP_OK)
            continue;
        fuzz_check(dataset);
        dataset_close(&dataset);
    }
    return 0;
}
