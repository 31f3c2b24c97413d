/*
 * HDF5 files in memory, read through libhdf5 with everything shut that could lead out of the file:
 * only hard links are followed, and data in other files, behind filters that would be loaded from
 * elsewhere, or made of other datasets is refused.
 */
#include "base/memory.h"
#include "formats/keras_hdf5_check.h"
#include "formats/keras_loader.h"

#include <hdf5.h>
#include <stdio.h>
#include <string.h>

/* No weight's elements are larger, and no list of names longer. */
/* libhdf5 takes as not const what it only reads here. */
#define UNCHANGED(bytes) ((void *)(const void *)(bytes))

#define MAX_ELEMENT_BYTES   16
#define MAX_PATH_BYTES      4096
#define MAX_TEXTS           65536
#define MAX_CHUNK_BYTES     ((hsize_t)1 << 28)
#define MAX_SPLITS          1000
#define SAFE_VARIABLE_TEXTS 256
#define MAX_VARIABLE_BYTES  ((size_t)1 << 30)

/* Lets libhdf5 work on the bytes where they are instead of on copies of its own. */
struct image {
    void *bytes;
    size_t length;
};

struct keras_hdf5 {
    hid_t file;
    struct hdf5_check *check;
    struct image image;
    int64_t budget;     /* elements that may still be read; bounds what a small file can ask for */
    H5E_auto2_t report; /* who heard of errors before */
    void *report_context;
};

/* ---- The image ------------------------------------------------------------------------------ */

static void *image_malloc(size_t size, H5FD_file_image_op_t operation, void *context)
{
    const struct image *image = context;

    (void)operation;
    return size <= image->length ? image->bytes : NULL;
}

static void *image_memcpy(void *to, const void *from, size_t size, H5FD_file_image_op_t operation,
                          void *context)
{
    (void)size;
    (void)operation;
    (void)context;
    return to == from ? to : NULL;
}

/* Files opened for reading never grow. */
static void *image_realloc(void *bytes, size_t size, H5FD_file_image_op_t operation, void *context)
{
    (void)bytes;
    (void)size;
    (void)operation;
    (void)context;
    return NULL;
}

static herr_t image_free(void *bytes, H5FD_file_image_op_t operation, void *context)
{
    (void)bytes;
    (void)operation;
    (void)context;
    return 0;
}

static void *context_copy(void *context)
{
    return context;
}

static herr_t context_free(void *context)
{
    (void)context;
    return 0;
}

static hid_t open_image(struct image *image)
{
    H5FD_file_image_callbacks_t callbacks = {image_malloc, image_memcpy, image_realloc, image_free,
                                             context_copy, context_free, image};
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    hid_t file = -1;

    if (access >= 0 && H5Pset_fapl_core(access, 1 << 16, false) >= 0 &&
        H5Pset_file_image_callbacks(access, &callbacks) >= 0 &&
        H5Pset_file_image(access, image->bytes, image->length) >= 0)
        file = H5Fopen("model", H5F_ACC_RDONLY, access);
    if (access >= 0)
        H5Pclose(access);
    return file;
}

int keras_hdf5_open(struct keras_hdf5 **file, const unsigned char *bytes, size_t length,
                    VbpError *error)
{
    int64_t budget = ((int64_t)1 << 22) + 4 * (int64_t)length;
    struct keras_hdf5 *f = memory_array(1, sizeof(*f));
    int result;

    *file = NULL;
    if (!f)
        return error_out_of_memory(error);
    f->file = -1;
    f->image = (struct image){.bytes = UNCHANGED(bytes), .length = length};
    f->budget = budget < TENSOR_MAX_ELEMENTS ? budget : TENSOR_MAX_ELEMENTS;
    H5Eget_auto2(H5E_DEFAULT, &f->report, &f->report_context);
    result = hdf5_check_begin(&f->check, bytes, length, error);
    if (result != VBP_OK) {
        keras_hdf5_close(&f);
        return result;
    }
    /* What fails is told in the caller's words, not by libhdf5 on standard error. */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    f->file = open_image(&f->image);
    if (f->file < 0) {
        keras_hdf5_close(&f);
        return error_set(error, VBP_ERROR_FORMAT, "the HDF5 file is damaged or cut short");
    }
    *file = f;
    return VBP_OK;
}

