/* conv_mma.cuh for bytes. */
#include "backend/cuda/conv_mma.cuh"

extern "C" {
MMA_KERNEL(bytes, mma8, 128, 128, 128, 64, 32, 3);
MMA_KERNEL(bytes, mma8, 64, 64, 128, 32, 32, 3);
MMA_KERNEL(bytes, mma8, 64, 64, 64, 32, 32, 2);
MMA_KERNEL(bytes, mma8, 128, 80, 64, 32, 80, 2);
MMA_KERNEL(bytes, mma8, 128, 32, 64, 32, 32, 3);
MMA_KERNEL(bytes, mma8, 64, 32, 128, 32, 16, 3);
MMA_KERNEL(bytes, mma8, 64, 16, 64, 16, 16, 3);
}
