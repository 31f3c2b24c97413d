#include "support/gradients.h"

#include "base/memory.h"
#include "support/networks.h"
#include "support/numbers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Where the wide one steps over a kink, the small one seldom does. */
#define STEP       0x1p-12F
#define SMALL_STEP 0x1p-20F

static float *random_floats(size_t count)
{
    float *values = memory_array(count, sizeof(float));

    assert_non_null(values);
    random_fill(values, count, -1, 1);
    return values;
}

void gradients_begin(struct gradients *gradients, struct graph *graph, int batch,
                     enum normalisation normalisation)
{
    size_t inputs = (size_t)batch * network_elements(graph, graph->input);
    VbpError error;

    *gradients = (struct gradients){.graph = graph, .batch = batch, .normalisation = normalisation};
    assert_int_equal(parameters_find(&gradients->parameters, graph, &error), VBP_OK);
    if (backward_create(&gradients->backward, graph, &gradients->parameters, batch, ISA_BEST,
                        &error) != VBP_OK)
        fail_msg("%s", error.message);
    gradients->input = random_floats(inputs);
    gradients->output_weights =
        memory_array((size_t)graph->output_count, sizeof(*gradients->output_weights));
    assert_non_null(gradients->output_weights);
    for (int i = 0; i < graph->output_count; i++)
        gradients->output_weights[i] =
            random_floats((size_t)batch * network_elements(graph, graph->outputs[i]));
    gradients->parameter_gradient = guarded_floats(gradients->parameters.total);
    gradients->input_gradient = guarded_floats(inputs);
    gradients_run(gradients);
}

void gradients_end(struct gradients *gradients)
{
    struct graph *graph = gradients->graph;

    gradients_release(gradients);
    graph_destroy(&graph);
}

void gradients_release(struct gradients *gradients)
{
    for (int i = 0; i < gradients->graph->output_count; i++)
        free(gradients->output_weights[i]);
    free(gradients->output_weights);
    free(gradients->input);
    guarded_free(gradients->parameter_gradient);
    guarded_free(gradients->input_gradient);
    backward_destroy(&gradients->backward);
    parameters_free(&gradients->parameters);
}

void gradients_run(struct gradients *gradients)
{
    const struct graph *graph = gradients->graph;
    VbpError error;

    memcpy(backward_input(gradients->backward), gradients->input,
           (size_t)gradients->batch * network_elements(graph, graph->input) * sizeof(float));
    memset(gradients->parameter_gradient, 0, gradients->parameters.total * sizeof(float));
    if (backward_forward(gradients->backward, gradients->batch, gradients->normalisation, &error) !=
            VBP_OK ||
        backward_run(gradients->backward, (const float *const *)gradients->output_weights,
                     gradients->parameter_gradient, gradients->input_gradient, &error) != VBP_OK)
        fail_msg("%s", error.message);
    check_guards(gradients->parameter_gradient);
    check_guards(gradients->input_gradient);
}

static double loss(const struct gradients *gradients)
{
    const struct graph *graph = gradients->graph;
    double ***samples = reference_run_batch(graph, gradients->input, gradients->batch,
                                            gradients->normalisation == NORMALISE_BATCH);
    double sum = 0;

    for (int o = 0; o < graph->output_count; o++) {
        size_t count = network_elements(graph, graph->outputs[o]);

        for (size_t i = 0; i < (size_t)gradients->batch * count; i++)
            sum += (double)gradients->output_weights[o][i] *
                   samples[i / count][graph->outputs[o]][i % count];
    }
    reference_free_batch(graph, samples, gradients->batch);
    return sum;
}

/* The central difference over the numbers that floats really have there. */
static double difference(const struct gradients *gradients, float *value, float step)
{
    float kept = *value, above = kept + step, below = kept - step;
    double up, down;

    *value = above;
    up = loss(gradients);
    *value = below;
    down = loss(gradients);
    *value = kept;
    return (up - down) / ((double)above - (double)below);
}

static double largest_of(const float *values, size_t count)
{
    double largest = 0;

    for (size_t i = 0; i < count; i++) {
        assert_true(isfinite(values[i]));
        largest = fmax(largest, fabs((double)values[i]));
    }
    return largest;
}

struct check {
    const struct gradients *gradients;
    int most;
    double relative_error;
    double overall; /* largest of all gradients */
    int checked, kinks;
};

/*
 * Gradients that cancel out, like that of a bias before a batch normalisation, are 0 against those
 * of the other layers. Elements on a kink have no derivative: there, differences of two widths are
 * not alike.
 */
static void check_gradient(struct check *check, float *values, const float *got, size_t count,
                           const char *name)
{
    size_t step = count > (size_t)check->most ? count / (size_t)check->most : 1;
    size_t first = step > 1 ? (size_t)random_between(0, (int)step - 1) : 0;
    double largest = largest_of(got, count);

    for (size_t i = first; i < count; i += step) {
        double wide = difference(check->gradients, &values[i], STEP);
        double narrow = difference(check->gradients, &values[i], SMALL_STEP);
        double bound = check->relative_error * (fmax(largest, fabs(wide)) + 0.01 * check->overall);
        double error = fmin(fabs((double)got[i] - wide), fabs((double)got[i] - narrow));

        if (error <= bound)
            check->checked++;
        else if (fabs(wide - narrow) > bound / 4)
            check->kinks++;
        else
            fail_msg("%s[%zu]: gradient %.9g, difference %.9g, bound %.2g", name, i, (double)got[i],
                     wide, bound);
    }
}

static void check_outputs(const struct gradients *gradients, double relative_error)
{
    const struct graph *graph = gradients->graph;
    double ***samples = reference_run_batch(graph, gradients->input, gradients->batch,
                                            gradients->normalisation == NORMALISE_BATCH);

    for (int o = 0; o < graph->output_count; o++) {
        size_t count = network_elements(graph, graph->outputs[o]);
        const float *got = backward_output(gradients->backward, o);
        double largest = 0;

        for (size_t i = 0; i < (size_t)gradients->batch * count; i++)
            largest = fmax(largest, fabs(samples[i / count][graph->outputs[o]][i % count]));
        for (size_t i = 0; i < (size_t)gradients->batch * count; i++)
            check_close((double)got[i], samples[i / count][graph->outputs[o]][i % count],
                        relative_error * largest + 1e-9, "output");
    }
    reference_free_batch(graph, samples, gradients->batch);
}

void gradients_check(struct gradients *gradients, int most, double relative_error)
{
    struct graph *graph = gradients->graph;
    size_t inputs = (size_t)gradients->batch * network_elements(graph, graph->input);
    struct check check = {
        .gradients = gradients,
        .most = most,
        .relative_error = relative_error,
        .overall = fmax(largest_of(gradients->parameter_gradient, gradients->parameters.total),
                        largest_of(gradients->input_gradient, inputs)),
    };

    check_outputs(gradients, relative_error);
    for (int i = 0; i < gradients->parameters.count; i++) {
        const struct parameter *parameter = &gradients->parameters.list[i];

        check_gradient(&check, graph->tensors[parameter->tensor].values,
                       gradients->parameter_gradient + parameter->offset, parameter->count,
                       graph->tensors[parameter->tensor].name);
    }
    check_gradient(&check, gradients->input, gradients->input_gradient, inputs, "input");
    if (check.kinks > 2 + check.checked / 10)
        fail_msg("%d elements checked, %d are on kinks", check.checked, check.kinks);
}
