/* The files that `vbp frame` writes. */
#ifndef VBP_CLI_FRAME_FILES_H
#define VBP_CLI_FRAME_FILES_H

#include "api/model.h"

#include <libavutil/frame.h>
#include <stdbool.h>

struct frame_files {
    const char *folder;
    bool overwrite, raw;
    const char *const *inputs; /* NULL-terminated: files that must not be replaced */
    const VbpModel *model;
    const VbpRunner *runner; /* its last run is what is written */
    int64_t frame_number;
    double time;            /* seconds */
    const AVFrame *overlay; /* NULL: no picture to overlay */
};

/*
 * Writes overlay.png, mask.png, levels.png, mask.npy and report.json, with raw also
 * levels/NN_average.npy and levels/NN_product.npy (01 is nearest the input): all of them, or after
 * a failure none.
 */
int frame_files_write(const struct frame_files *files, VbpError *error);

#endif
