#include "media/array.h"

#include "base/error.h"
#include "media/frame.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* The longest side of a VbpImage. */
#define MAX_SIDE 32768

bool array_is_one(const char *name)
{
    static const char magic[6] = "\x93NUMPY";
    const char *dot = strrchr(name, '.');
    char start[sizeof(magic)];
    struct stat status;
    FILE *stream;
    bool begins_like_one;

    /* What is read from a pipe now would be missing later. */
    if (stat(name, &status) != 0 || !S_ISREG(status.st_mode))
        return false;
    stream = fopen(name, "rb");
    if (!stream)
        return false;
    begins_like_one = fread(start, 1, sizeof(start), stream) == sizeof(start) &&
                      memcmp(start, magic, sizeof(start)) == 0;
    fclose(stream);
    return begins_like_one || (dot && strcasecmp(dot, ".npy") == 0);
}

int array_picture(AVFrame **picture, const char *name, const struct npy *array, VbpError *error)
{
    size_t channels = array->rank == 3 ? array->extent[2] : 1;
    bool fits = (array->rank == 2 || array->rank == 3) &&
                (channels == 1 || channels == 3 || channels == 4) && array->extent[0] >= 1 &&
                array->extent[0] <= MAX_SIDE && array->extent[1] >= 1 &&
                array->extent[1] <= MAX_SIDE;
    struct frame_pool *pool = NULL;
    const uint8_t *pixel = array->data;
    AVFrame *made;

    *picture = NULL;
    if (!fits) {
        char shape[NPY_MAX_RANK * 24] = "";
        size_t used = 0;

        for (int i = 0; i < array->rank; i++)
            used += (size_t)snprintf(shape + used, sizeof(shape) - used, "%s%zu", i ? " x " : "",
                                     array->extent[i]);
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "%s: a uint8 array of shape %s is no picture "
                         "(height x width, or that x 1, 3 or 4, is)",
                         name, array->rank ? shape : "()");
    }
    made = frame_pool_take(&pool, channels == 1 ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24,
                           (int)array->extent[1], (int)array->extent[0], error);
    frame_pool_free(&pool);
    if (!made)
        return VBP_ERROR_MEMORY;
    for (int y = 0; y < made->height; y++) {
        uint8_t *row = made->data[0] + (ptrdiff_t)made->linesize[0] * y;

        for (int x = 0; x < made->width; x++, pixel += channels) {
            *row++ = pixel[0];
            if (channels > 1) {
                *row++ = pixel[1];
                *row++ = pixel[2];
            }
        }
    }
    made->color_range = AVCOL_RANGE_JPEG;
    if (channels > 1)
        made->colorspace = AVCOL_SPC_RGB;
    *picture = made;
    return VBP_OK;
}
