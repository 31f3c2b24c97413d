#include "cli/output_folder.h"

#include "base/file.h"
#include "base/memory.h"

#include <string.h>
#include <unistd.h>

int output_folder_open(struct output_folder *folder, const char *path, const char *marker,
                       bool overwrite, VbpError *error)
{
    char *marker_path;
    bool there;
    int result;

    *folder = (struct output_folder){.path = memory_copy_text(path)};
    marker_path = memory_format("%s/%s", path, marker);
    if (!folder->path || !marker_path) {
        free(marker_path);
        return error_out_of_memory(error);
    }
    there = file_exists(marker_path);
    free(marker_path);
    if (there && !overwrite)
        return error_set(error, VBP_ERROR_IO, "%s holds results already; -y replaces them", path);
    folder->made = !file_exists(path);
    result = file_make_folder(path, error);
    if (result != VBP_OK)
        folder->made = false;
    return result;
}

const char *output_folder_file(struct output_folder *folder, const char *name, VbpError *error)
{
    const char *slash = strchr(name, '/');
    char *path = memory_format("%s/%s", folder->path, name);

    if (!path || !memory_grow((void **)&folder->files, &folder->capacity, folder->count + 1,
                              sizeof(*folder->files))) {
        free(path);
        error_out_of_memory(error);
        return NULL;
    }
    if (slash) {
        char *subfolder = memory_format("%s/%.*s", folder->path, (int)(slash - name), name);
        int result = subfolder ? file_make_folder(subfolder, error) : error_out_of_memory(error);

        free(subfolder);
        if (result != VBP_OK) {
            free(path);
            return NULL;
        }
    }
    folder->files[folder->count++] = path;
    return path;
}

void output_folder_keep(struct output_folder *folder)
{
    folder->kept = true;
}

void output_folder_close(struct output_folder *folder)
{
    for (size_t i = folder->count; i-- > 0;) {
        char *slash = strrchr(folder->files[i], '/');

        if (!folder->kept) {
            unlink(folder->files[i]);
            *slash = 0;
            if (folder->made)
                rmdir(folder->files[i]); /* the subfolder, once it is empty */
        }
        free(folder->files[i]);
    }
    if (!folder->kept && folder->made)
        rmdir(folder->path);
    free(folder->files);
    free(folder->path);
    *folder = (struct output_folder){0};
}
