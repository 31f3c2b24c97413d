/*
 * A desktop for window tests: an X server of its own (Xvfb, without a window manager), one program
 * on it, keys pressed and pixels read as a user would. All of it fails the running test where
 * something does not come about in time.
 */
#ifndef VBP_TESTS_SUPPORT_DESKTOP_H
#define VBP_TESTS_SUPPORT_DESKTOP_H

#include <X11/Xlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct desktop {
    pid_t server;
    int number; /* of the display */
    Display *display;
    pid_t program; /* 0: none runs */
    Window window; /* the program's; None: not found yet */
};

/* Starts the X server; skips the running test where there is none on this machine. */
void desktop_start(struct desktop *desktop, int width, int height);

/* Ends what still runs. Accepts a zeroed desktop. */
void desktop_stop(struct desktop *desktop);

/*
 * Starts a program (an absolute path, NULL-terminated arguments) in `folder` on the desktop, waits
 * for a window whose title ends in `title`, and gives it the keyboard.
 */
void desktop_run(struct desktop *desktop, const char *folder, const char *const *arguments,
                 const char *title);

/* Waits for the program's end: its exit status, or 128 + signal. */
int desktop_wait(struct desktop *desktop);

/* Presses and releases a key, with Shift where the keyboard needs it. */
void desktop_press(struct desktop *desktop, KeySym key);
void desktop_press_with(struct desktop *desktop, KeySym modifier, KeySym key);
void desktop_double_click(struct desktop *desktop);

/* The window's title, valid until the next call but one. */
const char *desktop_title(struct desktop *desktop);

void desktop_window_size(struct desktop *desktop, int *width, int *height);

/* Also moves the window to the screen's corner: pixels outside of the screen cannot be read. */
void desktop_resize(struct desktop *desktop, int width, int height);

/* The pixels of the window, 0xRRGGBB; to be freed by free(pixels). */
struct desktop_picture {
    int width, height;
    uint32_t *pixels;
};
struct desktop_picture desktop_grab(struct desktop *desktop);
uint32_t desktop_pixel(const struct desktop_picture *picture, int x, int y);

/* Asks again and again, until it is true; false if that takes more than `seconds`. */
bool desktop_until(struct desktop *desktop, bool (*condition)(struct desktop *, void *),
                   void *context, double seconds);

#endif
