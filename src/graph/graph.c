#include "graph/graph.h"

#include "base/memory.h"
#include "graph/analysis.h"
#include "graph/inference.h"

#include <string.h>

/* Deep networks have a few hundred nodes; a file that claims more than this is damaged. */
#define GRAPH_MAX_NODES 8192

int graph_create(struct graph **graph, VbpError *error)
{
    *graph = memory_array(1, sizeof(**graph));
    if (!*graph)
        return error_out_of_memory(error);
    (*graph)->input = -1;
    return VBP_OK;
}

static void free_node(struct node *node)
{
    free(node->name);
    free(node->source_kind);
    free(node->inputs);
}

void graph_destroy(struct graph **graph)
{
    struct graph *g = *graph;

    if (!g)
        return;
    for (int i = 0; i < g->tensor_count; i++) {
        free(g->tensors[i].name);
        free(g->tensors[i].values);
    }
    for (int i = 0; i < g->node_count; i++)
        free_node(&g->nodes[i]);
    free(g->tensors);
    free(g->nodes);
    free(g->outputs);
    free(g->levels);
    free(g->readers);
    free(g->first_reader);
    free(g->format);
    free(g->producer);
    free(g->guess);
    free(g);
    *graph = NULL;
}

/* Appends a tensor; `values` becomes the graph's on success. Returns its index or a status. */
static int append_tensor(struct graph *graph, const char *name, const struct shape *shape,
                         float *values, int producer, VbpError *error)
{
    struct shape own_shape = *shape; /* may lie in the array that grows */
    struct tensor *tensor;
    char *copy;

    copy = name && *name ? memory_copy_text(name) : memory_format("tensor_%d", graph->tensor_count);
    if (!copy || !memory_grow((void **)&graph->tensors, &graph->tensor_capacity,
                              (size_t)graph->tensor_count + 1, sizeof(*graph->tensors))) {
        free(copy);
        return error_out_of_memory(error);
    }
    tensor = &graph->tensors[graph->tensor_count];
    *tensor = (struct tensor){.name = copy,
                              .shape = own_shape,
                              .values = values,
                              .producer = producer,
                              .axes = {-1, -1, -1}};
    return graph->tensor_count++;
}

int graph_add_input(struct graph *graph, const char *name, const struct shape *shape,
                    VbpError *error)
{
    char text[SHAPE_TEXT_SIZE];
    int tensor;

    if (graph->input >= 0)
        return error_set(error, VBP_ERROR_UNSUPPORTED,
                         "the network has more than one input ('%s' and '%s')",
                         graph->tensors[graph->input].name, name ? name : "");
    if (shape_elements(shape) < 1)
        return error_set(error, VBP_ERROR_FORMAT, "input '%s' has no usable shape: %s",
                         name ? name : "", shape_text(shape, text));
    tensor = append_tensor(graph, name, shape, NULL, -1, error);
    if (tensor >= 0)
        graph->input = tensor;
    return tensor;
}

int graph_add_constant(struct graph *graph, const char *name, const struct shape *shape,
                       const float *values, VbpError *error)
{
    int64_t count = shape_elements(shape);
    float *copy;
    int tensor;

    if (count < 0)
        return error_set(error, VBP_ERROR_FORMAT, "constant '%s' has no usable shape",
                         name ? name : "");
    copy = memory_aligned_array((size_t)count, sizeof(float));
    if (!copy)
        return error_out_of_memory(error);
    memcpy(copy, values, (size_t)count * sizeof(float));
    tensor = append_tensor(graph, name, shape, copy, -1, error);
    if (tensor < 0)
        free(copy);
    return tensor;
}

int graph_add_node(struct graph *graph, const struct node *node, const char *output_name,
                   VbpError *error)
{
    struct node copy = *node;
    struct shape shape;
    int result;

    copy.name = NULL;
    copy.source_kind = NULL;
    copy.inputs = NULL;
    for (int i = 0; i < node->input_count; i++) {
        if (node->inputs[i] < 0 || node->inputs[i] >= graph->tensor_count) {
            result = error_set(error, VBP_ERROR_ARGUMENT, "input %d does not exist", i);
            goto fail;
        }
    }
    if (graph->node_count >= GRAPH_MAX_NODES) {
        result = error_set(error, VBP_ERROR_UNSUPPORTED, "more than %d nodes", GRAPH_MAX_NODES);
        goto fail;
    }
    result = infer_shape(graph, node, &shape, error);
    if (result != VBP_OK)
        goto fail;
    /* So that it keeps the picture. */
    if (node->kind == NODE_RESHAPE && shape_equal(&shape, &graph->tensors[node->inputs[0]].shape))
        copy.kind = NODE_IDENTITY;
    copy.name = memory_copy_text(node->name ? node->name : "");
    copy.source_kind =
        memory_copy_text(node->source_kind ? node->source_kind : node_kind_name(node->kind));
    copy.inputs = memory_array((size_t)node->input_count, sizeof(int));
    if (!copy.name || !copy.source_kind || !copy.inputs ||
        !memory_grow((void **)&graph->nodes, &graph->node_capacity, (size_t)graph->node_count + 1,
                     sizeof(*graph->nodes))) {
        result = error_out_of_memory(error);
        goto fail;
    }
    memcpy(copy.inputs, node->inputs, (size_t)node->input_count * sizeof(int));
    result = append_tensor(graph, output_name, &shape, NULL, graph->node_count, error);
    if (result < 0)
        goto fail;
    copy.output = result;
    graph->nodes[graph->node_count++] = copy;
    return copy.output;
fail:
    free_node(&copy);
    error_prefix(error, "node %d (%s%s%s%s): ", graph->node_count,
                 node->source_kind ? node->source_kind : node_kind_name(node->kind),
                 node->name && *node->name ? " '" : "", node->name ? node->name : "",
                 node->name && *node->name ? "'" : "");
    return result;
}

