/* All convolution kernels. One that is added in a .cu file gets a line here. */
#include "backend/cuda/kernels.h"

#define KERNELS(X)                                                                                                     \
    X(mma_256x64x32_3)                                                                                                 \
    X(mma_128x128x32_4)                                                                                                \
    X(mma_128x128x64_3)                                                                                                \
    X(mma_128x64x32_4)                                                                                                 \
    X(mma_128x64x64_3)                                                                                                 \
    X(mma_128x32x32_4)                                                                                                 \
    X(mma_128x16x32_4)                                                                                                 \
    X(mma_64x128x64_3)                                                                                                 \
    X(mma_64x64x64_3)                                                                                                  \
    X(mma_64x32x64_4)                                                                                                  \
    X(mma_64x16x32_4)                                                                                                  \
    X(mma_32x64x64_4)                                                                                                  \
    X(mma_32x32x64_4)                                                                                                  \
    X(mma_128x64x32_2)                                                                                                 \
    X(mma_128x32x32_2)                                                                                                 \
    X(mma_128x16x32_2)                                                                                                 \
    X(mma_64x64x32_2)                                                                                                  \
    X(mma_64x32x32_2)                                                                                                  \
    X(mma_64x16x32_2)                                                                                                  \
    X(mma_128x128x32_2)                                                                                                \
    X(tile_8x16x64x64_1)                                                                                               \
    X(tile_8x16x64x32_1)                                                                                               \
    X(tile_8x16x32x64_1)                                                                                               \
    X(tile_8x16x32x32_1)                                                                                               \
    X(tile_8x16x32x16_1)                                                                                               \
    X(tile_8x16x16x64_1)                                                                                               \
    X(tile_8x16x16x32_1)                                                                                               \
    X(tile_8x16x16x16_1)                                                                                               \
    X(tile_16x8x64x64_1)                                                                                               \
    X(tile_16x8x64x32_1)                                                                                               \
    X(tile_16x8x32x64_1)                                                                                               \
    X(tile_16x8x32x32_1)                                                                                               \
    X(tile_16x8x32x16_1)                                                                                               \
    X(tile_16x8x16x64_1)                                                                                               \
    X(tile_16x8x16x32_1)                                                                                               \
    X(tile_16x8x16x16_1)                                                                                               \
    X(tile_8x16x32x64_2)                                                                                               \
    X(tile_8x16x32x32_2)                                                                                               \
    X(tile_8x16x16x64_2)                                                                                               \
    X(tile_8x16x16x32_2)                                                                                               \
    X(tile_8x16x16x16_2)                                                                                               \
    X(tile_8x16x32x128_2)                                                                                              \
    X(tile_8x16x64x128_1)                                                                                              \
    X(stem)                                                                                                            \
    X(depthwise1)                                                                                                      \
    X(depthwise2)                                                                                                      \
    X(depthwise4)                                                                                                      \
    X(direct)                                                                                                          \
    X(mma8_128x128x128_3)                                                                                              \
    X(mma8_64x64x128_3)                                                                                                \
    X(mma8_64x64x64_2)                                                                                                 \
    X(mma8_128x80x64_2)                                                                                                \
    X(mma8_128x32x64_3)                                                                                                \
    X(mma8_64x32x128_3)                                                                                                \
    X(mma8_64x16x64_3)                                                                                                 \
    X(tile8_80x80)                                                                                                     \
    X(tile8_80x32)                                                                                                     \
    X(tile8_64x80)                                                                                                     \
    X(tile8_64x64)                                                                                                     \
    X(tile8_64x32)                                                                                                     \
    X(tile8_32x32)                                                                                                     \
    X(tile8_32x16)                                                                                                     \
    X(tile8_16x32)                                                                                                     \
    X(tile8_16x16)                                                                                                     \
    X(int8_stem)                                                                                                       \
    X(int8_depthwise)                                                                                                  \
    X(int8_direct)

#define DECLARE(name) extern const yk_cuda_conv_kernel yk_cuda_##name;
KERNELS(DECLARE)

#define ADDRESS(name) &yk_cuda_##name,
const yk_cuda_conv_kernel *const yk_cuda_conv_kernels[] = {KERNELS(ADDRESS) NULL};
