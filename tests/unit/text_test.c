/* text.c: widths, clipping, text that is not UTF-8, and what is said without a font. */
#include "draw/text.h"

#include "../support/canvas.h"

#include <SDL_ttf.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct color white = {255, 255, 255, 255};

static struct font *open_or_fail(int pixels, int bold)
{
    struct font *font;
    VbpError error;

    if (font_open(&font, pixels, bold, &error) != VBP_OK)
        fail_msg("%s", error.message);
    return font;
}

static void sizes_are_as_asked(void **state)
{
    (void)state;
    for (int pixels = 8; pixels <= 240; pixels = pixels * 3 / 2) {
        struct font *font = open_or_fail(pixels, 0);

        assert_true(font_line_height(font) <= pixels);
        assert_true(font_line_height(font) >= pixels - 2 - pixels / 20);
        assert_true(font_cap_height(font) > pixels / 2 - 2);
        assert_true(font_cap_height(font) < font_ascent(font));
        assert_true(font_ascent(font) < font_line_height(font));
        font_close(&font);
        assert_null(font);
    }
}

static void widths_add_up(void **state)
{
    static const char *const texts[] = {"steering", "+0.123", "",      " ",
                                        "Größe",    "ŁódŻ",   "a b c", "12 × 34 · 5"};
    struct font *font = open_or_fail(22, 0);
    struct font *bold = open_or_fail(22, 1);

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
            char both[64];

            snprintf(both, sizeof(both), "%s%s", texts[i], texts[k]);
            assert_int_equal(font_text_width(font, both),
                             font_text_width(font, texts[i]) + font_text_width(font, texts[k]));
        }
    }
    assert_int_equal(font_text_width(font, ""), 0);
    assert_true(font_text_width(font, " ") > 0);
    assert_true(font_text_width(bold, "steering") > font_text_width(font, "steering"));
    font_close(&font);
    font_close(&bold);
}

static void draws_inside_its_line(void **state)
{
    static const char text[] = "ÅgjÝ|Ďy_Ť()";
    struct font *font = open_or_fail(30, 0);
    int width = font_text_width(font, text);

    (void)state;
    for (int format = 0; format < CANVAS_FORMATS; format++) {
        struct canvas canvas, before;
        VbpRectangle changed;

        canvas_make(&canvas, (enum surface_format)format, 300, 80, false, 6);
        surface_clear(&canvas.surface, (struct color){0, 0, 0, 0});
        canvas_copy(&before, &canvas);
        assert_int_equal(font_draw(font, &canvas.surface, 20, 20, text, white), width);
        changed = canvas_difference(&canvas, &before);
        assert_true(changed.x >= 18 && changed.x + changed.width <= 20 + width + 2);
        assert_true(changed.y >= 18 && changed.y + changed.height <= 52);
        assert_true(changed.width > width * 9 / 10);
        assert_true(changed.height > 24);
        assert_true(canvas_guard_whole(&canvas));
        canvas_free(&canvas);
        canvas_free(&before);
    }
    font_close(&font);
}

/* A j reaches below the letter before it; an l stands clear of it. */
static void letters_stand_where_the_font_says(void **state)
{
    static const char *const letters[] = {"j", "l"};
    struct font *font;

    (void)state;
    if (getenv("VBP_FONT"))
        skip(); /* some other font, with other letters */
    font = open_or_fail(120, 0);
    for (int i = 0; i < 2; i++) {
        struct canvas canvas, before;
        VbpRectangle changed;

        canvas_make(&canvas, SURFACE_GRAY, 200, 150, false, 6);
        surface_clear(&canvas.surface, (struct color){0, 0, 0, 0});
        canvas_copy(&before, &canvas);
        font_draw(font, &canvas.surface, 50, 10, letters[i], white);
        changed = canvas_difference(&canvas, &before);
        assert_true(i == 0 ? changed.x < 49 : changed.x > 52);
        canvas_free(&canvas);
        canvas_free(&before);
    }
    font_close(&font);
}