int graph_mark_output(struct graph *graph, int tensor, VbpError *error)
{
    if (tensor < 0 || tensor >= graph->tensor_count)
        return error_set(error, VBP_ERROR_ARGUMENT, "output tensor %d does not exist", tensor);
    if (graph->tensors[tensor].values)
        return error_set(error, VBP_ERROR_UNSUPPORTED, "output '%s' is a constant",
                         graph->tensors[tensor].name);
    if (!memory_grow((void **)&graph->outputs, &graph->output_capacity,
                     (size_t)graph->output_count + 1, sizeof(*graph->outputs)))
        return error_out_of_memory(error);
    graph->outputs[graph->output_count++] = tensor;
    return VBP_OK;
}

int graph_rename_tensor(struct graph *graph, int tensor, const char *name, VbpError *error)
{
    char *copy = memory_copy_text(name);

    if (!copy)
        return error_out_of_memory(error);
    free(graph->tensors[tensor].name);
    graph->tensors[tensor].name = copy;
    return VBP_OK;
}

/* Keeps the nodes that an output depends on, in their order; *kept tells how many there were. */
static int drop_unused_nodes(struct graph *graph, VbpError *error)
{
    bool *needed = memory_array((size_t)graph->tensor_count, sizeof(bool));
    int kept = 0;

    if (!needed)
        return error_out_of_memory(error);
    for (int i = 0; i < graph->output_count; i++)
        needed[graph->outputs[i]] = true;
    for (int i = graph->node_count - 1; i >= 0; i--) {
        if (!needed[graph->nodes[i].output])
            continue;
        for (int j = 0; j < graph->nodes[i].input_count; j++)
            needed[graph->nodes[i].inputs[j]] = true;
    }
    for (int i = 0; i < graph->node_count; i++) {
        int output = graph->nodes[i].output;

        if (needed[output]) {
            graph->tensors[output].producer = kept;
            graph->nodes[kept++] = graph->nodes[i];
        } else {
            graph->tensors[output].producer = -1;
            free_node(&graph->nodes[i]);
        }
    }
    graph->node_count = kept;
    free(needed);
    return VBP_OK;
}

int graph_finish(struct graph *graph, VbpError *error)
{
    int result;

    if (graph->input < 0)
        return error_set(error, VBP_ERROR_FORMAT, "the network has no input");
    if (graph->output_count == 0)
        return error_set(error, VBP_ERROR_FORMAT, "the network has no output");
    result = drop_unused_nodes(graph, error);
    if (result == VBP_OK)
        result = analyse_readers(graph, error);
    if (result == VBP_OK)
        result = analyse_axes(graph, error);
    if (result == VBP_OK)
        result = analyse_levels(graph, error);
    return result;
}

static int copy_tensor(struct graph *copy, const struct graph *graph, int index, VbpError *error)
{
    const struct tensor *tensor = &graph->tensors[index];
    float *values = NULL;
    int result;

    if (tensor->values) {
        size_t count = (size_t)shape_elements(&tensor->shape);

        values = memory_aligned_array(count, sizeof(float));
        if (!values)
            return error_out_of_memory(error);
        memcpy(values, tensor->values, count * sizeof(float));
    }
    result = append_tensor(copy, tensor->name, &tensor->shape, values, tensor->producer, error);
    if (result < 0)
        free(values);
    return result < 0 ? result : VBP_OK;
}

static int copy_node(struct graph *copy, const struct node *node, VbpError *error)
{
    struct node own = *node;

    own.name = memory_copy_text(node->name);
    own.source_kind = memory_copy_text(node->source_kind);
    own.inputs = memory_array((size_t)node->input_count, sizeof(int));
    if (!own.name || !own.source_kind || !own.inputs ||
        !memory_grow((void **)&copy->nodes, &copy->node_capacity, (size_t)copy->node_count + 1,
                     sizeof(*copy->nodes))) {
        free_node(&own);
        return error_out_of_memory(error);
    }
    memcpy(own.inputs, node->inputs, (size_t)node->input_count * sizeof(int));
    copy->nodes[copy->node_count++] = own;
    return VBP_OK;
}

