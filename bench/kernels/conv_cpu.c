/* Each convolution of a network by every kernel that fits it, on one core, against what the processor's multiplications
 * bound: one JSON object a line for each shape and kernel.
 *
 * usage: conv_cpu MODEL HEIGHT WIDTH [ROUNDS] [ISA] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conv_bench.h"
#include "import/import.h"

enum { MOST_SHAPES = 200 };

typedef struct shape {
    yk_cpu_conv conv;
    int count;
} shape;

static bool describe(const yk_graph *g, const yk_node *n, yk_cpu_conv *c)
{
    const yk_attrs *a = &n->attrs;
    const yk_shape *x = &g->values[n->inputs[0]].shape, *y = &g->values[n->outputs[0]].shape;
    if (n->op != YK_OP_CONV)
        return false;
    *c = (yk_cpu_conv){.batch = (int)x->dims[0], .groups = a->groups, .act = a->act, .scale = 1.0f / 255};
    c->in_channels = (int)x->dims[1];
    c->in_height = (int)x->dims[2];
    c->in_width = (int)x->dims[3];
    c->out_channels = (int)y->dims[1];
    c->out_height = (int)y->dims[2];
    c->out_width = (int)y->dims[3];
    for (int i = 0; i < 2; i++) {
        c->kernel[i] = a->kernel[i];
        c->stride[i] = a->stride[i];
        c->pad[i] = a->pads[i];
        c->dilation[i] = a->dilation[i];
    }
    c->bytes = n->inputs[0] == g->input;
    c->in_pixel = c->bytes ? 3 : (c->in_channels + 7) / 8 * 8;
    c->out_pixel = (c->out_channels + 7) / 8 * 8;
    return true;
}

/* Best of `rounds` runs, by turns for all kernels, so that what disturbs one disturbs all. */
static void measure(const yk_cpu_conv_kernel *const *kernels, const yk_cpu_conv *c, int rounds, double *best)
{
    enum { MOST = 8 };
    const size_t in = (size_t)c->batch * c->in_height * c->in_width * c->in_pixel;
    const size_t out = (size_t)c->batch * c->out_height * c->out_width * c->out_pixel;
    float *x = numbers(in), *y = numbers(out);
    float *weights = numbers((size_t)c->out_channels * (c->in_channels / c->groups) * c->kernel[0] * c->kernel[1]);
    void *packed[MOST] = {NULL}, *scratch[MOST] = {NULL};
    for (int k = 0; kernels[k]; k++) {
        best[k] = 1e9;
        if (!kernels[k]->fits(c))
            continue;
        packed[k] = yk_alloc_aligned(kernels[k]->packed_bytes(c));
        memset(packed[k], 0, kernels[k]->packed_bytes(c));
        kernels[k]->pack(c, weights, NULL, packed[k]);
        scratch[k] = yk_alloc_aligned(kernels[k]->scratch_bytes(c));
    }
    for (int r = 0; r < rounds; r++) {
        for (int k = 0; kernels[k]; k++) {
            if (!packed[k])
                continue;
            const yk_cpu_conv_data d = {.in = x, .out = y, .packed = packed[k]};
            const int parts = kernels[k]->parts(c);
            const double start = now();
            for (int p = 0; p < parts; p++)
                kernels[k]->run(c, &d, p, scratch[k]);
            best[k] = fmin(best[k], now() - start);
        }
    }
    for (int k = 0; kernels[k]; k++) {
        yk_free(packed[k]);
        yk_free(scratch[k]);
    }
    yk_free(x);
    yk_free(y);
    yk_free(weights);
}

/* Multiplications and additions a second that the processor can do: those of the inner loop of a product of matrices
 * whose numbers all stay in the first cache, repeated so often that nothing else counts. */
static double bound(const yk_cpu_isa *isa)
{
    enum { REPEAT = 100, ROWS = 24 /* whole tiles of 4, 6, 8 or 12 */ };
    yk_cpu_conv c = {.batch = 1, .in_height = 1, .in_width = ROWS, .out_height = 1, .out_width = ROWS, .groups = 1};
    c.in_channels = c.in_pixel = 256;
    c.out_channels = c.out_pixel = 2 * isa->lanes;
    for (int i = 0; i < 2; i++)
        c.kernel[i] = c.stride[i] = c.dilation[i] = 1;
    const yk_cpu_conv_kernel *matmul = NULL;
    for (int k = 0; isa->convs[k]; k++) {
        if (strcmp(isa->convs[k]->name, "matmul") == 0)
            matmul = isa->convs[k];
    }
    float *x = numbers(ROWS * 256), *y = numbers(ROWS * 64), *packed = numbers(64 * 257);
    void *scratch = yk_alloc_aligned(matmul->scratch_bytes(&c));
    double best = 1e9;
    for (int round = 0; round < 50; round++) {
        const double start = now();
        for (int i = 0; i < REPEAT; i++)
            matmul->run(&c, &(yk_cpu_conv_data){.in = x, .out = y, .packed = packed}, 0, scratch);
        best = fmin(best, (now() - start) / REPEAT);
    }
    yk_free(x);
    yk_free(y);
    yk_free(packed);
    yk_free(scratch);
    return work(&c) / best;
}

int main(int argc, char **argv)
{
    static shape shapes[MOST_SHAPES];
    int count = 0;
    if (argc < 4)
        return 2;
    const int rounds = argc > 4 ? atoi(argv[4]) : 20;
    yk_graph *g;
    if (yk_import_file(argv[1], NULL, &g) != YOLK_OK || yk_graph_bind(g, 1, atoi(argv[2]), atoi(argv[3])) != YOLK_OK) {
        fprintf(stderr, "%s\n", yolk_last_error());
        return 1;
    }
    for (int i = 0; i < g->node_count; i++) {
        yk_cpu_conv c;
        int at = 0;
        if (!describe(g, &g->nodes[i], &c))
            continue;
        while (at < count && memcmp(&shapes[at].conv, &c, sizeof c) != 0)
            at++;
        if (at == count && count < MOST_SHAPES)
            shapes[count++].conv = c;
        if (at < count)
            shapes[at].count++;
    }
    const yk_cpu_isa *isa = isa_named(argc > 5 ? argv[5] : "");
    const double most = bound(isa);
    for (int i = 0; i < count; i++) {
        const yk_cpu_conv *c = &shapes[i].conv;
        double best[8];
        measure(isa->convs, c, rounds, best);
        for (int k = 0; isa->convs[k]; k++) {
            if (best[k] > 1e8)
                continue;
            printf("{\"isa\": \"%s\", \"kernel\": \"%s\", \"in\": [%d, %d, %d], \"out\": [%d, %d, %d], \"window\": %d, "
                   "\"stride\": %d, \"groups\": %d, \"times\": %d, \"ms\": %.4f, \"gflop\": %.4f, \"of_bound\": %.3f, "
                   "\"cost\": %.0f, \"packed\": %zu, \"bound_gflops\": %.1f}\n",
                   isa->name, isa->convs[k]->name, c->in_channels, c->in_height, c->in_width, c->out_channels,
                   c->out_height, c->out_width, c->kernel[0], c->stride[0], c->groups, shapes[i].count, best[k] * 1e3,
                   2e-9 * work(c), work(c) / best[k] / most, isa->convs[k]->cost(c), isa->convs[k]->packed_bytes(c),
                   2e-9 * most);
        }
    }
    yk_graph_destroy(&g);
    return 0;
}
