/* All kernels for one instruction set. A file that is named after the set includes its vec_*.h and then this. YK_ISA is
 * the table's name; the build defines it, with the flags, where the compiler and the processor have the set. */
#include <math.h>
#include <string.h>

#include "backend/cpu/vec_math.h"

#include "backend/cpu/tile_float_kernels.h"

#include "backend/cpu/conv_matmul_kernels.h"
#include "backend/cpu/conv_stem_kernels.h"
#include "backend/cpu/conv_winograd_kernels.h"

#include "backend/cpu/conv_depthwise_kernels.h"
#include "backend/cpu/step_kernels.h"

#include "backend/cpu/matrix_kernels.h"
#include "backend/cpu/qconv_kernels.h"
#include "backend/cpu/qconv_matmul_kernels.h"

#include "backend/cpu/qconv_depthwise_kernels.h"
#include "backend/cpu/qconv_stem_kernels.h"
#include "backend/cpu/qconv_winograd_kernels.h"
#include "backend/cpu/step_bytes_kernels.h"

static const yk_cpu_conv_kernel *const conv_kernels[] = {
    &conv_stem, &conv_depthwise, &conv_winograd4, &conv_winograd2, &conv_matmul, NULL,
};
static const yk_cpu_conv_kernel *const qconv_kernels[] = {
    &qconv_stem, &qconv_depthwise, &qconv_winograd4, &qconv_matmul, NULL,
};
static const yk_cpu_step_kernel *const step_kernels[] = {
    &step_unary,      &step_binary,     &step_max_pool,      &step_resize,    &step_input,
    &step_copy,       &step_matrix,     &step_softmax,       &step_turn,      &step_quantize,
    &step_dequantize, &step_copy_bytes, &step_nearest_bytes, &step_max_bytes, NULL,
};

const yk_cpu_isa YK_ISA = {
    .name = VEC_NAME, .lanes = VEC, .convs = conv_kernels, .qconvs = qconv_kernels, .steps = step_kernels};