static void clips_at_every_edge(void **state)
{
    static const int places[][2] = {{-20, 3}, {50, 3},  {10, -9},      {10, 20},
                                    {-9, -9}, {55, 25}, {-5000, 5},    {5, 5000},
                                    {5, -99}, {99, 5},  {INT_MAX, 10}, {INT_MIN, INT_MAX}};
    struct font *font = open_or_fail(18, 1);

    (void)state;
    for (int format = 0; format < CANVAS_FORMATS; format++) {
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            struct canvas canvas;

            canvas_make(&canvas, (enum surface_format)format, 61, 31, false, 6);
            font_draw(font, &canvas.surface, places[i][0], places[i][1], "wide gauge Äq", white);
            assert_true(canvas_guard_whole(&canvas));
            canvas_free(&canvas);
        }
    }
    font_close(&font);
}

/* True if the two texts look the same. */
static bool looks_alike(const struct font *font, const char *a, const char *b)
{
    struct canvas first, second;
    bool equal;

    canvas_make(&first, SURFACE_GRAY, 200, 40, false, 6);
    canvas_copy(&second, &first);
    font_draw(font, &first.surface, 5, 5, a, white);
    font_draw(font, &second.surface, 5, 5, b, white);
    equal = canvas_equal(&first, &second);
    canvas_free(&first);
    canvas_free(&second);
    return equal;
}

static void bytes_that_are_not_text_become_marks(void **state)
{
    static const char *const texts[][2] = {
        {"\xff", "?"},
        {"a\x80z", "a?z"},
        {"\xc3", "?"},                /* ends in the middle */
        {"\xe2\x82", "??"},           /* ends in the middle */
        {"\xf0\x9f\x98", "???"},      /* ends in the middle */
        {"\xc0\xaf", "??"},           /* too long a form */
        {"\xe0\x80\xaf", "???"},      /* too long a form */
        {"\xed\xa0\x80", "???"},      /* half of a surrogate pair */
        {"\xf4\x90\x80\x80", "????"}, /* beyond the last character */
        {"\xfe\xfe", "??"},
        {"\xc3(", "?("},
        {"\xf0\x9f\x98\x80", "?"}, /* a face, which the font set does not hold */
        {"\xe6\x97\xa5", "?"},     /* a Japanese character */
        {"\n\t\x01\x7f", "????"},
        {"\xc2\x85", "?"}, /* a control character above 0x7f */
    };
    struct font *font = open_or_fail(20, 0);

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(font_text_width(font, texts[i][0]), font_text_width(font, texts[i][1]));
        assert_true(looks_alike(font, texts[i][0], texts[i][1]));
    }
    assert_false(looks_alike(font, "a", "b"));
    font_close(&font);
}

static void has_the_signs_of_the_panels(void **state)
{
    static const char *const signs[] = {"°", "±", "µ", "×", "–", "—", "…", "←", "→", "↑", "↓",
                                        "·", "✓", "•", "√", "≤", "≥", "−", "ß", "Ż", "ſ"};
    struct font *font;

    (void)state;
    if (getenv("VBP_FONT"))
        skip(); /* some other font, which need not have them */
    font = open_or_fail(28, 0);
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        if (looks_alike(font, signs[i], "?") || looks_alike(font, signs[i], " "))
            fail_msg("%s is missing", signs[i]);
    }
    font_close(&font);
}

static void shortens_to_a_width(void **state)
{
    static const char text[] = "model/größe/żółć/Relu_output_0";
    struct font *font = open_or_fail(16, 0);
    int whole = font_text_width(font, text);
    char buffer[64], tiny[8];

    (void)state;
    for (int width = -3; width < whole; width++) {
        size_t length;

        font_shorten(font, text, width, buffer, sizeof(buffer));
        length = strlen(buffer);
        if (width < font_text_width(font, "…")) {
            assert_int_equal(length, 0);
            continue;
        }
        assert_true(font_text_width(font, buffer) <= width);
        assert_true(length >= 3);
        assert_string_equal(buffer + length - 3, "…");
        assert_memory_equal(buffer, text, length - 3);
        assert_null(strchr(buffer, '?')); /* no character was cut in two */
        assert_true((text[length - 3] & 0xc0) != 0x80);
    }
    font_shorten(font, text, whole, buffer, sizeof(buffer));
    assert_string_equal(buffer, text);
    font_shorten(font, text, whole, tiny, sizeof(tiny));
    assert_string_equal(tiny, "mode…");
    font_shorten(font, text, whole, tiny, 1);
    assert_string_equal(tiny, "");
    font_shorten(font, "", 0, tiny, sizeof(tiny));
    assert_string_equal(tiny, "");
    font_close(&font);
}

