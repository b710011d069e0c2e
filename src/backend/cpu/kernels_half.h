/* The kernels for feature maps of halves: as kernels.h has them for floats, without those for bytes. A file that is
 * named after the set includes its vec_*.h and then this. */
#include <math.h>
#include <string.h>

#include "backend/cpu/vec_math.h"

#include "backend/cpu/tile_half_kernels.h"

#include "backend/cpu/conv_matmul_kernels.h"
#include "backend/cpu/conv_stem_kernels.h"
#include "backend/cpu/conv_winograd_kernels.h"

#include "backend/cpu/conv_depthwise_kernels.h"
#include "backend/cpu/step_kernels.h"

#include "backend/cpu/matrix_kernels.h"

/* ---- to outputs, which are floats ---- */

static bool output_fits(const yk_plan *p, const yk_step *s)
{
    const yk_plan_tensor *to = out_tensor(p, s);
    return s->kind == YK_STEP_COPY && is_real(p, s->inputs[0]) && to->type == YK_F32 && !is_real(p, s->outputs[0]) &&
           to->layout == YK_LAYOUT_PLAIN;
}

static void output_run(const yk_cpu_call *c, int part, void *scratch)
{
    const yk_plan_tensor *from = in_tensor(c->plan, c->step, 0);
    const real *in = c->data[c->step->inputs[0]];
    float *out = c->data[c->step->outputs[0]];
    const step_rows rows = rows_of(from);
    const int64_t first = part * rows_of_part(&rows), end = YK_MIN(first + rows_of_part(&rows), rows.rows);
    enum { PIXELS = 32 }; /* at once, as in copy_run() */
    const int64_t *d = from->shape.dims, area = from->layout == YK_LAYOUT_NHWC ? d[2] * d[3] : 1;
    (void)scratch;
    for (int64_t r = first, count; r < end; r += count) {
        count = YK_MIN(YK_MIN(end - r, PIXELS), area - r % area);
        float *to = out + r / area * rows.length * area + r % area;
        for (int64_t k = 0; k < row_length(&rows, r); k++) {
            for (int64_t i = 0; i < count; i++)
                to[k * area + i] = in[(r + i) * rows.pitch + k];
        }
    }
}

STEP_KERNEL(output, copy_parts);

static const yk_cpu_conv_kernel *const conv_kernels[] = {
    &conv_stem, &conv_depthwise, &conv_winograd4, &conv_winograd2, &conv_matmul, NULL,
};
static const yk_cpu_conv_kernel *const no_kernels[] = {NULL};
static const yk_cpu_step_kernel *const step_kernels[] = {
    &step_unary,  &step_binary, &step_max_pool, &step_resize, &step_input, &step_copy,
    &step_output, &step_matrix, &step_softmax,  &step_turn,   NULL,
};

const yk_cpu_isa YK_ISA = {
    .name = HALF_NAME, .lanes = LOT, .half = true, .convs = conv_kernels, .qconvs = no_kernels, .steps = step_kernels};
