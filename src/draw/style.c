#include "draw/style.h"

#include "base/error.h"
#include "base/memory.h"

/* Far more than any picture to look at has; keeps sizes within int. */
#define MAX_BYTES ((size_t)1 << 30)

const struct color style_ground = {22, 25, 29, 255};
const struct color style_cell = {13, 15, 18, 255};
const struct color style_title = {255, 255, 255, 255};
const struct color style_name = {222, 227, 233, 255};
const struct color style_facts = {150, 160, 172, 255};

int style_page_open(struct style_page *page, VbpError *error)
{
    int status = font_open(&page->title_font, STYLE_TITLE_PIXELS, 1, error);

    return status ? status : font_open(&page->font, STYLE_CAPTION_PIXELS, 0, error);
}

int style_page_begin(struct style_page *page, int width, int height, VbpError *error)
{
    struct surface *surface = &page->surface;
    size_t bytes;

    surface->format = SURFACE_RGB24;
    surface->width = width;
    surface->height = height;
    surface->stride[0] = (ptrdiff_t)width * 3;
    if (!size_multiply((size_t)surface->stride[0], (size_t)height, &bytes) || bytes > MAX_BYTES)
        return error_set(error, VBP_ERROR_ARGUMENT, "a picture of %d x %d pixels is too large",
                         width, height);
    surface->plane[0] = memory_array(bytes, 1);
    if (!surface->plane[0])
        return error_out_of_memory(error);
    surface_clear(surface, style_ground);
    return VBP_OK;
}

uint8_t *style_page_take(struct style_page *page)
{
    uint8_t *pixels = page->surface.plane[0];

    page->surface.plane[0] = NULL;
    return pixels;
}

void style_page_close(struct style_page *page)
{
    font_close(&page->title_font);
    font_close(&page->font);
    free(page->surface.plane[0]);
    page->surface.plane[0] = NULL;
}
