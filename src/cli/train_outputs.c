#include "cli/train_outputs.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- One file for two ------------------------------------------------------------------------ */

/* A device, a pipe: written to as it is and never replaced, so that it may come twice. */
static bool is_special(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

/* The first part of a path up to its last name, "." where there is none; to be freed. */
static char *folder_of(const char *path, size_t length)
{
    while (length > 0 && path[length - 1] != '/')
        length--;
    if (length == 0)
        return memory_copy_text(".");
    while (length > 1 && path[length - 1] == '/')
        length--;
    return memory_format("%.*s", (int)length, path);
}

/* Length of a path without the slashes at its end. */
static size_t trimmed_length(const char *path)
{
    size_t length = strlen(path);

    while (length > 1 && path[length - 1] == '/')
        length--;
    return length;
}

/* Length of the last name in the first `length` bytes of a path. */
static size_t name_length(const char *path, size_t length)
{
    size_t name = 0;

    while (name < length && path[length - 1 - name] != '/')
        name++;
    return name;
}

/*
 * Whether both paths are of one file. Where it does not exist yet: whether the names are the same
 * and the folders are, which may not exist yet either.
 */
static bool same_place(const char *a, const char *b)
{
    size_t length_a = trimmed_length(a), length_b = trimmed_length(b);
    size_t name = name_length(a, length_a);
    char *folder_a, *folder_b;
    bool same;

    if (file_same(a, b))
        return true;
    if (strcmp(a, ".") == 0 || name == 0 || name != name_length(b, length_b) ||
        memcmp(a + length_a - name, b + length_b - name, name) != 0)
        return false;
    folder_a = folder_of(a, length_a);
    folder_b = folder_of(b, length_b);
    same = folder_a && folder_b && same_place(folder_a, folder_b);
    free(folder_a);
    free(folder_b);
    return same;
}

bool outputs_collide(const struct train_command *command, const struct common_options *common,
                     const char **first, const char **second)
{
    char *strip = command->masks ? memory_format("%s/strip.png", command->masks) : NULL;
    /* What is written comes first; -m with -o alone is a way to train a network in its place. */
    const struct {
        const char *option, *path;
    } files[] = {{"-o", command->output},     {"--log", command->log},
                 {"--plot", command->plot},   {"--checkpoint", command->train.checkpoint},
                 {"--masks", command->masks}, {"--masks", strip},
                 {"--net", command->net},     {"--card", common->card},
                 {"-m", common->model},       {"DATASET", command->dataset}};
    const size_t written = 6, count = sizeof(files) / sizeof(files[0]);
    bool found = false;

    for (size_t i = 0; i < written && !found; i++) {
        for (size_t j = i + 1; j < count && !found; j++) {
            if (!files[i].path || !files[j].path || is_special(files[i].path) ||
                (i == 0 && strcmp(files[j].option, "-m") == 0))
                continue;
            found = same_place(files[i].path, files[j].path);
            *first = files[i].option;
            *second = files[j].option;
        }
    }
    free(strip);
    return found;
}

/* ---- Trying --------------------------------------------------------------------------------- */

/* `advice`: what the user can do where the file exists and `replace` is false. */
static int try_file(const char *path, bool replace, const char *advice, VbpError *error)
{
    struct stat status;
    char *partial;
    int descriptor, result;

    if (is_special(path))
        return access(path, W_OK) == 0 ? VBP_OK : error_set_errno(error, "cannot write", path);
    if (!replace && stat(path, &status) == 0 && S_ISREG(status.st_mode))
        return error_set(error, VBP_ERROR_IO, "%s exists already; %s", path, advice);
    result = file_make_partial(path, &partial, &descriptor, error);
    if (result != VBP_OK)
        return result;
    close(descriptor);
    unlink(partial);
    free(partial);
    return VBP_OK;
}

/* Whether the name could be one that the strip gives to a picture. */
static bool is_mask(const char *name)
{
    size_t length = strlen(name);

    return strcmp(name, "strip.png") == 0 ||
           (strncmp(name, "frame_", 6) == 0 && strstr(name, "_epoch_") && length > 4 &&
            strcmp(name + length - 4, ".png") == 0);
}

/* Masks of another run are not mixed with those of this one. */
static int refuse_masks(const char *folder, VbpError *error)
{
    DIR *stream = opendir(folder);
    const struct dirent *entry;
    int result = VBP_OK;

    if (!stream)
        return errno == ENOENT ? VBP_OK : error_set_errno(error, "cannot write into", folder);
    while (result == VBP_OK && (entry = readdir(stream)) != NULL) {
        if (is_mask(entry->d_name))
            result = error_set(error, VBP_ERROR_IO, "%s/%s exists already; -y replaces it", folder,
                               entry->d_name);
    }
    closedir(stream);
    return result;
}

static int try_masks(const char *folder, bool replace, bool *made, VbpError *error)
{
    int result = replace ? VBP_OK : refuse_masks(folder, error);
    char *path;

    if (result != VBP_OK)
        return result;
    *made = !file_exists(folder);
    result = file_make_folder(folder, error);
    if (result != VBP_OK)
        return result;
    path = memory_format("%s/strip.png", folder);
    result = path ? try_file(path, true, "", error) : error_out_of_memory(error);
    free(path);
    return result;
}

int outputs_try(const struct train_command *command, bool overwrite, bool resuming,
                bool *made_masks, VbpError *error)
{
    const char *const outputs[] = {command->output, command->log, command->plot};
    const char *checkpoint = command->train.checkpoint;
    bool replace = overwrite || resuming;
    int result = VBP_OK;

    *made_masks = false;
    /* The folder first: others may be in it. */
    if (command->masks)
        result = try_masks(command->masks, replace, made_masks, error);
    for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]) && result == VBP_OK; i++) {
        if (outputs[i])
            result = try_file(outputs[i], replace, "-y replaces it", error);
    }
    if (checkpoint && result == VBP_OK)
        result = try_file(checkpoint, replace, "--resume goes on from it, -y replaces it", error);
    return result;
}
