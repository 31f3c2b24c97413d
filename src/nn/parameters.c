#include "base/memory.h"
#include "nn/backward.h"

#include <string.h>

enum role { ROLE_NONE, ROLE_PARAMETER, ROLE_WEIGHTS };

/* What the node trains of what it reads at `slot`. */
static enum role role_of(const struct node *node, int slot)
{
    switch (node->kind) {
    case NODE_CONVOLUTION:
    case NODE_DENSE:
        return slot == 1 ? ROLE_WEIGHTS : slot == 2 ? ROLE_PARAMETER : ROLE_NONE;
    case NODE_BATCH_NORM:
        return slot == 1 || slot == 2 ? ROLE_PARAMETER : ROLE_NONE;
    default:
        return ROLE_NONE;
    }
}

int parameters_find(struct parameters *parameters, const struct graph *graph, VbpError *error)
{
    unsigned char *roles = memory_array((size_t)graph->tensor_count, sizeof(*roles));

    *parameters = (struct parameters){0};
    parameters->list = memory_array((size_t)graph->tensor_count, sizeof(*parameters->list));
    if (!roles || !parameters->list) {
        free(roles);
        parameters_free(parameters);
        return error_out_of_memory(error);
    }
    for (int i = 0; i < graph->node_count; i++) {
        const struct node *node = &graph->nodes[i];

        for (int slot = 0; slot < node->input_count; slot++) {
            enum role role = role_of(node, slot);

            if (role > roles[node->inputs[slot]])
                roles[node->inputs[slot]] = (unsigned char)role;
        }
    }
    for (int t = 0; t < graph->tensor_count; t++) {
        struct parameter *parameter = &parameters->list[parameters->count];

        if (roles[t] == ROLE_NONE)
            continue;
        *parameter = (struct parameter){.tensor = t,
                                        .count = (size_t)shape_elements(&graph->tensors[t].shape),
                                        .offset = parameters->total,
                                        .decays = roles[t] == ROLE_WEIGHTS};
        parameters->total += parameter->count;
        parameters->count++;
    }
    free(roles);
    return VBP_OK;
}

void parameters_free(struct parameters *parameters)
{
    free(parameters->list);
    *parameters = (struct parameters){0};
}