void keras_hdf5_close(struct keras_hdf5 **file)
{
    struct keras_hdf5 *f = *file;

    if (!f)
        return;
    if (f->file >= 0)
        H5Fclose(f->file);
    H5Eset_auto2(H5E_DEFAULT, f->report, f->report_context);
    hdf5_check_end(&f->check);
    free(f);
    *file = NULL;
}

/* ---- Paths ---------------------------------------------------------------------------------- */

bool keras_hdf5_has(const struct keras_hdf5 *file, const char *path)
{
    char prefix[MAX_PATH_BYTES];
    bool hard = strlen(path) < sizeof(prefix);

    if (!hard)
        return false;
    strcpy(prefix, path);
    /* One step after the other, so that none goes through a link or to an object that has not been
     * looked at. */
    for (char *end = prefix; hard && *end; end += *end == '/') {
        H5L_info_t link;
        char kept;

        end += strcspn(end, "/");
        kept = *end;
        *end = 0;
        if (end > prefix && end[-1] != '/')
            hard = H5Lexists(file->file, prefix, H5P_DEFAULT) > 0 &&
                   H5Lget_info(file->file, prefix, &link, H5P_DEFAULT) >= 0 &&
                   link.type == H5L_TYPE_HARD &&
                   hdf5_check_object(file->check, link.u.address) == VBP_OK;
        *end = kept;
    }
    return hard;
}

/* The group or dataset, or negative. "" is the file's first group. */
static hid_t open_object(const struct keras_hdf5 *file, const char *path)
{
    if (*path == 0)
        return H5Gopen2(file->file, "/", H5P_DEFAULT);
    return keras_hdf5_has(file, path) ? H5Oopen(file->file, path, H5P_DEFAULT) : -1;
}

/* ---- Attributes ----------------------------------------------------------------------------- */

void keras_texts_free(char **texts, int count)
{
    for (int i = 0; i < count && texts; i++)
        free(texts[i]);
    free(texts);
}

static int refuse_attribute(const char *name, VbpError *error)
{
    return error_set(error, VBP_ERROR_FORMAT, "the attribute '%s' of the HDF5 file is damaged",
                     name);
}

static int read_fixed(hid_t attribute, hid_t type, const char *name, char **texts, size_t count,
                      VbpError *error)
{
    size_t size = H5Tget_size(type);
    char *block = memory_array(count * size + 1, 1);
    int result = VBP_OK;

    if (!block)
        return error_out_of_memory(error);
    if (H5Aread(attribute, type, block) < 0)
        result = refuse_attribute(name, error);
    for (size_t i = 0; i < count && result == VBP_OK; i++) {
        texts[i] = strndup(block + i * size, size);
        if (!texts[i])
            result = error_out_of_memory(error);
    }
    free(block);
    return result;
}

static int read_variable(hid_t attribute, hid_t type, hid_t space, const char *name, char **texts,
                         size_t count, VbpError *error)
{
    char **found = memory_array(count, sizeof(*found));
    hid_t memory = H5Tcopy(H5T_C_S1);
    int result = VBP_OK;

    if (!found) {
        result = error_out_of_memory(error);
        goto done;
    }
    if (memory < 0 || H5Tset_size(memory, H5T_VARIABLE) < 0 ||
        H5Tset_cset(memory, H5Tget_cset(type)) < 0 || H5Aread(attribute, memory, found) < 0) {
        result = refuse_attribute(name, error);
        goto done;
    }
    for (size_t i = 0; i < count && result == VBP_OK; i++) {
        texts[i] = memory_copy_text(found[i] ? found[i] : "");
        if (!texts[i])
            result = error_out_of_memory(error);
    }
    H5Dvlen_reclaim(memory, space, H5P_DEFAULT, found);
done:
    if (memory >= 0)
        H5Tclose(memory);
    free(found);
    return result;
}

