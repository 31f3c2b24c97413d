#include "cli/output_folder.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int output_folder_open(struct output_folder *folder, const char *path, bool overwrite,
                       const char *const *inputs, VbpError *error)
{
    int result;

    *folder = (struct output_folder){
        .path = memory_copy_text(path), .overwrite = overwrite, .inputs = inputs};
    if (!folder->path)
        return error_out_of_memory(error);
    folder->made = !file_exists(path);
    result = file_make_folder(path, error);
    if (result != VBP_OK) {
        folder->made = false;
        return result;
    }
    folder->staging = memory_format("%s/.vbp-XXXXXX", path);
    if (!folder->staging)
        return error_out_of_memory(error);
    if (!mkdtemp(folder->staging)) {
        result = error_set_errno(error, "cannot write into", path);
        free(folder->staging);
        folder->staging = NULL;
        return result;
    }
    return VBP_OK;
}

/* Makes BASE/SUBFOLDER for "SUBFOLDER/name"; nothing for a plain name. */
static int make_subfolder(const char *base, const char *name, VbpError *error)
{
    const char *slash = strchr(name, '/');
    char *path;
    int result;

    if (!slash)
        return VBP_OK;
    path = memory_format("%s/%.*s", base, (int)(slash - name), name);
    result = path ? file_make_folder(path, error) : error_out_of_memory(error);
    free(path);
    return result;
}

static int check_target(const struct output_folder *folder, const char *target, VbpError *error)
{
    for (int i = 0; folder->inputs && folder->inputs[i]; i++) {
        if (file_same(target, folder->inputs[i]))
            return error_set(error, VBP_ERROR_ARGUMENT, "%s: the output would replace an input",
                             target);
    }
    if (file_exists(target) && !folder->overwrite)
        return error_set(error, VBP_ERROR_IO, "%s exists already; -y replaces it", target);
    return VBP_OK;
}

const char *output_folder_file(struct output_folder *folder, const char *name, VbpError *error)
{
    char *target = memory_format("%s/%s", folder->path, name);
    char *staged = memory_format("%s/%s", folder->staging, name);
    char *copy = memory_copy_text(name);
    int result;

    if (!target || !staged || !copy ||
        !memory_grow((void **)&folder->names, &folder->names_capacity, folder->count + 1,
                     sizeof(*folder->names)) ||
        !memory_grow((void **)&folder->staged, &folder->staged_capacity, folder->count + 1,
                     sizeof(*folder->staged)))
        result = error_out_of_memory(error);
    else
        result = check_target(folder, target, error);
    if (result == VBP_OK)
        result = make_subfolder(folder->staging, name, error);
    free(target);
    if (result != VBP_OK) {
        free(staged);
        free(copy);
        return NULL;
    }
    folder->names[folder->count] = copy;
    folder->staged[folder->count++] = staged;
    return staged;
}

int output_folder_keep(struct output_folder *folder, VbpError *error)
{
    int result = VBP_OK;

    for (size_t i = 0; i < folder->count && result == VBP_OK; i++) {
        char *target = memory_format("%s/%s", folder->path, folder->names[i]);

        result = target ? make_subfolder(folder->path, folder->names[i], error)
                        : error_out_of_memory(error);
        if (result == VBP_OK && rename(folder->staged[i], target) != 0)
            result = error_set_errno(error, "cannot write", target);
        free(target);
    }
    return result;
}

/* Removes a file, and the staging subfolder it was in once that is empty. */
static void remove_staged(const struct output_folder *folder, char *staged)
{
    char *slash;

    unlink(staged); /* gone already where it was kept */
    slash = strrchr(staged, '/');
    *slash = 0;
    if (strcmp(staged, folder->staging) != 0)
        rmdir(staged);
}

void output_folder_close(struct output_folder *folder)
{
    for (size_t i = 0; i < folder->count; i++) {
        remove_staged(folder, folder->staged[i]);
        free(folder->staged[i]);
        free(folder->names[i]);
    }
    if (folder->staging)
        rmdir(folder->staging);
    if (folder->made)
        rmdir(folder->path); /* fails where something was kept in it */
    free(folder->names);
    free(folder->staged);
    free(folder->staging);
    free(folder->path);
    *folder = (struct output_folder){0};
}
