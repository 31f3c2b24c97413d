#include "support/keras_builder.h"

#include "support/loader_check.h"
#include "support/numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hdf5.h>
#include <zip.h>

void keras_builder_begin(struct keras_builder *builder, const char *version)
{
    *builder = (struct keras_builder){.version = version, .backend = "tensorflow"};
}

void keras_builder_end(struct keras_builder *builder)
{
    for (int i = 0; i < builder->weight_count; i++)
        free(builder->weights[i].values);
    builder->weight_count = 0;
}

/* ---- The description ------------------------------------------------------------------------ */

static void add_text(struct keras_builder *builder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add_text(struct keras_builder *builder, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    builder->used += (size_t)vsnprintf(builder->layers + builder->used,
                                       sizeof(builder->layers) - builder->used, format, arguments);
    va_end(arguments);
    assert_true(builder->used < sizeof(builder->layers));
}

void keras_builder_after(struct keras_builder *builder, const char *class_name, const char *name,
                         const char *config, const char *inputs)
{
    add_text(builder,
             "%s{\"class_name\": \"%s\", \"name\": \"%s\", \"config\": {\"name\": \"%s\"%s%s}",
             builder->used ? ", " : "", class_name, name, name, *config ? ", " : "", config);
    if (inputs) {
        const char *comma = "";

        add_text(builder, ", \"inbound_nodes\": [");
        for (const char *at = inputs; *at; at += strspn(at, " ")) {
            int length = (int)strcspn(at, " ");

            add_text(builder, "%s[\"%.*s\", 0, 0, {}]", *comma ? comma : "[", length, at);
            comma = ", ";
            at += length;
        }
        add_text(builder, *comma ? "]]" : "]");
    }
    add_text(builder, "}");
}

void keras_builder_layer(struct keras_builder *builder, const char *class_name, const char *name,
                         const char *config)
{
    keras_builder_after(builder, class_name, name, config, NULL);
}

void keras_builder_input(struct keras_builder *builder, const char *shape)
{
    char config[128];

    snprintf(config, sizeof(config), "\"batch_input_shape\": %s", shape);
    keras_builder_after(builder, "InputLayer", "in", config, builder->functional ? "" : NULL);
}

char *keras_builder_json(const struct keras_builder *builder)
{
    char *json, outputs[512] = "";
    size_t used = 0;

    if (builder->description) {
        json = strdup(builder->description);
        assert_non_null(json);
        return json;
    }
    for (const char *at = builder->outputs ? builder->outputs : ""; *at; at += strspn(at, " ")) {
        int length = (int)strcspn(at, " ");

        used += (size_t)snprintf(outputs + used, sizeof(outputs) - used, "%s[\"%.*s\", 0, 0]",
                                 used ? ", " : "", length, at);
        at += length;
    }
    assert_true(asprintf(&json,
                         "{\"class_name\": \"%s\", \"config\": {\"name\": \"net\", \"layers\": "
                         "[%s], \"output_layers\": [%s]}}",
                         builder->functional ? "Functional" : "Sequential", builder->layers,
                         outputs) > 0);
    return json;
}

/* ---- Weights -------------------------------------------------------------------------------- */

const float *keras_builder_weight(struct keras_builder *builder, const char *layer,
                                  const char *name, size_t rank, const int64_t *extents,
                                  const float *values)
{
    struct keras_builder_weight *weight = &builder->weights[builder->weight_count++];
    size_t count;

    assert_true(builder->weight_count <= KERAS_BUILDER_WEIGHTS);
    *weight = (struct keras_builder_weight){.shape.rank = (int)rank};
    snprintf(weight->layer, sizeof(weight->layer), "%s", layer);
    snprintf(weight->name, sizeof(weight->name), "%s", name);
    for (size_t i = 0; i < rank; i++)
        weight->shape.extent[i] = extents[i];
    count = (size_t)shape_elements(&weight->shape);
    weight->values = malloc(count * sizeof(float));
    assert_non_null(weight->values);
    for (size_t i = 0; i < count; i++)
        weight->values[i] = values ? values[i] : random_float(-1, 1);
    return weight->values;
}

static hid_t text_type(bool variable, size_t size)
{
    hid_t type = H5Tcopy(H5T_C_S1);

    assert_true(type >= 0 && H5Tset_size(type, variable ? H5T_VARIABLE : size) >= 0);
    return type;
}

static void put_text(const struct keras_builder *builder, hid_t group, const char *name,
                     const char *text)
{
    hid_t type = text_type(builder->variable, strlen(text) + 1), space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(group, name, type, space, H5P_DEFAULT, H5P_DEFAULT);

    assert_true(attribute >= 0);
    assert_true(H5Awrite(attribute, type,
                         builder->variable ? (const void *)&text : (const void *)text) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
}

/* A list of texts; of nothing, it is one of numbers, as h5py writes it. */
static void put_texts(const struct keras_builder *builder, hid_t group, const char *name,
                      const char *const *texts, size_t count)
{
    hsize_t extent = count;
    hid_t space = H5Screate_simple(1, &extent, NULL);
    hid_t type = count ? text_type(builder->variable, 64) : H5Tcopy(H5T_IEEE_F64LE);
    hid_t attribute = H5Acreate2(group, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    char *block = calloc(count + 1, 64);

    assert_true(attribute >= 0 && block);
    for (size_t i = 0; i < count; i++)
        snprintf(block + i * 64, 64, "%s", texts[i]);
    if (count)
        assert_true(H5Awrite(attribute, type,
                             builder->variable ? (const void *)texts : (const void *)block) >= 0);
    free(block);
    H5Aclose(attribute);
    H5Tclose(type);
    H5Sclose(space);
}

static void put_weight(hid_t file, const char *path, const struct keras_builder_weight *weight)
{
    hsize_t extent[SHAPE_MAX_RANK];
    hid_t links = H5Pcreate(H5P_LINK_CREATE), space, dataset;

    for (int i = 0; i < weight->shape.rank; i++)
        extent[i] = (hsize_t)weight->shape.extent[i];
    assert_true(H5Pset_create_intermediate_group(links, 1) >= 0);
    space = weight->shape.rank ? H5Screate_simple(weight->shape.rank, extent, NULL)
                               : H5Screate(H5S_SCALAR);
    dataset = H5Dcreate2(file, path, H5T_IEEE_F32LE, space, links, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(dataset >= 0);
    assert_true(
        H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, weight->values) >= 0);
    H5Dclose(dataset);
    H5Sclose(space);
    H5Pclose(links);
}

/* layers/NAME/vars/0, 1, ... in the order of the weights. */
static void put_numbered(const struct keras_builder *builder, hid_t file)
{
    for (int i = 0; i < builder->weight_count; i++) {
        char path[300];
        int number = 0;

        for (int j = 0; j < i; j++)
            number += strcmp(builder->weights[j].layer, builder->weights[i].layer) == 0;
        snprintf(path, sizeof(path), "layers/%s/vars/%d", builder->weights[i].layer, number);
        put_weight(file, path, &builder->weights[i]);
    }
}

/* One group for each layer that has weights, with the list of them. */
static void put_named(const struct keras_builder *builder, hid_t file)
{
    const char *root = builder->alone ? "" : "model_weights/";
    hid_t links = H5Pcreate(H5P_LINK_CREATE), group;
    const char *layers[KERAS_BUILDER_WEIGHTS];
    size_t layer_count = 0;

    assert_true(H5Pset_create_intermediate_group(links, 1) >= 0);
    if (!builder->alone) {
        group = H5Gcreate2(file, "model_weights", links, H5P_DEFAULT, H5P_DEFAULT);
        assert_true(group >= 0);
        H5Gclose(group);
    }
    for (int i = 0; i < builder->weight_count; i++) {
        const char *names[KERAS_BUILDER_WEIGHTS], *layer = builder->weights[i].layer;
        size_t count = 0;
        char path[300];

        for (int j = 0; j < builder->weight_count; j++) {
            if (strcmp(builder->weights[j].layer, layer) != 0)
                continue;
            if (j < i)
                break;
            names[count++] = builder->weights[j].name;
        }
        if (count == 0)
            continue;
        layers[layer_count++] = layer;
        snprintf(path, sizeof(path), "%s%s", root, layer);
        group = H5Gcreate2(file, path, links, H5P_DEFAULT, H5P_DEFAULT);
        assert_true(group >= 0);
        if (builder->split && count > 1) {
            put_texts(builder, group, "weight_names0", names, 1);
            put_texts(builder, group, "weight_names1", names + 1, count - 1);
        } else {
            put_texts(builder, group, "weight_names", names, count);
        }
        H5Gclose(group);
        for (int j = i; j < builder->weight_count; j++) {
            if (strcmp(builder->weights[j].layer, layer) != 0)
                continue;
            snprintf(path, sizeof(path), "%s%s/%s", root, layer, builder->weights[j].name);
            put_weight(file, path, &builder->weights[j]);
        }
    }
    if (builder->alone)
        put_texts(builder, file, "layer_names", layers, layer_count);
    H5Pclose(links);
}

void keras_builder_pack(const struct keras_builder *builder, unsigned char **bytes, size_t *length)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), file;
    ssize_t size;

    assert_true(H5Pset_fapl_core(access, 4096, false) >= 0);
    file = H5Fcreate("memory", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    assert_true(file >= 0);
    if (!builder->alone && !builder->numbered) {
        char *json = keras_builder_json(builder);

        put_text(builder, file, "model_config", json);
        free(json);
    }
    if (builder->version && !builder->numbered)
        put_text(builder, file, "keras_version", builder->version);
    if (builder->backend && !builder->numbered)
        put_text(builder, file, "backend", builder->backend);
    if (builder->numbered)
        put_numbered(builder, file);
    else
        put_named(builder, file);
    assert_true(H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0);
    size = H5Fget_file_image(file, NULL, 0);
    assert_true(size > 0);
    *length = (size_t)size;
    *bytes = malloc(*length);
    assert_non_null(*bytes);
    assert_int_equal(H5Fget_file_image(file, *bytes, *length), size);
    H5Fclose(file);
    H5Pclose(access);
}

void keras_builder_zip(const struct keras_member *members, int count, unsigned char **bytes,
                       size_t *length)
{
    zip_source_t *target = zip_source_buffer_create(NULL, 0, 0, NULL);
    zip_t *archive = target ? zip_open_from_source(target, ZIP_TRUNCATE, NULL) : NULL;
    zip_stat_t stat;

    assert_non_null(archive);
    zip_source_keep(target);
    for (int i = 0; i < count; i++) {
        zip_source_t *source = zip_source_buffer(archive, members[i].bytes, members[i].length, 0);

        assert_non_null(source);
        assert_true(zip_file_add(archive, members[i].name, source, 0) >= 0);
    }
    assert_int_equal(zip_close(archive), 0);
    assert_int_equal(zip_source_stat(target, &stat), 0);
    *length = (size_t)stat.size;
    *bytes = malloc(*length);
    assert_non_null(*bytes);
    assert_int_equal(zip_source_open(target), 0);
    assert_int_equal(zip_source_read(target, *bytes, *length), stat.size);
    zip_source_close(target);
    zip_source_free(target);
}

void keras_builder_pack_archive(const struct keras_builder *builder, unsigned char **bytes,
                                size_t *length)
{
    char *json = keras_builder_json(builder), metadata[128];
    unsigned char *weights;
    size_t weights_length;

    snprintf(metadata, sizeof(metadata), "{\"keras_version\": \"%s\"}", builder->version);
    keras_builder_pack(builder, &weights, &weights_length);
    keras_builder_zip((const struct keras_member[]){{"metadata.json", metadata, strlen(metadata)},
                                                    {"config.json", json, strlen(json)},
                                                    {"model.weights.h5", weights, weights_length}},
                      3, bytes, length);
    free(weights);
    free(json);
}

int keras_builder_load(struct keras_builder *builder, const struct model_hints *hints,
                       struct graph **graph, VbpError *error)
{
    unsigned char *bytes;
    size_t length;
    char *json = keras_builder_json(builder);
    int result;

    if (builder->numbered)
        keras_builder_pack_archive(builder, &bytes, &length);
    else
        keras_builder_pack(builder, &bytes, &length);
    keras_builder_end(builder);
    /* keras_fuzz takes descriptions and archives. */
    save_seed(builder->numbered ? "keras" : "hdf5", bytes, length);
    save_seed("keras", json, strlen(json));
    free(json);
    result = keras_load(bytes, length, NULL, hints, graph, error);
    free(bytes);
    return result;
}
