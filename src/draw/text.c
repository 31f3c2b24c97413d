#include "draw/text.h"

#include "base/error.h"
#include "base/memory.h"

#include <SDL_ttf.h>
#include <fontconfig/fontconfig.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

/* Fonts larger than this are nobody's wish; it bounds the memory of the atlas. */
#define MAX_PIXELS 1024

/* The characters every font holds: Latin from the space on, then the signs below. */
#define FIRST_LATIN 0x20
#define LAST_LATIN  0x17f
#define LATIN_COUNT (LAST_LATIN - FIRST_LATIN + 1)

static const struct {
    uint32_t character;
    uint32_t replacement; /* what is drawn where the font does not have it */
} signs[] = {
    {0x2013, '-'}, /* en dash */
    {0x2014, '-'}, /* em dash */
    {0x2022, '*'}, /* bullet */
    {0x2026, '.'}, /* ellipsis */
    {0x2190, '<'}, /* arrow left */
    {0x2191, '^'}, /* arrow up */
    {0x2192, '>'}, /* arrow right */
    {0x2193, 'v'}, /* arrow down */
    {0x2212, '-'}, /* minus */
    {0x221a, '?'}, /* root */
    {0x2264, '<'}, /* less or equal */
    {0x2265, '>'}, /* greater or equal */
    {0x2713, '+'}, /* check mark */
};
#define SIGN_COUNT  (sizeof(signs) / sizeof(signs[0]))
#define GLYPH_COUNT (LATIN_COUNT + SIGN_COUNT)

/* A character's picture: width x height bytes of coverage in the atlas, rows without gaps. */
struct glyph {
    size_t offset;
    int left, top; /* of the picture, from the pen and from the top of the line */
    int width, height;
    int advance; /* of the pen; 0 for glyphs that the font does not have */
};

struct font {
    int line_height, ascent, cap_height;
    struct glyph glyphs[GLYPH_COUNT];
    uint8_t *atlas;
    size_t atlas_capacity, atlas_used;
};

/* SDL_ttf counts its users in a plain global and shares one FreeType among them. */
static pthread_mutex_t sdl_ttf_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- Finding a font ------------------------------------------------------------------------- */

/* Path (to be freed) and face number of a sans-serif font, as fontconfig chooses. */
static int find_font(int bold, char **path, int *face, VbpError *error)
{
    FcConfig *config = FcInitLoadConfigAndFonts();
    FcPattern *wanted = FcPatternCreate();
    FcPattern *match = NULL;
    FcResult result = FcResultNoMatch;
    FcChar8 *file = NULL;
    int status = VBP_OK;

    if (!config || !wanted) {
        status = error_set(error, VBP_ERROR_UNSUPPORTED, "fontconfig cannot be used");
        goto done;
    }
    FcPatternAddString(wanted, FC_FAMILY, (const FcChar8 *)"DejaVu Sans");
    FcPatternAddString(wanted, FC_FAMILY, (const FcChar8 *)"sans-serif");
    FcPatternAddInteger(wanted, FC_WEIGHT, bold ? FC_WEIGHT_BOLD : FC_WEIGHT_REGULAR);
    FcPatternAddInteger(wanted, FC_SLANT, FC_SLANT_ROMAN);
    FcPatternAddBool(wanted, FC_OUTLINE, FcTrue);
    FcConfigSubstitute(config, wanted, FcMatchPattern);
    FcDefaultSubstitute(wanted);
    match = FcFontMatch(config, wanted, &result);
    if (!match || FcPatternGetString(match, FC_FILE, 0, &file) != FcResultMatch) {
        status = error_set(error, VBP_ERROR_UNSUPPORTED,
                           "no font found; install a sans-serif font such as fonts-dejavu-core");
        goto done;
    }
    if (FcPatternGetInteger(match, FC_INDEX, 0, face) != FcResultMatch)
        *face = 0;
    *path = memory_copy_text((const char *)file);
    if (!*path)
        status = error_out_of_memory(error);

done:
    if (match)
        FcPatternDestroy(match);
    if (wanted)
        FcPatternDestroy(wanted);
    if (config)
        FcConfigDestroy(config);
    return status;
}

