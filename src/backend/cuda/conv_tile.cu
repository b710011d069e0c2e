/* conv_tile.cuh for halves. */
#include "backend/cuda/conv_tile.cuh"

extern "C" {
TILE_KERNEL(halves, tile, 8, 16, 64, 64, 1);
TILE_KERNEL(halves, tile, 8, 16, 64, 32, 1);
TILE_KERNEL(halves, tile, 8, 16, 32, 64, 1);
TILE_KERNEL(halves, tile, 8, 16, 32, 32, 1);
TILE_KERNEL(halves, tile, 8, 16, 32, 16, 1);
TILE_KERNEL(halves, tile, 8, 16, 16, 64, 1);
TILE_KERNEL(halves, tile, 8, 16, 16, 32, 1);
TILE_KERNEL(halves, tile, 8, 16, 16, 16, 1);
TILE_KERNEL(halves, tile, 16, 8, 64, 64, 1);
TILE_KERNEL(halves, tile, 16, 8, 64, 32, 1);
TILE_KERNEL(halves, tile, 16, 8, 32, 64, 1);
TILE_KERNEL(halves, tile, 16, 8, 32, 32, 1);
TILE_KERNEL(halves, tile, 16, 8, 32, 16, 1);
TILE_KERNEL(halves, tile, 16, 8, 16, 64, 1);
TILE_KERNEL(halves, tile, 16, 8, 16, 32, 1);
TILE_KERNEL(halves, tile, 16, 8, 16, 16, 1);
TILE_KERNEL(halves, tile, 8, 16, 32, 64, 2);
TILE_KERNEL(halves, tile, 8, 16, 32, 32, 2);
TILE_KERNEL(halves, tile, 8, 16, 16, 64, 2);
TILE_KERNEL(halves, tile, 8, 16, 16, 32, 2);
TILE_KERNEL(halves, tile, 8, 16, 16, 16, 2);
TILE_KERNEL(halves, tile, 8, 16, 32, 128, 2);
TILE_KERNEL(halves, tile, 8, 16, 64, 128, 1);
}
