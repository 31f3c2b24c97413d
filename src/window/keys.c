#include "window/keys.h"

#include <SDL_keyboard.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAX_TRIGGERS 3

enum trigger_kind { TRIGGER_NONE, TRIGGER_TEXT, TRIGGER_CODE, TRIGGER_DOUBLE_CLICK };

struct trigger {
    enum trigger_kind kind;
    const char *text;   /* TRIGGER_TEXT: what the key prints */
    SDL_Keycode code;   /* TRIGGER_CODE */
    unsigned modifiers; /* TRIGGER_CODE: all of KMOD_SHIFT, KMOD_CTRL that must be down */
};

struct binding {
    struct key_command asked; /* COMMAND_NONE: a heading */
    const char *help;
    struct trigger triggers[MAX_TRIGGERS];
};

#define TEXT(printed)                                                                              \
    {                                                                                              \
        .kind = TRIGGER_TEXT, .text = (printed)                                                    \
    }
#define CODE(key)                                                                                  \
    {                                                                                              \
        .kind = TRIGGER_CODE, .code = (key)                                                        \
    }
#define CODE_WITH(pressed, key)                                                                    \
    {                                                                                              \
        .kind = TRIGGER_CODE, .code = (key), .modifiers = (pressed)                                \
    }
#define DOUBLE_CLICK                                                                               \
    {                                                                                              \
        .kind = TRIGGER_DOUBLE_CLICK                                                               \
    }
#define HEADING(text)                                                                              \
    {                                                                                              \
        .asked = {COMMAND_NONE, 0}, .help = (text)                                                 \
    }

static const struct binding bindings[] = {
    HEADING("Playing"),
    {{COMMAND_PAUSE, 0}, "pause, play", {TEXT(" "), TEXT("p")}},
    {{COMMAND_STEP, 1}, "next frame", {TEXT(".")}},
    {{COMMAND_STEP, -1}, "previous frame", {TEXT(",")}},
    {{COMMAND_SEEK_BY, -5}, "back 5 s", {CODE(SDLK_LEFT)}},
    {{COMMAND_SEEK_BY, 5}, "forward 5 s", {CODE(SDLK_RIGHT)}},
    {{COMMAND_SEEK_BY, -1}, "back 1 s", {CODE_WITH(KMOD_SHIFT, SDLK_LEFT)}},
    {{COMMAND_SEEK_BY, 1}, "forward 1 s", {CODE_WITH(KMOD_SHIFT, SDLK_RIGHT)}},
    {{COMMAND_SEEK_BY, -60}, "back 1 min", {CODE(SDLK_DOWN)}},
    {{COMMAND_SEEK_BY, 60}, "forward 1 min", {CODE(SDLK_UP)}},
    {{COMMAND_FIRST, 0}, "first frame", {CODE(SDLK_HOME)}},
    {{COMMAND_LAST, 0}, "last frame", {CODE(SDLK_END)}},
    HEADING("Mask"),
    {{COMMAND_MASK, 0}, "mask on, off", {TEXT("m")}},
    {{COMMAND_OPACITY, 1}, "stronger", {TEXT("+"), TEXT("=")}},
    {{COMMAND_OPACITY, -1}, "weaker", {TEXT("-")}},
    {{COMMAND_COLORMAP, 0}, "next colour map", {TEXT("c")}},
    {{COMMAND_CROP_BOX, 0}, "box around what the network sees", {TEXT("k")}},
    {{COMMAND_HUD, 0}, "steering display on, off", {TEXT("i")}},
    {{COMMAND_ASSUMPTIONS, 0}, "what is assumed about the model", {TEXT("a")}},
    HEADING("Window"),
    {{COMMAND_SAVE, 0}, "save the frame with its mask as PNG", {TEXT("s")}},
    {{COMMAND_SAVE_BARE, 0}, "save the bare frame as PNG", {TEXT("S")}},
    {{COMMAND_FULLSCREEN, 0}, "full screen", {TEXT("f"), DOUBLE_CLICK}},
    {{COMMAND_LEAVE_FULLSCREEN, 0}, "leave full screen", {CODE(SDLK_ESCAPE)}},
    {{COMMAND_KEYS, 0}, "this list", {TEXT("?")}},
    {{COMMAND_QUIT, 0}, "quit", {TEXT("q"), CODE_WITH(KMOD_CTRL, SDLK_w)}},
};