int graph_copy(struct graph **copy, const struct graph *graph, VbpError *error)
{
    int result = graph_create(copy, error);

    if (result != VBP_OK)
        return result;
    (*copy)->input = graph->input;
    if (graph->format)
        (*copy)->format = memory_copy_text(graph->format);
    if (graph->producer)
        (*copy)->producer = memory_copy_text(graph->producer);
    if (graph->guess)
        (*copy)->guess = memory_copy_text(graph->guess);
    if ((graph->format && !(*copy)->format) || (graph->producer && !(*copy)->producer) ||
        (graph->guess && !(*copy)->guess))
        result = error_out_of_memory(error);
    for (int t = 0; t < graph->tensor_count && result == VBP_OK; t++)
        result = copy_tensor(*copy, graph, t, error);
    for (int i = 0; i < graph->node_count && result == VBP_OK; i++)
        result = copy_node(*copy, &graph->nodes[i], error);
    for (int o = 0; o < graph->output_count && result == VBP_OK; o++)
        result = graph_mark_output(*copy, graph->outputs[o], error);
    if (result == VBP_OK)
        result = graph_finish(*copy, error);
    if (result != VBP_OK)
        graph_destroy(copy);
    return result;
}

int graph_find_tensor(const struct graph *graph, const char *name)
{
    for (int i = 0; i < graph->tensor_count; i++) {
        if (strcmp(graph->tensors[i].name, name) == 0)
            return i;
    }
    return -1;
}

bool graph_is_output(const struct graph *graph, int tensor)
{
    for (int i = 0; i < graph->output_count; i++) {
        if (graph->outputs[i] == tensor)
            return true;
    }
    return false;
}

int graph_only_reader(const struct graph *graph, int tensor)
{
    int first = graph->first_reader[tensor];

    if (graph->first_reader[tensor + 1] != first + 1 || graph_is_output(graph, tensor))
        return -1;
    return graph->readers[first].node;
}

bool activation_is_rectifier(enum activation function, float alpha)
{
    switch (function) {
    case ACTIVATION_RELU:
    case ACTIVATION_ELU:
    case ACTIVATION_LEAKY_RELU:
    case ACTIVATION_SELU:
    case ACTIVATION_SOFTPLUS:
    case ACTIVATION_SILU:
    case ACTIVATION_GELU:
        return true;
    case ACTIVATION_THRESHOLD:
        return alpha >= 0;
    case ACTIVATION_CLIP:
        return alpha == 0;
    case ACTIVATION_SIGMOID:
    case ACTIVATION_TANH:
    case ACTIVATION_ATAN:
    case ACTIVATION_SOFTSIGN:
    case ACTIVATION_EXPONENTIAL:
    case ACTIVATION_COUNT:
        break;
    }
    return false;
}

bool node_is_rectifier(const struct node *node)
{
    if (node->kind == NODE_BINARY)
        return node->binary == BINARY_PRELU;
    return node->kind == NODE_ACTIVATION &&
           activation_is_rectifier(node->activation.function, node->activation.alpha);
}

const char *node_kind_name(enum node_kind kind)
{
    static const char *const names[NODE_KIND_COUNT] = {
        "convolution",  "dense",         "batch norm",
        "affine",       "activation",    "max pool",
        "average pool", "global pool",   "binary",
        "concat",       "reshape",       "transpose",
        "identity",     "pad",           "upsample",
        "softmax",      "instance norm", "transposed convolution",
        "resize"};

    return (unsigned)kind < NODE_KIND_COUNT ? names[kind] : "unknown";
}

const char *activation_name(enum activation function)
{
    static const char *const names[ACTIVATION_COUNT] = {
        "ReLU", "Clip",    "ELU",  "LeakyReLU", "SELU",      "Softplus", "SiLU",
        "GELU", "Sigmoid", "Tanh", "Atan",      "Threshold", "Softsign", "Exponential"};

    return (unsigned)function < ACTIVATION_COUNT ? names[function] : "unknown";
}

int tensor_height(const struct tensor *tensor)
{
    return (int)tensor->shape.extent[tensor->axes.height];
}

int tensor_width(const struct tensor *tensor)
{
    return (int)tensor->shape.extent[tensor->axes.width];
}

int tensor_channels(const struct tensor *tensor)
{
    return (int)tensor->shape.extent[tensor->axes.channel];
}

size_t tensor_cells(const struct tensor *tensor)
{
    return (size_t)tensor_height(tensor) * (size_t)tensor_width(tensor);
}