static void says_what_is_wrong_with_a_font(void **state)
{
    const char *old = getenv("VBP_FONT");
    char *kept = old ? strdup(old) : NULL;
    struct font *font;
    VbpError error;

    (void)state;
    setenv("VBP_FONT", "/nowhere/at-all.ttf", 1);
    assert_int_equal(font_open(&font, 20, 0, &error), VBP_ERROR_IO);
    assert_null(font);
    assert_non_null(strstr(error.message, "/nowhere/at-all.ttf"));
    assert_non_null(strstr(error.message, "VBP_FONT"));

    setenv("VBP_FONT", "Makefile", 1);
    assert_int_equal(font_open(&font, 20, 0, &error), VBP_ERROR_IO);
    assert_null(font);
    assert_non_null(strstr(error.message, "Makefile"));

    assert_int_equal(font_open(&font, 0, 0, &error), VBP_ERROR_ARGUMENT);
    assert_int_equal(font_open(&font, 100000, 0, &error), VBP_ERROR_ARGUMENT);
    assert_int_equal(font_open(&font, 20, 0, NULL), VBP_ERROR_IO);
    assert_int_equal(TTF_WasInit(), 0);
    unsetenv("VBP_FONT");
    if (kept)
        setenv("VBP_FONT", kept, 1);
    free(kept);
}

/* Opening a font leaves nothing of SDL running, whether it worked or not. */
static void leaves_sdl_as_it_was(void **state)
{
    struct font *font = open_or_fail(20, 1);

    (void)state;
    assert_int_equal(TTF_WasInit(), 0);
    assert_int_equal(SDL_WasInit(0), 0);
    font_close(&font);
    assert_int_equal(TTF_Init(), 0);
    font = open_or_fail(20, 0); /* nor does it stop what somebody else has running */
    assert_int_equal(TTF_WasInit(), 1);
    font_close(&font);
    TTF_Quit();
}

static void says_what_to_install_without_fonts(void **state)
{
    char path[] = "/tmp/vbp-fonts-XXXXXX";
    int file = mkstemp(path);
    const char *old = getenv("VBP_FONT");
    char *kept = old ? strdup(old) : NULL;
    struct font *font;
    VbpError error;

    (void)state;
    assert_true(file >= 0);
    assert_true(dprintf(file, "<?xml version=\"1.0\"?><fontconfig></fontconfig>\n") > 0);
    close(file);
    unsetenv("VBP_FONT");
    setenv("FONTCONFIG_FILE", path, 1);
    assert_int_equal(font_open(&font, 20, 0, &error), VBP_ERROR_UNSUPPORTED);
    assert_null(font);
    assert_string_equal(error.message,
                        "no font found; install a sans-serif font such as fonts-dejavu-core");
    unsetenv("FONTCONFIG_FILE");
    unlink(path);
    if (kept)
        setenv("VBP_FONT", kept, 1);
    free(kept);
    font = open_or_fail(20, 0); /* and it works again */
    font_close(&font);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_as_asked),
        cmocka_unit_test(widths_add_up),
        cmocka_unit_test(draws_inside_its_line),
        cmocka_unit_test(letters_stand_where_the_font_says),
        cmocka_unit_test(clips_at_every_edge),
        cmocka_unit_test(bytes_that_are_not_text_become_marks),
        cmocka_unit_test(has_the_signs_of_the_panels),
        cmocka_unit_test(shortens_to_a_width),
        cmocka_unit_test(says_what_is_wrong_with_a_font),
        cmocka_unit_test(leaves_sdl_as_it_was),
        cmocka_unit_test(says_what_to_install_without_fonts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