#define BINDING_COUNT (sizeof(bindings) / sizeof(bindings[0]))

/* Only these modifiers tell keys apart, and left and right ones are the same. */
static unsigned plain_modifiers(unsigned modifiers)
{
    unsigned plain = 0;

    for (size_t i = 0; i < 4; i++) {
        static const unsigned kinds[] = {KMOD_SHIFT, KMOD_CTRL, KMOD_ALT, KMOD_GUI};

        if (modifiers & kinds[i])
            plain |= kinds[i];
    }
    return plain;
}

static bool matches(const struct trigger *trigger, const struct trigger *pressed)
{
    if (trigger->kind != pressed->kind)
        return false;
    switch (trigger->kind) {
    case TRIGGER_TEXT:
        return strcmp(trigger->text, pressed->text) == 0;
    case TRIGGER_CODE:
        return trigger->code == pressed->code && trigger->modifiers == pressed->modifiers;
    case TRIGGER_DOUBLE_CLICK:
        return true;
    case TRIGGER_NONE:
        break;
    }
    return false;
}

static struct key_command find(const struct trigger *pressed)
{
    for (size_t i = 0; i < BINDING_COUNT; i++) {
        for (size_t k = 0; k < MAX_TRIGGERS; k++) {
            if (matches(&bindings[i].triggers[k], pressed))
                return bindings[i].asked;
        }
    }
    return (struct key_command){COMMAND_NONE, 0};
}

struct key_command keys_find_text(const char *text)
{
    return find(&(struct trigger){.kind = TRIGGER_TEXT, .text = text});
}

struct key_command keys_find_code(SDL_Keycode code, unsigned modifiers)
{
    return find(&(struct trigger){
        .kind = TRIGGER_CODE, .code = code, .modifiers = plain_modifiers(modifiers)});
}

struct key_command keys_find_double_click(void)
{
    return find(&(struct trigger){.kind = TRIGGER_DOUBLE_CLICK});
}

/* ---- Names ---------------------------------------------------------------------------------- */

/* As it stands on the key; letters small, since Shift would be named. */
static const char *name_code(SDL_Keycode code, char letter[2])
{
    if (code == SDLK_ESCAPE)
        return "Esc";
    if (code <= ' ' || code >= 127)
        return SDL_GetKeyName(code);
    letter[0] = (char)code;
    letter[1] = '\0';
    return letter;
}

static void name_trigger(const struct trigger *trigger, char *name, size_t size)
{
    char letter[2];

    switch (trigger->kind) {
    case TRIGGER_TEXT:
        snprintf(name, size, "%s", strcmp(trigger->text, " ") == 0 ? "Space" : trigger->text);
        break;
    case TRIGGER_CODE:
        snprintf(name, size, "%s%s%s", trigger->modifiers & KMOD_CTRL ? "Ctrl+" : "",
                 trigger->modifiers & KMOD_SHIFT ? "Shift+" : "", name_code(trigger->code, letter));
        break;
    case TRIGGER_DOUBLE_CLICK:
        snprintf(name, size, "double click");
        break;
    case TRIGGER_NONE:
        break;
    }
}

/* "Space or p" */
static void name_binding(const struct binding *binding, char *names, size_t size)
{
    size_t length = 0;

    names[0] = '\0';
    for (size_t k = 0; k < MAX_TRIGGERS && binding->triggers[k].kind != TRIGGER_NONE; k++) {
        char name[32] = "";

        name_trigger(&binding->triggers[k], name, sizeof(name));
        snprintf(names + length, size - length, "%s%s", k > 0 ? " or " : "", name);
        length = strlen(names);
    }
}

void keys_walk(void (*visit)(void *context, const char *names, const char *help), void *context)
{
    for (size_t i = 0; i < BINDING_COUNT; i++) {
        char names[MAX_TRIGGERS * 40];

        name_binding(&bindings[i], names, sizeof(names));
        visit(context, bindings[i].asked.command == COMMAND_NONE ? NULL : names, bindings[i].help);
    }
}