/* Appends the texts of an open attribute to the list. */
static int append_texts(const struct keras_hdf5 *file, hid_t attribute, const char *name,
                        char ***texts, int *count, VbpError *error)
{
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    hssize_t points = space >= 0 ? H5Sget_simple_extent_npoints(space) : -1;
    size_t capacity = (size_t)*count;
    bool variable;
    int result = VBP_OK;

    if (type < 0 || points < 0) {
        result = refuse_attribute(name, error);
        goto done;
    }
    /* An empty list is saved as one of numbers. */
    if (points == 0)
        goto done;
    variable = H5Tis_variable_str(type) > 0;
    if (H5Tget_class(type) != H5T_STRING || points > MAX_TEXTS - *count ||
        H5Aget_storage_size(attribute) > file->image.length ||
        (variable && points > SAFE_VARIABLE_TEXTS &&
         (size_t)points > MAX_VARIABLE_BYTES / file->image.length)) {
        result = refuse_attribute(name, error);
        goto done;
    }
    if (!memory_grow((void **)texts, &capacity, (size_t)(*count + points), sizeof(**texts))) {
        result = error_out_of_memory(error);
        goto done;
    }
    *count += (int)points;
    result = variable ? read_variable(attribute, type, space, name, *texts + *count - points,
                                      (size_t)points, error)
                      : read_fixed(attribute, type, name, *texts + *count - points, (size_t)points,
                                   error);
done:
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    return result;
}

/* Appends the attribute if it is there; *there tells. */
static int append_attribute(const struct keras_hdf5 *file, hid_t group, const char *name,
                            bool *there, char ***texts, int *count, VbpError *error)
{
    hid_t attribute;
    int result;

    *there = H5Aexists(group, name) > 0;
    if (!*there)
        return VBP_OK;
    attribute = H5Aopen(group, name, H5P_DEFAULT);
    if (attribute < 0)
        return refuse_attribute(name, error);
    result = append_texts(file, attribute, name, texts, count, error);
    H5Aclose(attribute);
    return result;
}

int keras_hdf5_texts(const struct keras_hdf5 *file, const char *group, const char *name,
                     char ***texts, int *count, VbpError *error)
{
    hid_t object = open_object(file, group);
    char split[64];
    bool there = false;
    int result;

    *texts = NULL;
    *count = 0;
    if (object < 0)
        return hdf5_check_result(file->check, error);
    result = append_attribute(file, object, name, &there, texts, count, error);
    for (int i = 0; i < MAX_SPLITS && !there && result == VBP_OK; i++) {
        bool more;

        snprintf(split, sizeof(split), "%.40s%d", name, i);
        result = append_attribute(file, object, split, &more, texts, count, error);
        if (!more)
            break;
    }
    H5Oclose(object);
    if (result != VBP_OK) {
        keras_texts_free(*texts, *count);
        *texts = NULL;
        *count = 0;
    }
    return result;
}

int keras_hdf5_text(const struct keras_hdf5 *file, const char *group, const char *name, char **text,
                    VbpError *error)
{
    char **texts;
    int count;
    int result = keras_hdf5_texts(file, group, name, &texts, &count, error);

    *text = NULL;
    if (result == VBP_OK && count > 0) {
        *text = texts[0];
        texts[0] = NULL;
    }
    keras_texts_free(texts, count);
    return result;
}

/* ---- Datasets ------------------------------------------------------------------------------- */

