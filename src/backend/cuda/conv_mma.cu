/* conv_mma.cuh for halves. */
#include "backend/cuda/conv_mma.cuh"

extern "C" {
MMA_KERNEL(halves, mma, 256, 64, 32, 64, 32, 3);
MMA_KERNEL(halves, mma, 128, 128, 32, 64, 32, 4);
MMA_KERNEL(halves, mma, 128, 128, 64, 64, 32, 3);
MMA_KERNEL(halves, mma, 128, 64, 32, 32, 32, 4);
MMA_KERNEL(halves, mma, 128, 64, 64, 32, 32, 3);
MMA_KERNEL(halves, mma, 128, 32, 32, 32, 32, 4);
MMA_KERNEL(halves, mma, 128, 16, 32, 32, 16, 4);
MMA_KERNEL(halves, mma, 64, 128, 64, 32, 32, 3);
MMA_KERNEL(halves, mma, 64, 64, 64, 32, 32, 3);
MMA_KERNEL(halves, mma, 64, 32, 64, 32, 16, 4);
MMA_KERNEL(halves, mma, 64, 16, 32, 16, 16, 4);
MMA_KERNEL(halves, mma, 32, 64, 64, 16, 32, 4);
MMA_KERNEL(halves, mma, 32, 32, 64, 16, 16, 4);
MMA_KERNEL(halves, mma, 128, 64, 32, 32, 32, 2);
MMA_KERNEL(halves, mma, 128, 32, 32, 32, 32, 2);
MMA_KERNEL(halves, mma, 128, 16, 32, 32, 16, 2);
MMA_KERNEL(halves, mma, 64, 64, 32, 32, 32, 2);
MMA_KERNEL(halves, mma, 64, 32, 32, 32, 16, 2);
MMA_KERNEL(halves, mma, 64, 16, 32, 16, 16, 2);
MMA_KERNEL(halves, mma, 128, 128, 32, 64, 32, 2);
}