/* Opens the face so that ascender to descender is `pixels` or as little less as can be had. */
static int open_face(TTF_Font **face, int pixels, int bold, VbpError *error)
{
    const char *chosen = getenv("VBP_FONT");
    char *path = NULL;
    int index = 0, size = pixels;
    int status;

    if (chosen && *chosen) {
        path = memory_copy_text(chosen);
        status = path ? VBP_OK : error_out_of_memory(error);
    } else {
        status = find_font(bold, &path, &index, error);
    }
    if (status)
        goto done;
    *face = TTF_OpenFontIndex(path, size, index);
    if (!*face) {
        status = error_set(error, VBP_ERROR_IO, "cannot open the font %s%s: %s", path,
                           chosen && *chosen ? " (named by VBP_FONT)" : "", TTF_GetError());
        goto done;
    }
    /* A font's size is that of its em square, which is smaller than its lines. */
    while (size > 1 && TTF_FontAscent(*face) - TTF_FontDescent(*face) > pixels) {
        int height = TTF_FontAscent(*face) - TTF_FontDescent(*face);
        int smaller = (int)((int64_t)size * pixels / height);

        size = smaller < size ? (smaller > 0 ? smaller : 1) : size - 1;
        if (TTF_SetFontSize(*face, size) != 0) {
            status = error_set(error, VBP_ERROR_UNSUPPORTED, "the font %s has no size %d: %s", path,
                               size, TTF_GetError());
            goto done;
        }
    }
    /* Light hinting aligns to rows of pixels only: crisp, and letters keep their shape. */
    TTF_SetFontHinting(*face, TTF_HINTING_LIGHT);
    if (bold)
        TTF_SetFontStyle(*face, TTF_STYLE_BOLD); /* thickens faces that are not bold already */

done:
    free(path);
    return status;
}

/* ---- Rasterising ---------------------------------------------------------------------------- */

/* The rectangle of a picture in which anything is drawn; empty (all 0) where nothing is. */
static SDL_Rect find_ink(const SDL_Surface *picture)
{
    int left = picture->w, top = picture->h, right = 0, bottom = 0;

    for (int y = 0; y < picture->h; y++) {
        const uint32_t *row =
            (const uint32_t *)(const void *)((const uint8_t *)picture->pixels + y * picture->pitch);

        for (int x = 0; x < picture->w; x++) {
            if (row[x] >> 24 == 0)
                continue;
            left = x < left ? x : left;
            right = x >= right ? x + 1 : right;
            top = y < top ? y : top;
            bottom = y + 1;
        }
    }
    if (right == 0)
        return (SDL_Rect){0, 0, 0, 0};
    return (SDL_Rect){left, top, right - left, bottom - top};
}

static int store_picture(struct font *font, struct glyph *glyph, const SDL_Surface *picture,
                         VbpError *error)
{
    SDL_Rect ink = find_ink(picture);
    size_t bytes = (size_t)ink.w * (size_t)ink.h;
    uint8_t *to;

    if (!memory_grow((void **)&font->atlas, &font->atlas_capacity, font->atlas_used + bytes, 1))
        return error_out_of_memory(error);
    glyph->offset = font->atlas_used;
    glyph->left += ink.x;
    glyph->top = ink.y;
    glyph->width = ink.w;
    glyph->height = ink.h;
    to = font->atlas + font->atlas_used;
    for (int y = ink.y; y < ink.y + ink.h; y++) {
        const uint32_t *row =
            (const uint32_t *)(const void *)((const uint8_t *)picture->pixels + y * picture->pitch);

        for (int x = ink.x; x < ink.x + ink.w; x++)
            *to++ = (uint8_t)(row[x] >> 24);
    }
    font->atlas_used += bytes;
    return VBP_OK;
}

