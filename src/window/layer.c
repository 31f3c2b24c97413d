#include "base/memory.h"
#include "window/screen.h"
#include "window/screen_state.h"

#include <string.h>

/* Textures grow in steps, so that a display whose width changes by a digit keeps its texture. */
#define TEXTURE_STEP 64

static int rounded_up(int size)
{
    return (size + TEXTURE_STEP - 1) / TEXTURE_STEP * TEXTURE_STEP;
}

int layer_begin(struct layer *layer, int width, int height, int layout_width,
                struct surface *surface, VbpError *error)
{
    if (layout_width < width)
        layout_width = width;
    if (width < 1 || height < 1 || layout_width > 32768 || height > 32768)
        return error_set(error, VBP_ERROR_ARGUMENT, "no layer of %d x %d pixels", width, height);
    if (layer->row_pixels != layout_width || layer->rows < height) {
        free(layer->pixels);
        layer->row_pixels = layer->rows = 0;
        layer->pixels = memory_array((size_t)layout_width * (size_t)height, sizeof(uint32_t));
        if (!layer->pixels)
            return error_out_of_memory(error);
        layer->row_pixels = layout_width;
        layer->rows = height;
    }
    layer->width = width;
    layer->height = height;
    *surface = (struct surface){.format = SURFACE_ARGB32,
                                .width = layout_width,
                                .height = height,
                                .plane = {layer->pixels},
                                .stride = {(ptrdiff_t)layout_width * 4}};
    for (int y = 0; y < height; y++)
        memset(layer->pixels + y * surface->stride[0], 0, (size_t)width * 4);
    return VBP_OK;
}

int layer_finish(struct screen *screen, struct layer *layer, VbpError *error)
{
    SDL_Rect used = {0, 0, layer->width, layer->height};

    if (!layer->texture || layer->texture_width < layer->width ||
        layer->texture_height < layer->height) {
        if (layer->texture)
            SDL_DestroyTexture(layer->texture);
        layer->texture_width = rounded_up(layer->width);
        layer->texture_height = rounded_up(layer->height);
        layer->texture = SDL_CreateTexture(screen->renderer, SDL_PIXELFORMAT_ARGB8888,
                                           SDL_TEXTUREACCESS_STREAMING, layer->texture_width,
                                           layer->texture_height);
        if (!layer->texture || SDL_SetTextureBlendMode(layer->texture, SDL_BLENDMODE_BLEND) != 0 ||
            SDL_SetTextureScaleMode(layer->texture, SDL_ScaleModeNearest) != 0)
            return error_set(error, VBP_ERROR_MEMORY, "cannot make a texture: %s", SDL_GetError());
    }
    if (SDL_UpdateTexture(layer->texture, &used, layer->pixels, layer->row_pixels * 4) != 0)
        return error_set(error, VBP_ERROR_MEMORY, "cannot fill a texture: %s", SDL_GetError());
    return VBP_OK;
}

void layer_draw(struct screen *screen, const struct layer *layer)
{
    SDL_Rect from = {0, 0, layer->width, layer->height};
    SDL_Rect to = {layer->x, layer->y, layer->width, layer->height};

    if (!layer->visible || !layer->texture)
        return;
    SDL_SetTextureAlphaMod(layer->texture, (Uint8)(255 * layer->opacity + 0.5));
    SDL_RenderCopy(screen->renderer, layer->texture, &from, &to);
}

void layer_free(struct layer *layer)
{
    if (layer->texture)
        SDL_DestroyTexture(layer->texture);
    free(layer->pixels);
    *layer = (struct layer){0};
}
