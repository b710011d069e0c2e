/* Each 8-bit convolution of a converted network, with its own weights, by every kernel that fits it, on one core,
 * beside the fastest kernel for the same convolution in floats: one JSON object a line for each shape and kernel.
 *
 * usage: qconv_cpu MODEL HEIGHT WIDTH [ROUNDS] [ISA] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/program.h"
#include "conv_bench.h"
#include "import/import.h"

enum { MOST_KERNELS = 8 };

typedef struct candidate {
    const yk_cpu_conv_kernel *kernel;
    yk_cpu_conv conv;
    void *packed, *scratch;
    double best;
} candidate;

static void add(candidate *all, int *count, const yk_cpu_conv_kernel *k, const yk_cpu_conv *c, const yk_plan *p,
                const yk_step *s, const float *floats)
{
    candidate *to = &all[*count];
    if (*count == MOST_KERNELS || !k->fits(c))
        return;
    ++*count;
    *to = (candidate){.kernel = k, .conv = *c, .best = 1e9};
    to->packed = yk_alloc_aligned(k->packed_bytes(c));
    memset(to->packed, 0, k->packed_bytes(c));
    to->scratch = yk_alloc_aligned(k->scratch_bytes(c));
    if (c->int8)
        k->pack8(c, p->tensors[s->inputs[1]].data, p->tensors[s->inputs[3]].data,
                 s->inputs[2] == YK_NONE ? NULL : p->tensors[s->inputs[2]].data, to->packed);
    else
        k->pack(c, floats, NULL, to->packed);
}

/* Best of `rounds` runs, by turns for all kernels, so that what disturbs one disturbs all. */
static void measure(candidate *all, int count, int rounds)
{
    const yk_cpu_conv *c = &all[0].conv;
    const size_t in = (size_t)c->batch * c->in_height * c->in_width * c->in_pixel;
    const size_t out = (size_t)c->batch * c->out_height * c->out_width * c->out_pixel;
    float *x = numbers(in), *y = numbers(out),
          *r = numbers(out + (size_t)c->residual_pixel * c->out_height * c->out_width);
    uint8_t *bytes = yk_alloc_aligned(in + 64);
    for (size_t i = 0; i < in; i++)
        bytes[i] = (uint8_t)(i * 37 + i / 11);
    for (int round = 0; round < rounds; round++) {
        for (int k = 0; k < count; k++) {
            candidate *a = &all[k];
            const yk_cpu_conv_data d = {
                .in = a->conv.int8 ? (void *)bytes : x, .residual = r, .out = y, .packed = a->packed};
            const int parts = a->kernel->parts(&a->conv);
            const double start = now();
            for (int i = 0; i < parts; i++)
                a->kernel->run(&a->conv, &d, i, a->scratch);
            a->best = fmin(a->best, now() - start);
        }
    }
    yk_free(x);
    yk_free(y);
    yk_free(r);
    yk_free(bytes);
}

static void step(const yk_plan *p, const yk_step *s, const yk_cpu_isa *isa, int rounds, double *sums)
{
    candidate all[MOST_KERNELS];
    yk_cpu_conv c;
    int count = 0;
    if (!yk_cpu_describe(p, s, &c) || !c.int8)
        return;
    yk_cpu_conv floats = c;
    floats.int8 = false;
    float *weights = numbers((size_t)yk_shape_count(&p->tensors[s->inputs[1]].shape));
    for (int k = 0; isa->qconvs[k]; k++)
        add(all, &count, isa->qconvs[k], &c, p, s, NULL);
    for (int k = 0; isa->convs[k]; k++)
        add(all, &count, isa->convs[k], &floats, p, s, weights);
    measure(all, count, rounds);
    double best[2] = {1e9, 1e9};
    for (int k = 0; k < count; k++) {
        best[all[k].conv.int8] = fmin(best[all[k].conv.int8], all[k].best);
        printf("{\"isa\": \"%s\", \"layer\": \"%s\", \"kernel\": \"%s\", \"in\": [%d, %d, %d], \"out\": [%d, %d, %d], "
               "\"window\": %d, \"stride\": %d, \"groups\": %d, \"ms\": %.4f, \"gmac_per_s\": %.1f, \"cost\": %.0f, "
               "\"packed\": %zu}\n",
               isa->name, s->name, all[k].kernel->name, c.in_channels, c.in_height, c.in_width, c.out_channels,
               c.out_height, c.out_width, c.kernel[0], c.stride[0], c.groups, all[k].best * 1e3,
               1e-9 * work(&c) / all[k].best, all[k].kernel->cost(&all[k].conv),
               all[k].kernel->packed_bytes(&all[k].conv));
        yk_free(all[k].packed);
        yk_free(all[k].scratch);
    }
    sums[0] += best[0];
    sums[1] += best[1];
    sums[2] += work(&c);
    yk_free(weights);
}

int main(int argc, char **argv)
{
    double sums[3] = {0};
    if (argc < 4)
        return 2;
    const int rounds = argc > 4 ? atoi(argv[4]) : 20;
    const yk_plan_options options = {.align = 64, .channels = 8, .layout = yk_plan_layout};
    yk_graph *g;
    yk_plan *p;
    if (yk_import_file(argv[1], NULL, &g) != YOLK_OK || yk_graph_bind(g, 1, atoi(argv[2]), atoi(argv[3])) != YOLK_OK ||
        yk_plan_make(g, &options, &p) != YOLK_OK) {
        fprintf(stderr, "%s\n", yolk_last_error());
        return 1;
    }
    const yk_cpu_isa *isa = isa_named(argc > 5 ? argv[5] : "");
    for (int i = 0; i < p->step_count; i++)
        step(p, &p->steps[i], isa, rounds, sums);
    printf("{\"isa\": \"%s\", \"float_ms\": %.3f, \"int8_ms\": %.3f, \"gmac\": %.3f}\n", isa->name, 1e3 * sums[0],
           1e3 * sums[1], 1e-9 * sums[2]);
    yk_plan_destroy(&p);
    yk_graph_destroy(&g);
    return 0;
}