static int rasterise(struct font *font, TTF_Font *face, uint32_t character, struct glyph *glyph,
                     VbpError *error)
{
    SDL_Surface *picture;
    int left, right, bottom, top, advance;
    int status;

    /* 0x7f to 0x9f are control characters, whatever a font may hold there. */
    if ((character >= 0x7f && character < 0xa0) || !TTF_GlyphIsProvided32(face, character))
        return VBP_OK;
    if (TTF_GlyphMetrics32(face, character, &left, &right, &bottom, &top, &advance) != 0)
        return VBP_OK;
    glyph->advance = advance > 0 ? advance : 1;
    if (right <= left || top <= bottom)
        return VBP_OK; /* a space */
    picture = TTF_RenderGlyph32_Blended(face, character, (SDL_Color){255, 255, 255, 255});
    if (!picture) { /* as with the soft hyphen, which is never meant to be seen */
        glyph->advance = 0;
        return VBP_OK;
    }
    /* The picture begins at the pen, or further left where the letter does. */
    glyph->left = left < 0 ? left : 0;
    status = store_picture(font, glyph, picture, error);
    SDL_FreeSurface(picture);
    return status;
}

static int rasterise_all(struct font *font, TTF_Font *face, VbpError *error)
{
    for (size_t i = 0; i < GLYPH_COUNT; i++) {
        uint32_t character =
            i < LATIN_COUNT ? FIRST_LATIN + (uint32_t)i : signs[i - LATIN_COUNT].character;
        int status = rasterise(font, face, character, &font->glyphs[i], error);

        if (status)
            return status;
    }
    if (font->glyphs['?' - FIRST_LATIN].advance == 0)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "the font has no Latin letters%s",
                         getenv("VBP_FONT") ? " (named by VBP_FONT)" : "");
    return VBP_OK;
}

int font_open(struct font **font, int pixels, int bold, VbpError *error)
{
    struct font *made = NULL;
    TTF_Font *face = NULL;
    bool started = false;
    int status;

    *font = NULL;
    if (pixels < 1 || pixels > MAX_PIXELS)
        return error_set(error, VBP_ERROR_ARGUMENT, "a font of %d pixels is not possible", pixels);
    pthread_mutex_lock(&sdl_ttf_lock);
    made = memory_array(1, sizeof(*made));
    if (!made) {
        status = error_out_of_memory(error);
        goto done;
    }
    if (TTF_Init() != 0) {
        status =
            error_set(error, VBP_ERROR_UNSUPPORTED, "cannot start SDL_ttf: %s", TTF_GetError());
        goto done;
    }
    started = true;
    status = open_face(&face, pixels, bold, error);
    if (status)
        goto done;
    status = rasterise_all(made, face, error);
    if (status)
        goto done;
    made->ascent = TTF_FontAscent(face);
    made->line_height = made->ascent - TTF_FontDescent(face);
    made->cap_height = made->glyphs['H' - FIRST_LATIN].height;
    *font = made;
    made = NULL;

done:
    if (face)
        TTF_CloseFont(face);
    if (started)
        TTF_Quit();
    pthread_mutex_unlock(&sdl_ttf_lock);
    font_close(&made);
    return status;
}

void font_close(struct font **font)
{
    struct font *old = *font;

    *font = NULL;
    if (!old)
        return;
    free(old->atlas);
    free(old);
}

int font_line_height(const struct font *font)
{
    return font->line_height;
}

int font_ascent(const struct font *font)
{
    return font->ascent;
}

int font_cap_height(const struct font *font)
{
    return font->cap_height;
}

/* ---- Lines of text -------------------------------------------------------------------------- */

/*
 * Takes one character off the front of *text, which is not at its end. Whatever is not well-formed
 * UTF-8 counts byte by byte as U+FFFD.
 */
