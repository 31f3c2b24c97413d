#include "graph/gates.h"

#include <math.h>

/* Longer ways to a gate are none that anybody writes. */
#define MAX_STEPS 8

/* What stands for the ends of the numbers: squared it is still none that a float cannot hold. */
#define FAR 1e15F

/* What counts as 0 beside the most that a gate lets through. */
#define CLOSED 1e-5F

/* The one number that a constant holds; false where it is none, or holds more. */
static bool read_number(const struct graph *graph, int tensor, float *number)
{
    const struct tensor *constant = &graph->tensors[tensor];

    if (!constant->values || shape_elements(&constant->shape) != 1)
        return false;
    *number = constant->values[0];
    return true;
}

static float combine(enum binary function, float a, float b)
{
    switch (function) {
    case BINARY_ADD:
        return a + b;
    case BINARY_SUBTRACT:
        return a - b;
    case BINARY_MULTIPLY:
        return a * b;
    case BINARY_DIVIDE:
        return a / b;
    case BINARY_MAXIMUM:
        return fmaxf(a, b);
    case BINARY_MINIMUM:
        return fminf(a, b);
    case BINARY_PRELU:
        break;
    }
    return NAN;
}

/*
 * The one tensor that a node computes its output from, element by element, or -1 where it is no
 * such node. values NULL: nothing more; else they become what it makes of them.
 */
static int run_step(const struct graph *graph, const struct node *node, float values[2])
{
    float factor, offset, number;
    int data = 0;

    switch (node->kind) {
    case NODE_IDENTITY:
        return node->inputs[0];
    case NODE_ACTIVATION:
        if (values)
            activation_run(node->activation.function, node->activation.alpha, node->activation.beta,
                           values, values, 2);
        return node->inputs[0];
    case NODE_AFFINE:
        if (!read_number(graph, node->inputs[1], &factor) ||
            !read_number(graph, node->inputs[2], &offset))
            return -1;
        for (int i = 0; i < 2 && values; i++)
            values[i] = values[i] * factor + offset;
        return node->inputs[0];
    case NODE_BINARY:
        if (read_number(graph, node->inputs[0], &number))
            data = 1;
        else if (!read_number(graph, node->inputs[1], &number))
            return -1;
        for (int i = 0; i < 2 && values; i++)
            values[i] = data ? combine(node->binary, number, values[i])
                             : combine(node->binary, values[i], number);
        return node->inputs[data];
    default:
        return -1;
    }
}

/* The nodes from `gate` back to `data`, the last one first; their number, or -1. */
static int find_way(const struct graph *graph, int gate, int data, const struct node **way)
{
    int tensor = gate;

    for (int count = 0; count <= MAX_STEPS; count++) {
        if (tensor == data)
            return count;
        if (count == MAX_STEPS || tensor < 0 || graph->tensors[tensor].producer < 0)
            break;
        way[count] = &graph->nodes[graph->tensors[tensor].producer];
        tensor = run_step(graph, way[count], NULL);
    }
    return -1;
}

/* All steps are monotonic, or the ends tell that they are no gate: so the ends are enough. */
static bool squashes(const struct graph *graph, const struct node *const *way, int count)
{
    float ends[2] = {-FAR, FAR};

    for (int i = count - 1; i >= 0; i--)
        run_step(graph, way[i], ends);
    return isfinite(ends[1]) && ends[1] > 0 && ends[1] < FAR / 1e3F &&
           fabsf(ends[0]) <= CLOSED * ends[1];
}

bool gates_find(const struct graph *graph, const struct node *node, bool *inside)
{
    const struct node *way[MAX_STEPS];

    if (node->kind != NODE_BINARY || node->binary != BINARY_MULTIPLY)
        return false;
    for (int gate = 0; gate < 2; gate++) {
        int count = find_way(graph, node->inputs[gate], node->inputs[1 - gate], way);

        if (count < 1 || !squashes(graph, way, count))
            continue;
        for (int i = 0; i < count && graph_only_reader(graph, way[i]->output) >= 0; i++)
            inside[way[i]->output] = true;
        return true;
    }
    return false;
}
