/* The keys of the window: one table that input, the key list on screen and documentation share. */
#ifndef VBP_WINDOW_KEYS_H
#define VBP_WINDOW_KEYS_H

#include <SDL_keycode.h>
#include <stddef.h>

enum window_command {
    COMMAND_NONE,
    COMMAND_PAUSE,
    COMMAND_STEP,    /* amount: frames */
    COMMAND_SEEK_BY, /* amount: seconds */
    COMMAND_FIRST,
    COMMAND_LAST,
    COMMAND_MASK,
    COMMAND_OPACITY, /* amount: -1 or 1, down or up one notch */
    COMMAND_COLORMAP,
    COMMAND_CROP_BOX,
    COMMAND_HUD,
    COMMAND_ASSUMPTIONS,
    COMMAND_SAVE,
    COMMAND_SAVE_BARE,
    COMMAND_FULLSCREEN,
    COMMAND_LEAVE_FULLSCREEN,
    COMMAND_KEYS,
    COMMAND_QUIT
};

/* What a key asks for. */
struct key_command {
    enum window_command command; /* COMMAND_NONE: nothing */
    double amount;
};

/*
 * Keys that print something are looked up by what they print, which works on every keyboard
 * layout; all others by their code. Modifiers are SDL's KMOD_... bits.
 */
struct key_command keys_find_text(const char *text);
struct key_command keys_find_code(SDL_Keycode code, unsigned modifiers);
struct key_command keys_find_double_click(void);

/*
 * Goes through the table in the order of the list: once for every heading (names NULL, help the
 * heading) and once for every command (names as on the keys, e.g. "Space or p").
 */
void keys_walk(void (*visit)(void *context, const char *names, const char *help), void *context);

#endif
