/* conv_tile.cuh for bytes. */
#include "backend/cuda/conv_tile.cuh"

extern "C" {
TILE_KERNEL(bytes, tile8, 8, 16, 128, 64, 1);
TILE_KERNEL(bytes, tile8, 8, 16, 64, 64, 1);
TILE_KERNEL(bytes, tile8, 8, 16, 64, 32, 1);
TILE_KERNEL(bytes, tile8, 8, 16, 32, 64, 1);
TILE_KERNEL(bytes, tile8, 8, 16, 32, 32, 1);
TILE_KERNEL(bytes, tile8, 8, 16, 32, 16, 1);
TILE_KERNEL(bytes, tile8, 8, 16, 16, 32, 1);
TILE_KERNEL(bytes, tile8, 8, 16, 16, 16, 1);
TILE_KERNEL(bytes, tile8, 16, 8, 64, 64, 1);
TILE_KERNEL(bytes, tile8, 16, 8, 64, 32, 1);
TILE_KERNEL(bytes, tile8, 8, 16, 64, 64, 2);
TILE_KERNEL(bytes, tile8, 8, 16, 32, 64, 2);
TILE_KERNEL(bytes, tile8, 8, 16, 16, 32, 2);
}