/* What of a dataset's making would let it reach outside of the file, or NULL. */
static const char *unsafe_storage(hid_t dataset, hsize_t bytes)
{
    hid_t made = H5Dget_create_plist(dataset);
    const char *reason = NULL;
    H5D_layout_t layout;
    int filters;

    if (made < 0)
        return "is damaged";
    layout = H5Pget_layout(made);
    filters = H5Pget_nfilters(made);
    if (H5Pget_external_count(made) != 0) {
        reason = "lies in another file";
    } else if (layout == H5D_CHUNKED) {
        hsize_t extent[SHAPE_MAX_RANK], chunk = MAX_ELEMENT_BYTES;
        int rank = H5Pget_chunk(made, SHAPE_MAX_RANK, extent);

        for (int i = 0; i < rank && i < SHAPE_MAX_RANK && chunk <= MAX_CHUNK_BYTES; i++)
            chunk = extent[i] > MAX_CHUNK_BYTES ? MAX_CHUNK_BYTES + 1 : chunk * extent[i];
        if (rank < 0 || rank > SHAPE_MAX_RANK || chunk > MAX_CHUNK_BYTES)
            reason = "is cut into pieces that are too large";
    } else if (layout != H5D_CONTIGUOUS && layout != H5D_COMPACT) {
        reason = "is made of other datasets";
    } else if (H5Dget_storage_size(dataset) < bytes) {
        reason = "is cut short";
    }
    for (int i = 0; i < filters && !reason; i++) {
        unsigned flags, config;
        size_t values = 0;
        H5Z_filter_t filter =
            H5Pget_filter2(made, (unsigned)i, &flags, &values, NULL, 0, NULL, &config);

        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE &&
            filter != H5Z_FILTER_FLETCHER32)
            reason = "is packed by a filter that is not supported";
    }
    H5Pclose(made);
    return reason;
}

static int read_shape(hid_t space, struct shape *shape)
{
    hsize_t extent[SHAPE_MAX_RANK];
    int rank = H5Sget_simple_extent_ndims(space);

    *shape = (struct shape){0};
    if (rank < 0 || rank > SHAPE_MAX_RANK || H5Sget_simple_extent_dims(space, extent, NULL) < 0)
        return -1;
    shape->rank = rank;
    for (int i = 0; i < rank; i++)
        shape->extent[i] = extent[i] > (hsize_t)TENSOR_MAX_ELEMENTS ? -1 : (int64_t)extent[i];
    return shape_elements(shape) < 0 ? -1 : 0;
}

/* Reads an open dataset after everything that it claims has been checked. */
static int read_dataset(struct keras_hdf5 *file, hid_t dataset, hid_t type, hid_t space,
                        const char *path, struct shape *shape, float **values, VbpError *error)
{
    H5T_class_t class = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
    size_t size = type >= 0 ? H5Tget_size(type) : 0;
    const char *reason;
    int64_t count;

    if ((class != H5T_FLOAT && class != H5T_INTEGER && class != H5T_ENUM) || size == 0 ||
        size > MAX_ELEMENT_BYTES)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "the weight '%s' holds no numbers", path);
    if (space < 0 || read_shape(space, shape) < 0)
        return error_set(error, VBP_ERROR_FORMAT, "the weight '%s' has no usable shape", path);
    count = shape_elements(shape);
    reason = unsafe_storage(dataset, (hsize_t)count * size);
    if (reason)
        return error_set(error, VBP_ERROR_FORMAT, "the weight '%s' %s", path, reason);
    if (count > file->budget)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "the weights claim to be far larger than the file");
    file->budget -= count;
    *values = memory_array((size_t)count, sizeof(float));
    if (!*values)
        return error_out_of_memory(error);
    if (H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, *values) < 0) {
        free(*values);
        *values = NULL;
        return error_set(error, VBP_ERROR_FORMAT, "the weight '%s' cannot be read: it is damaged",
                         path);
    }
    return VBP_OK;
}

int keras_hdf5_read(struct keras_hdf5 *file, const char *path, struct shape *shape, float **values,
                    VbpError *error)
{
    hid_t dataset = open_object(file, path), type = -1, space = -1;
    int result;

    *values = NULL;
    if (dataset < 0) {
        result = hdf5_check_result(file->check, error);
        if (result == VBP_OK)
            result = error_set(error, VBP_ERROR_FORMAT, "the file has no weight '%s'", path);
        return result;
    }
    if (H5Iget_type(dataset) == H5I_DATASET) {
        type = H5Dget_type(dataset);
        space = H5Dget_space(dataset);
    }
    result = read_dataset(file, dataset, type, space, path, shape, values, error);
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    H5Oclose(dataset);
    return result;
}
