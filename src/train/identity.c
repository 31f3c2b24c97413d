#include "train/identity.h"

#include "base/hash.h"

static uint64_t hash_shape(uint64_t hash, const struct shape *shape)
{
    hash = hash_number(hash, (uint64_t)shape->rank);
    for (int i = 0; i < shape->rank; i++)
        hash = hash_number(hash, (uint64_t)shape->extent[i]);
    return hash;
}

static uint64_t hash_node(uint64_t hash, const struct node *node)
{
    hash = hash_number(hash, (uint64_t)node->kind);
    hash = hash_bytes(hash, node->inputs, (size_t)node->input_count * sizeof(*node->inputs));
    hash = hash_number(hash, (uint64_t)node->output);
    switch (node->kind) {
    case NODE_CONVOLUTION:
        hash = hash_bytes(hash, &node->convolution.window, sizeof(node->convolution.window));
        return hash_number(hash, (uint64_t)node->convolution.groups);
    case NODE_BATCH_NORM:
        return hash_double(hash, (double)node->batch_norm.epsilon);
    case NODE_ACTIVATION:
        hash = hash_number(hash, (uint64_t)node->activation.function);
        hash = hash_double(hash, (double)node->activation.alpha);
        return hash_double(hash, (double)node->activation.beta);
    case NODE_MAX_POOL:
    case NODE_AVERAGE_POOL:
        hash = hash_bytes(hash, &node->pool.window, sizeof(node->pool.window));
        return hash_number(hash,
                           (node->pool.ceiling ? 1u : 0u) + (node->pool.include_padding ? 2u : 0u));
    case NODE_BINARY:
        return hash_number(hash, (uint64_t)node->binary);
    case NODE_CONCAT:
        return hash_number(hash, (uint64_t)node->concat.axis);
    case NODE_TRANSPOSE:
        return hash_bytes(hash, node->transpose.permutation, sizeof(node->transpose.permutation));
    default:
        return hash; /* the shapes say the rest */
    }
}

static uint64_t hash_network(const struct graph *graph)
{
    uint64_t hash = 0;

    for (int t = 0; t < graph->tensor_count; t++) {
        hash = hash_shape(hash, &graph->tensors[t].shape);
        hash = hash_number(hash, graph->tensors[t].values != NULL);
    }
    for (int n = 0; n < graph->node_count; n++)
        hash = hash_node(hash, &graph->nodes[n]);
    return hash_bytes(hash, graph->outputs, (size_t)graph->output_count * sizeof(*graph->outputs));
}

static uint64_t hash_options(const struct train_options *options)
{
    const double numbers[] = {options->batch,
                              options->threads,
                              options->loss,
                              options->huber_delta,
                              options->sparsity,
                              options->optimiser.kind,
                              options->optimiser.rate,
                              options->optimiser.momentum,
                              options->optimiser.beta1,
                              options->optimiser.beta2,
                              options->optimiser.decay,
                              options->cosine ? options->epochs : 0,
                              options->output};
    uint64_t hash = hash_number(0, options->seed);

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        hash = hash_double(hash, numbers[i]);
    return hash;
}

struct identity identity_make(const struct graph *graph, const struct loader *training,
                              const struct loader *validation, const struct train_options *options)
{
    struct identity identity = {.network = hash_network(graph), .settings = hash_options(options)};

    loader_identify(training, &identity.data, &identity.settings);
    identity.data = hash_number(identity.data, validation != NULL);
    if (validation)
        loader_identify(validation, &identity.data, &identity.settings);
    return identity;
}
