/* What keys and other events do. */
#include "base/memory.h"
#include "window/snapshot.h"
#include "window/window_state.h"

#include <SDL.h>
#include <math.h>
#include <stdio.h>

/* A time after the end of every drive, seconds. */
#define END_OF_DRIVE 1e9

static void say(struct window *window, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct window *window, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    osd_message(window->osd, text, window_now());
}

void window_save(struct window *window, bool bare)
{
    const struct analysed_frame *current = &window->current;
    AVFrame *drawn = NULL;
    char *name = NULL;
    VbpError error = {0};
    int result = VBP_OK;

    if (!current->frame.picture)
        return;
    if (!bare)
        result = annotator_draw(window->annotator, current, &window->annotate, &drawn, &error);
    if (result == VBP_OK)
        result = snapshot_save(bare ? current->frame.picture : drawn, window->options->name,
                               current->frame.number, bare ? "-bare" : "", &name, &error);
    if (result == VBP_OK)
        say(window, "saved %s", name);
    else
        say(window, "not saved: %s", error.message);
    av_frame_free(&drawn);
    free(name);
}

static const char *on_off(bool on)
{
    return on ? "on" : "off";
}

/* One notch of a tenth up or down, to full tenths. */
static void change_opacity(struct window *window, double direction)
{
    float *opacity = &window->annotate.overlay.opacity;
    double tenths = *opacity * 10;

    tenths = direction > 0 ? floor(tenths + 1e-3) + 1 : ceil(tenths - 1e-3) - 1;
    *opacity = (float)(SDL_clamp(tenths, 1, 10) / 10);
    window->picture_stale = true;
    say(window, "opacity %.0f %%%s", *opacity * 100, window->annotate.mask ? "" : " (mask off)");
}

static void change_colormap(struct window *window)
{
    struct overlay_options *overlay = &window->annotate.overlay;

    overlay->map = (overlay->map + 1) % COLORMAP_COUNT;
    window->picture_stale = true;
    say(window, "colour map: %s", colormap_name(overlay->map));
}

static void toggle_assumptions(struct window *window)
{
    double now = window_now();

    if (window->options->assumption_count == 0)
        say(window, window->options->model ? "nothing is assumed: the card says it all"
                                           : "there is no model");
    else if (osd_shows_assumptions(window->osd, now))
        osd_show_assumptions(window->osd, -INFINITY);
    else
        osd_show_assumptions(window->osd, INFINITY);
}

/* False: the source would have to be sought and cannot be. */
static bool play(struct window *window, const struct key_command *asked)
{
    struct player *player = &window->player;

    switch (asked->command) {
    case COMMAND_PAUSE:
        return player_toggle_pause(player, window_now());
    case COMMAND_STEP:
        return player_step(player, (int64_t)asked->amount);
    case COMMAND_SEEK_BY:
        return player_seek_by(player, asked->amount);
    case COMMAND_FIRST:
        return player_seek_to(player, 0);
    case COMMAND_LAST:
        return player_seek_to(player, END_OF_DRIVE);
    default:
        return true;
    }
}

static void obey(struct window *window, const struct key_command *asked)
{
    switch (asked->command) {
    case COMMAND_NONE:
        break;
    case COMMAND_PAUSE:
    case COMMAND_STEP:
    case COMMAND_SEEK_BY:
    case COMMAND_FIRST:
    case COMMAND_LAST:
        if (!play(window, asked))
            say(window, "this source plays forward only");
        break;
    case COMMAND_MASK:
        window->annotate.mask = !window->annotate.mask;
        window->picture_stale = true;
        say(window, "mask %s", on_off(window->annotate.mask));
        break;
    case COMMAND_OPACITY:
        change_opacity(window, asked->amount);
        break;
    case COMMAND_COLORMAP:
        change_colormap(window);
        break;
    case COMMAND_CROP_BOX:
        window->annotate.crop_box = !window->annotate.crop_box;
        window->picture_stale = true;
        say(window, "crop box %s", on_off(window->annotate.crop_box));
        break;
    case COMMAND_HUD:
        window->hud_shown = !window->hud_shown;
        osd_show_hud(window->osd, window->hud_shown);
        break;
    case COMMAND_ASSUMPTIONS:
        toggle_assumptions(window);
        break;
    case COMMAND_SAVE:
    case COMMAND_SAVE_BARE:
        window_save(window, asked->command == COMMAND_SAVE_BARE);
        break;
    case COMMAND_FULLSCREEN:
        screen_set_fullscreen(window->screen, !screen_is_fullscreen(window->screen));
        break;
    case COMMAND_LEAVE_FULLSCREEN:
        if (screen_is_fullscreen(window->screen))
            screen_set_fullscreen(window->screen, false);
        break;
    case COMMAND_KEYS:
        window->keys_shown = !window->keys_shown;
        osd_show_keys(window->osd, window->keys_shown);
        break;
    case COMMAND_QUIT:
        window->quit = true;
        break;
    }
}

/* A key held down goes on stepping and seeking, but does not flicker. */
static void obey_key(struct window *window, const struct key_command *asked)
{
    bool repeatable = asked->command == COMMAND_STEP || asked->command == COMMAND_SEEK_BY ||
                      asked->command == COMMAND_OPACITY;

    if (repeatable || !window->key_repeats)
        obey(window, asked);
}

void window_handle_event(struct window *window, const SDL_Event *event)
{
    struct key_command asked = {COMMAND_NONE, 0};

    if (event->type == window->wake_event) {
        /* Whoever wakes the window from here on sends an event of its own. */
        atomic_store(&window->wake_pending, false);
        return;
    }
    if (screen_lost_textures(event)) {
        window->picture_stale = true;
        osd_invalidate(window->osd);
        return;
    }
    switch (event->type) {
    case SDL_QUIT:
        window->quit = true;
        break;
    case SDL_WINDOWEVENT:
        window->screen_stale = true;
        break;
    case SDL_KEYDOWN:
        /* SDL also takes a quick second press for a repetition; but only the key that was pressed
         * last can repeat. */
        window->key_repeats = event->key.repeat && event->key.keysym.scancode == window->last_key;
        window->last_key = event->key.keysym.scancode;
        asked = keys_find_code(event->key.keysym.sym, event->key.keysym.mod);
        obey_key(window, &asked);
        break;
    case SDL_TEXTINPUT:
        /* Shortcuts of others, which some input methods report as text all the same. */
        if (SDL_GetModState() & (KMOD_CTRL | KMOD_LALT | KMOD_GUI))
            break;
        asked = keys_find_text(event->text.text);
        obey_key(window, &asked);
        break;
    case SDL_MOUSEBUTTONDOWN:
        if (event->button.button == SDL_BUTTON_LEFT && event->button.clicks == 2) {
            asked = keys_find_double_click();
            obey(window, &asked);
        }
        break;
    default:
        break;
    }
}
