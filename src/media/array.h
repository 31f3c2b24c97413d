/* Pictures that are NumPy arrays. */
#ifndef VBP_MEDIA_ARRAY_H
#define VBP_MEDIA_ARRAY_H

#include "base/npy.h"

#include <libavutil/frame.h>
#include <stdbool.h>

/* By how the file begins, or by its ending. False where there is no such file. */
bool array_is_one(const char *name);

/*
 * A uint8 array of height x width, or with 1, 3 or 4 channels behind, as a picture in gray or RGB
 * (a fourth channel is left out), the caller's. Others are refused; the message begins with `name`.
 * On failure *picture is NULL.
 */
int array_picture(AVFrame **picture, const char *name, const struct npy *array, VbpError *error);

#endif