static uint32_t next_character(const char **text)
{
    const unsigned char *bytes = (const unsigned char *)*text;
    uint32_t character = bytes[0];
    static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    int more;

    (*text)++;
    if (character < 0x80)
        return character;
    if (character >= 0xc2 && character <= 0xdf) {
        more = 1;
        character &= 0x1f;
    } else if (character >= 0xe0 && character <= 0xef) {
        more = 2;
        character &= 0x0f;
    } else if (character >= 0xf0 && character <= 0xf4) {
        more = 3;
        character &= 0x07;
    } else {
        return 0xfffd;
    }
    for (int i = 1; i <= more; i++) {
        if ((bytes[i] & 0xc0) != 0x80) /* the final zero byte ends the search too */
            return 0xfffd;
        character = character << 6 | (bytes[i] & 0x3f);
    }
    if (character < smallest[more] || (character >= 0xd800 && character <= 0xdfff) ||
        character > 0x10ffff)
        return 0xfffd;
    *text += more;
    return character;
}

static const struct glyph *find_glyph(const struct font *font, uint32_t character)
{
    const struct glyph *glyph = NULL;
    uint32_t replacement = '?';

    if (character >= FIRST_LATIN && character <= LAST_LATIN) {
        glyph = &font->glyphs[character - FIRST_LATIN];
    } else {
        for (size_t i = 0; i < SIGN_COUNT; i++) {
            if (signs[i].character != character)
                continue;
            glyph = &font->glyphs[LATIN_COUNT + i];
            replacement = signs[i].replacement;
        }
    }
    if (!glyph || glyph->advance == 0)
        glyph = &font->glyphs[replacement - FIRST_LATIN];
    if (glyph->advance == 0)
        glyph = &font->glyphs['?' - FIRST_LATIN];
    return glyph;
}

/* Adds a glyph's advance to a width; very long text stays at the end of int. */
static int advance_pen(int pen, const struct glyph *glyph)
{
    return pen > INT_MAX - glyph->advance ? INT_MAX : pen + glyph->advance;
}

int font_text_width(const struct font *font, const char *text)
{
    int width = 0;

    while (*text)
        width = advance_pen(width, find_glyph(font, next_character(&text)));
    return width;
}

void font_shorten(const struct font *font, const char *text, int width, char *buffer, size_t size)
{
    static const char ellipsis[] = "…";
    int ellipsis_width = font_text_width(font, ellipsis);
    size_t length = strlen(text);
    size_t kept = 0;
    int pen = 0;

    buffer[0] = '\0';
    if (length < size && font_text_width(font, text) <= width) {
        memcpy(buffer, text, length + 1);
        return;
    }
    if (ellipsis_width > width || size < sizeof(ellipsis))
        return;
    for (const char *next = text; *next;) {
        pen = advance_pen(pen, find_glyph(font, next_character(&next)));
        if (pen > width - ellipsis_width || (size_t)(next - text) > size - sizeof(ellipsis))
            break;
        kept = (size_t)(next - text);
    }
    while (kept > 0 && text[kept - 1] == ' ')
        kept--;
    memcpy(buffer, text, kept);
    memcpy(buffer + kept, ellipsis, sizeof(ellipsis));
}

int font_draw(const struct font *font, struct surface *surface, int x, int y, const char *text,
              struct color color)
{
    int pen = 0;

    while (*text) {
        const struct glyph *glyph = find_glyph(font, next_character(&text));

        /* 64 bits, as the line may be far outside on either side. */
        int64_t left = (int64_t)x + pen + glyph->left;
        int64_t top = (int64_t)y + glyph->top;

        if (glyph->width && left < surface->width && left + glyph->width > 0 &&
            top < surface->height && top + glyph->height > 0)
            surface_blend(surface, (int)left, (int)top, glyph->width, glyph->height,
                          font->atlas + glyph->offset, glyph->width, color);
        pen = advance_pen(pen, glyph);
    }
    return pen;
}
