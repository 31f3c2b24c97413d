#include "support/desktop.h"

#include <X11/XKBlib.h>
#include <X11/Xatom.h>
#include <X11/Xutil.h>
#include <X11/extensions/XTest.h>
#include <X11/keysym.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* For what should take no time at all; machines that run tests are slow at times. */
#define PATIENCE_SECONDS 60

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- Processes ------------------------------------------------------------------------------- */

/* Windows come and go while they are asked about. */
static int ignore_error(Display *display, XErrorEvent *event)
{
    (void)display;
    (void)event;
    return 0;
}

/* Reads the number that the server writes once it is ready; -1: it ended first. */
static int read_number(int descriptor)
{
    char text[32] = "";
    size_t length = 0;
    struct pollfd ready = {.fd = descriptor, .events = POLLIN};

    while (length + 1 < sizeof(text) && !strchr(text, '\n')) {
        ssize_t got;

        if (poll(&ready, 1, PATIENCE_SECONDS * 1000) != 1)
            return -1;
        got = read(descriptor, text + length, sizeof(text) - 1 - length);
        if (got <= 0)
            return -1;
        length += (size_t)got;
    }
    return (int)strtol(text, NULL, 10);
}

void desktop_start(struct desktop *desktop, int width, int height)
{
    char screen[32], name[16], descriptor[16];
    int ends[2];

    *desktop = (struct desktop){0};
    snprintf(screen, sizeof(screen), "%dx%dx24", width, height);
    assert_int_equal(pipe(ends), 0);
    snprintf(descriptor, sizeof(descriptor), "%d", ends[1]);
    desktop->server = fork();
    if (desktop->server == 0) {
        int nothing = open("/dev/null", O_RDWR);

        dup2(nothing, STDERR_FILENO);
        close(ends[0]);
        execlp("Xvfb", "Xvfb", "-displayfd", descriptor, "-screen", "0", screen, "-nolisten", "tcp",
               (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    desktop->number = read_number(ends[0]);
    close(ends[0]);
    if (desktop->number < 0) {
        desktop_stop(desktop);
        print_message("no X server: Xvfb does not start\n");
        skip();
    }
    snprintf(name, sizeof(name), ":%d", desktop->number);
    XSetErrorHandler(ignore_error);
    desktop->display = XOpenDisplay(name);
    assert_non_null(desktop->display);
}

static void end_process(pid_t *process)
{
    if (*process > 0) {
        kill(*process, SIGKILL);
        waitpid(*process, NULL, 0);
    }
    *process = 0;
}

void desktop_stop(struct desktop *desktop)
{
    end_process(&desktop->program);
    if (desktop->display)
        XCloseDisplay(desktop->display);
    end_process(&desktop->server);
    *desktop = (struct desktop){0};
}

bool desktop_until(struct desktop *desktop, bool (*condition)(struct desktop *, void *),
                   void *context, double seconds)
{
    double end = now() + seconds;

    while (!condition(desktop, context)) {
        struct pollfd nothing = {.fd = -1};

        if (now() > end)
            return false;
        poll(&nothing, 1, 4);
    }
    return true;
}

/* ---- The window ------------------------------------------------------------------------------ */

static void read_title(struct desktop *desktop, Window window, char *title, size_t size)
{
    Atom property = XInternAtom(desktop->display, "_NET_WM_NAME", False), type = None;
    unsigned long items = 0, rest;
    unsigned char *bytes = NULL;
    int format;

    title[0] = '\0';
    if (XGetWindowProperty(desktop->display, window, property, 0, 1024, False, AnyPropertyType,
                           &type, &format, &items, &rest, &bytes) == Success &&
        bytes)
        snprintf(title, size, "%s", (const char *)bytes);
    if (bytes)
        XFree(bytes);
}

static bool ends_in(const char *text, const char *ending)
{
    size_t length = strlen(text), ending_length = strlen(ending);

    return length >= ending_length && strcmp(text + length - ending_length, ending) == 0;
}

static bool find_window(struct desktop *desktop, void *context)
{
    Window root, parent, *windows = NULL;
    unsigned count = 0;
    int status;

    if (waitpid(desktop->program, &status, WNOHANG) == desktop->program) {
        desktop->program = 0;
        fail_msg("the program ended before it opened a window");
    }
    if (!XQueryTree(desktop->display, DefaultRootWindow(desktop->display), &root, &parent, &windows,
                    &count))
        return false;
    for (unsigned i = 0; i < count && desktop->window == None; i++) {
        XWindowAttributes attributes;
        char title[512];

        read_title(desktop, windows[i], title, sizeof(title));
        if (ends_in(title, *(const char **)context) &&
            XGetWindowAttributes(desktop->display, windows[i], &attributes) &&
            attributes.map_state == IsViewable)
            desktop->window = windows[i];
    }
    if (windows)
        XFree(windows);
    return desktop->window != None;
}

/* A window may be replaced by another one before it is drawn on. */
static bool has_keyboard(struct desktop *desktop, void *context)
{
    Window focus;
    int revert;

    desktop->window = None;
    if (!find_window(desktop, context))
        return false;
    XSetInputFocus(desktop->display, desktop->window, RevertToParent, CurrentTime);
    XGetInputFocus(desktop->display, &focus, &revert);
    return focus == desktop->window;
}

void desktop_run(struct desktop *desktop, const char *folder, const char *const *arguments,
                 const char *title)
{
    char *copies[64] = {NULL}; /* execv promises to change none, but not by its type */
    char name[16];

    for (size_t i = 0; arguments[i] && i + 1 < sizeof(copies) / sizeof(char *); i++) {
        copies[i] = strdup(arguments[i]);
        assert_non_null(copies[i]);
    }
    snprintf(name, sizeof(name), ":%d", desktop->number);
    desktop->window = None;
    desktop->program = fork();
    if (desktop->program == 0) {
        setenv("DISPLAY", name, 1);
        setenv("SDL_VIDEODRIVER", "x11", 1);
        unsetenv("WAYLAND_DISPLAY");
        if (chdir(folder) == 0)
            execv(arguments[0], copies);
        fprintf(stderr, "cannot run %s in %s: %s\n", arguments[0], folder, strerror(errno));
        _exit(127);
    }
    for (size_t i = 0; copies[i]; i++)
        free(copies[i]);
    if (!desktop_until(desktop, has_keyboard, &title, PATIENCE_SECONDS))
        fail_msg("no window whose title ends in '%s' gets the keyboard", title);
}

static bool has_ended(struct desktop *desktop, void *context)
{
    return waitpid(desktop->program, context, WNOHANG) == desktop->program;
}

int desktop_wait(struct desktop *desktop)
{
    int status;

    if (!desktop_until(desktop, has_ended, &status, PATIENCE_SECONDS))
        fail_msg("the program does not end");
    desktop->program = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

const char *desktop_title(struct desktop *desktop)
{
    static char titles[2][512];
    static int turn;
    char *title = titles[turn++ % 2];

    read_title(desktop, desktop->window, title, sizeof(titles[0]));
    return title;
}

void desktop_window_size(struct desktop *desktop, int *width, int *height)
{
    XWindowAttributes attributes = {0};

    XGetWindowAttributes(desktop->display, desktop->window, &attributes);
    *width = attributes.width;
    *height = attributes.height;
}

void desktop_resize(struct desktop *desktop, int width, int height)
{
    XMoveResizeWindow(desktop->display, desktop->window, 0, 0, (unsigned)width, (unsigned)height);
    XSync(desktop->display, False);
}

/* ---- Keys and pixels ------------------------------------------------------------------------- */

static void tap(struct desktop *desktop, KeyCode code, bool down)
{
    XTestFakeKeyEvent(desktop->display, code, down, CurrentTime);
}

void desktop_press_with(struct desktop *desktop, KeySym modifier, KeySym key)
{
    KeyCode code = XKeysymToKeycode(desktop->display, key);
    KeyCode shift = XKeysymToKeycode(desktop->display, XK_Shift_L);
    KeyCode held = modifier == NoSymbol ? 0 : XKeysymToKeycode(desktop->display, modifier);
    bool shifted = XkbKeycodeToKeysym(desktop->display, code, 0, 0) != key;

    assert_true(code != 0);
    if (held)
        tap(desktop, held, true);
    if (shifted)
        tap(desktop, shift, true);
    tap(desktop, code, true);
    tap(desktop, code, false);
    if (shifted)
        tap(desktop, shift, false);
    if (held)
        tap(desktop, held, false);
    XSync(desktop->display, False);
}

void desktop_press(struct desktop *desktop, KeySym key)
{
    desktop_press_with(desktop, NoSymbol, key);
}

void desktop_double_click(struct desktop *desktop)
{
    int width, height;

    desktop_window_size(desktop, &width, &height);
    XWarpPointer(desktop->display, None, desktop->window, 0, 0, 0, 0, width / 2, height / 2);
    for (int i = 0; i < 4; i++)
        XTestFakeButtonEvent(desktop->display, 1, i % 2 == 0, CurrentTime);
    XSync(desktop->display, False);
}

struct desktop_picture desktop_grab(struct desktop *desktop)
{
    struct desktop_picture picture = {0};
    XImage *image;

    desktop_window_size(desktop, &picture.width, &picture.height);
    image = XGetImage(desktop->display, desktop->window, 0, 0, (unsigned)picture.width,
                      (unsigned)picture.height, AllPlanes, ZPixmap);
    assert_non_null(image);
    picture.pixels = calloc((size_t)picture.width * (size_t)picture.height, sizeof(uint32_t));
    assert_non_null(picture.pixels);
    for (int y = 0; y < picture.height; y++) {
        for (int x = 0; x < picture.width; x++)
            picture.pixels[y * picture.width + x] = (uint32_t)XGetPixel(image, x, y) & 0xffffff;
    }
    XDestroyImage(image);
    return picture;
}

uint32_t desktop_pixel(const struct desktop_picture *picture, int x, int y)
{
    assert_in_range(x, 0, picture->width - 1);
    assert_in_range(y, 0, picture->height - 1);
    return picture->pixels[y * picture->width + x];
}
