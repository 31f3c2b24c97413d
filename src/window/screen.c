#include "window/screen.h"

#include "base/memory.h"
#include "window/screen_state.h"

#include <SDL.h>
#include <langinfo.h>
#include <locale.h>

/* Small videos are enlarged to about this width, points. */
#define USUAL_WIDTH 960

/* Share of the display's usable area that a new window may take; the rest is for its frame. */
#define DISPLAY_SHARE 0.92

static const SDL_Color background = {18, 20, 23, 255};

/* Xlib hands on a title in UTF-8 only under a locale that has it. */
static void use_utf8(void)
{
    if (!setlocale(LC_CTYPE, "") || SDL_strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

/* Who names a driver gets it; else there must be something that shows a window to somebody. */
static bool has_display(void)
{
    return SDL_getenv("DISPLAY") || SDL_getenv("WAYLAND_DISPLAY") || SDL_getenv("SDL_VIDEODRIVER");
}

int screen_init(VbpError *error)
{
    use_utf8();
    /* Without this, opening a window turns off the effects of the whole desktop. */
    SDL_SetHint(SDL_HINT_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR, "0");
    SDL_SetHint(SDL_HINT_VIDEO_MINIMIZE_ON_FOCUS_LOSS, "0");
    if (!has_display())
        SDL_SetError("neither DISPLAY nor WAYLAND_DISPLAY is set");
    else if (SDL_InitSubSystem(SDL_INIT_VIDEO) == 0)
        return VBP_OK;
    return error_set(error, VBP_ERROR_IO,
                     "no display (%s): `vbp export SOURCE -o OUT.mp4` writes an annotated clip "
                     "instead",
                     SDL_GetError());
}

/* ---- The window ----------------------------------------------------------------------------- */

/* Width of the picture in square pixels. */
static double shown_width(int width, AVRational sample_aspect_ratio)
{
    if (sample_aspect_ratio.num <= 0 || sample_aspect_ratio.den <= 0)
        return width;
    return width * av_q2d(sample_aspect_ratio);
}

static void choose_size(const struct screen_options *options, int *width, int *height)
{
    double w = shown_width(options->width, options->sample_aspect_ratio), h = options->height;
    int factor = (int)(USUAL_WIDTH / w + 0.5);
    SDL_Rect usable;

    if (factor > 1) {
        w *= factor;
        h *= factor;
    }
    if (SDL_GetDisplayUsableBounds(0, &usable) == 0) {
        double fit = SDL_min(usable.w * DISPLAY_SHARE / w, usable.h * DISPLAY_SHARE / h);

        if (fit < 1) {
            w *= fit;
            h *= fit;
        }
    }
    *width = SDL_max((int)(w + 0.5), 1);
    *height = SDL_max((int)(h + 0.5), 1);
}

/*
 * OpenGL without a graphics card is slower than SDL's own drawing and takes the cores that the
 * network needs.
 */
static bool is_emulated(SDL_Renderer *renderer)
{
    typedef const unsigned char *(*get_string_function)(unsigned int name);
    static const char *const emulations[] = {"llvmpipe", "softpipe", "swrast", "SWR"};
    const unsigned int renderer_name = 0x1F01; /* GL_RENDERER */
    get_string_function get_string = NULL;
    SDL_RendererInfo info;
    const char *name;
    void *address;

    if (SDL_GetRendererInfo(renderer, &info) != 0 || SDL_strncmp(info.name, "opengl", 6) != 0)
        return false;
    address = SDL_GL_GetProcAddress("glGetString");
    SDL_memcpy(&get_string, &address, sizeof(get_string));
    name = get_string ? (const char *)get_string(renderer_name) : NULL;
    for (size_t i = 0; name && i < SDL_arraysize(emulations); i++) {
        if (SDL_strstr(name, emulations[i]))
            return true;
    }
    return false;
}

/* SDL_RENDER_DRIVER in the environment names a renderer and is obeyed. */
static SDL_Renderer *create_renderer(SDL_Window *window)
{
    SDL_Renderer *renderer =
        SDL_CreateRenderer(window, -1, SDL_RENDERER_ACCELERATED | SDL_RENDERER_PRESENTVSYNC);

    if (renderer && !SDL_GetHint(SDL_HINT_RENDER_DRIVER) && is_emulated(renderer)) {
        SDL_DestroyRenderer(renderer);
        renderer = NULL;
    }
    return renderer ? renderer : SDL_CreateRenderer(window, -1, SDL_RENDERER_SOFTWARE);
}

int screen_open(struct screen **screen, const struct screen_options *options, VbpError *error)
{
    struct screen *s = memory_array(1, sizeof(*s));
    /* Hidden at first: to find its renderer, SDL may have to replace the window. */
    Uint32 flags = SDL_WINDOW_RESIZABLE | SDL_WINDOW_ALLOW_HIGHDPI | SDL_WINDOW_HIDDEN;
    int width, height;
    int result = VBP_OK;

    *screen = NULL;
    if (!s)
        return error_out_of_memory(error);
    s->sample_aspect_ratio = options->sample_aspect_ratio;
    choose_size(options, &width, &height);
    s->window = SDL_CreateWindow(options->title, SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED,
                                 width, height, flags);
    if (!s->window) {
        result = error_set(error, VBP_ERROR_IO, "cannot open a window: %s", SDL_GetError());
        goto done;
    }
    s->renderer = create_renderer(s->window);
    if (!s->renderer) {
        result = error_set(error, VBP_ERROR_IO, "cannot draw in the window: %s", SDL_GetError());
        goto done;
    }
    SDL_SetWindowMinimumSize(s->window, 160, 90);
    SDL_ShowWindow(s->window);
    screen_set_fullscreen(s, options->fullscreen);
    SDL_StartTextInput();
    *screen = s;
    s = NULL;
done:
    screen_close(&s);
    return result;
}

void screen_close(struct screen **screen)
{
    struct screen *s = *screen;

    if (!s)
        return;
    if (s->picture)
        SDL_DestroyTexture(s->picture);
    if (s->renderer)
        SDL_DestroyRenderer(s->renderer);
    if (s->window)
        SDL_DestroyWindow(s->window);
    scaler_free(&s->scaler);
    av_frame_free(&s->converted);
    free(s);
    *screen = NULL;
}

void screen_set_title(struct screen *screen, const char *title)
{
    SDL_SetWindowTitle(screen->window, title);
}

/* True where nothing draws frames around windows: no window manager will act on our behalf. */
static bool is_unmanaged(const struct screen *screen)
{
    const char *driver = SDL_GetCurrentVideoDriver();
    int top = 0, left = 0, bottom = 0, right = 0;

    if (!driver || SDL_strcmp(driver, "x11") != 0)
        return false;
    SDL_GetWindowBordersSize(screen->window, &top, &left, &bottom, &right);
    return top == 0 && left == 0 && bottom == 0 && right == 0;
}

/* On X11 it is the window manager that makes windows large; without one it is done by hand. */
static void cover_display(struct screen *screen, bool cover)
{
    SDL_Rect display;

    if (!cover) {
        SDL_SetWindowSize(screen->window, screen->windowed.w, screen->windowed.h);
        SDL_SetWindowPosition(screen->window, screen->windowed.x, screen->windowed.y);
        screen->covers_display = false;
        return;
    }
    if (SDL_GetDisplayBounds(SDL_GetWindowDisplayIndex(screen->window), &display) != 0)
        return;
    SDL_GetWindowSize(screen->window, &screen->windowed.w, &screen->windowed.h);
    SDL_GetWindowPosition(screen->window, &screen->windowed.x, &screen->windowed.y);
    SDL_SetWindowPosition(screen->window, display.x, display.y);
    SDL_SetWindowSize(screen->window, display.w, display.h);
    screen->covers_display = true;
}

void screen_set_fullscreen(struct screen *screen, bool fullscreen)
{
    if (fullscreen == screen_is_fullscreen(screen))
        return;
    if (fullscreen && is_unmanaged(screen))
        cover_display(screen, true);
    SDL_SetWindowFullscreen(screen->window, fullscreen ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
    if (!fullscreen && screen->covers_display)
        cover_display(screen, false);
    SDL_ShowCursor(fullscreen ? SDL_DISABLE : SDL_ENABLE);
}

bool screen_is_fullscreen(const struct screen *screen)
{
    return (SDL_GetWindowFlags(screen->window) & SDL_WINDOW_FULLSCREEN) != 0;
}

void screen_size(const struct screen *screen, int *width, int *height)
{
    if (SDL_GetRendererOutputSize(screen->renderer, width, height) != 0)
        *width = *height = 1;
}

bool screen_lost_textures(const SDL_Event *event)
{
    return event->type == SDL_RENDER_TARGETS_RESET || event->type == SDL_RENDER_DEVICE_RESET;
}

/* ---- The picture ---------------------------------------------------------------------------- */

/* SDL's conversion for the picture's colours; false: it has none. */
static bool find_conversion(const AVFrame *picture, SDL_YUV_CONVERSION_MODE *mode)
{
    bool full = picture->color_range == AVCOL_RANGE_JPEG;

    switch (picture->colorspace) {
    case AVCOL_SPC_BT709:
        *mode = SDL_YUV_CONVERSION_BT709;
        return !full;
    case AVCOL_SPC_UNSPECIFIED: /* taken for BT.601, as the network takes it */
    case AVCOL_SPC_SMPTE170M:
    case AVCOL_SPC_BT470BG:
        *mode = full ? SDL_YUV_CONVERSION_JPEG : SDL_YUV_CONVERSION_BT601;
        return true;
    default:
        return false;
    }
}

static int ensure_texture(struct screen *screen, Uint32 format, int width, int height,
                          VbpError *error)
{
    if (screen->picture && screen->picture_format == format && screen->picture_width == width &&
        screen->picture_height == height)
        return VBP_OK;
    if (screen->picture)
        SDL_DestroyTexture(screen->picture);
    screen->picture =
        SDL_CreateTexture(screen->renderer, format, SDL_TEXTUREACCESS_STREAMING, width, height);
    if (!screen->picture)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "cannot show pictures of %d x %d: %s", width,
                         height, SDL_GetError());
    SDL_SetTextureScaleMode(screen->picture, SDL_ScaleModeLinear);
    screen->picture_format = format;
    screen->picture_width = width;
    screen->picture_height = height;
    return VBP_OK;
}

/* The picture as RGB, by its own matrix and range. */
static int convert(struct screen *screen, const AVFrame *picture, VbpError *error)
{
    AVFrame *to = screen->converted;

    if (!to || to->width != picture->width || to->height != picture->height) {
        av_frame_free(&screen->converted);
        to = av_frame_alloc();
        if (!to)
            return error_out_of_memory(error);
        to->format = AV_PIX_FMT_RGB32; /* native-endian words, as SDL's ARGB8888 */
        to->width = picture->width;
        to->height = picture->height;
        to->colorspace = AVCOL_SPC_RGB;
        to->color_range = AVCOL_RANGE_JPEG;
        screen->converted = to;
        if (av_frame_get_buffer(to, 0) < 0) {
            av_frame_free(&screen->converted);
            return error_out_of_memory(error);
        }
    }
    return scaler_run(&screen->scaler, to, picture, error);
}

int screen_upload(struct screen *screen, const AVFrame *picture, VbpError *error)
{
    int updated;
    int result;

    if (find_conversion(picture, &screen->conversion)) {
        result =
            ensure_texture(screen, SDL_PIXELFORMAT_IYUV, picture->width, picture->height, error);
        if (result != VBP_OK)
            return result;
        /* Some renderers convert here, others while drawing. */
        SDL_SetYUVConversionMode(screen->conversion);
        updated = SDL_UpdateYUVTexture(screen->picture, NULL, picture->data[0],
                                       picture->linesize[0], picture->data[1], picture->linesize[1],
                                       picture->data[2], picture->linesize[2]);
    } else {
        result = convert(screen, picture, error);
        if (result == VBP_OK)
            result = ensure_texture(screen, SDL_PIXELFORMAT_ARGB8888, picture->width,
                                    picture->height, error);
        if (result != VBP_OK)
            return result;
        updated = SDL_UpdateTexture(screen->picture, NULL, screen->converted->data[0],
                                    screen->converted->linesize[0]);
    }
    return updated == 0
               ? VBP_OK
               : error_set(error, VBP_ERROR_MEMORY, "cannot fill a texture: %s", SDL_GetError());
}

/* The largest place in the window that has the picture's shape. */
static SDL_Rect letterbox(const struct screen *screen)
{
    double w = shown_width(screen->picture_width, screen->sample_aspect_ratio);
    double h = screen->picture_height;
    double scale;
    SDL_Rect place;
    int width, height;

    screen_size(screen, &width, &height);
    scale = SDL_min(width / w, height / h);
    place.w = SDL_max((int)(w * scale + 0.5), 1);
    place.h = SDL_max((int)(h * scale + 0.5), 1);
    place.x = (width - place.w) / 2;
    place.y = (height - place.h) / 2;
    return place;
}

int screen_begin(struct screen *screen, VbpError *error)
{
    SDL_Rect place;

    if (SDL_SetRenderDrawColor(screen->renderer, background.r, background.g, background.b,
                               background.a) != 0 ||
        SDL_RenderClear(screen->renderer) != 0)
        return error_set(error, VBP_ERROR_IO, "cannot draw in the window: %s", SDL_GetError());
    if (!screen->picture)
        return VBP_OK;
    place = letterbox(screen);
    SDL_SetYUVConversionMode(screen->conversion);
    if (SDL_RenderCopy(screen->renderer, screen->picture, NULL, &place) != 0)
        return error_set(error, VBP_ERROR_IO, "cannot draw the picture: %s", SDL_GetError());
    return VBP_OK;
}

void screen_present(struct screen *screen)
{
    SDL_RenderPresent(screen->renderer);
}
