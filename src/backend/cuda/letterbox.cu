/* Scaling, colour conversion and padding of a batch of pictures in one launch. A block makes a tile of the result;
 * where its columns and rows lie in the source is worked out once for all of its pixels. */
#include <cuda_runtime.h>

#include "backend/cuda/device.h"
#include "backend/cuda/letterbox_math.h"

enum { WARP = 32, TILE_WIDTH = 128, TILE_HEIGHT = 8, THREADS = WARP * TILE_HEIGHT, PADDING = 114 };

typedef struct pictures {
    yk_cuda_picture list[YK_CUDA_PICTURES];
} pictures;

/* A warp makes a row of the tile. Neighbouring threads make neighbouring pixels, so that they read neighbouring bytes;
 * the row is put together in shared memory to be written as whole words. */
static __device__ void make_tile(const yk_cuda_picture *p, int width, int height, uint8_t *out)
{
    __shared__ yk_between columns[TILE_WIDTH][YK_GRIDS], rows[TILE_HEIGHT][YK_GRIDS];
    __shared__ uint32_t words[TILE_HEIGHT][TILE_WIDTH * 3 / 4];
    const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    const int left = blockIdx.x * TILE_WIDTH, y = blockIdx.y * TILE_HEIGHT + warp;
    for (int i = threadIdx.x; i < TILE_WIDTH * YK_GRIDS; i += THREADS)
        columns[i / YK_GRIDS][i % YK_GRIDS] = yk_source_column(p, i % YK_GRIDS, left + i / YK_GRIDS - p->left);
    if (threadIdx.x < TILE_HEIGHT * YK_GRIDS) {
        const int row = threadIdx.x / YK_GRIDS, grid = threadIdx.x % YK_GRIDS;
        rows[row][grid] = yk_source_row(p, grid, blockIdx.y * TILE_HEIGHT + row - p->top);
    }
    __syncthreads();
    if (y >= height)
        return;

    uint8_t *bytes = (uint8_t *)words[warp];
    const bool inside = y >= p->top && y < p->top + p->fit_height;
#pragma unroll
    for (int k = 0; k < TILE_WIDTH / WARP; k++) {
        const int column = lane + WARP * k, x = left + column - p->left;
        uint8_t pixel[3] = {PADDING, PADDING, PADDING};
        if (inside && x >= 0 && x < p->fit_width)
            yk_picture_pixel(p, columns[column], rows[warp], pixel);
        for (int c = 0; c < 3; c++)
            bytes[3 * column + c] = pixel[c];
    }
    __syncwarp();
    const int count = 3 * min(TILE_WIDTH, width - left);
    uint8_t *row = out + ((size_t)y * width + left) * 3;
    /* The same for all tiles of an input: its width or its address may be odd. */
    if (width % 4 == 0 && (uintptr_t)out % 4 == 0) {
        for (int i = lane; i < count / 4; i += WARP)
            ((uint32_t *)row)[i] = words[warp][i];
    } else {
        for (int i = lane; i < count; i += WARP)
            row[i] = bytes[i];
    }
}

static __global__ void __launch_bounds__(THREADS)
    letterbox_given(const __grid_constant__ pictures given, int width, int height, uint8_t *out)
{
    make_tile(&given.list[blockIdx.z], width, height, out + (size_t)blockIdx.z * width * height * 3);
}

static __global__ void __launch_bounds__(THREADS)
    letterbox_listed(const yk_cuda_picture *list, int width, int height, uint8_t *out)
{
    __shared__ yk_cuda_picture picture;
    if (threadIdx.x == 0)
        picture = list[blockIdx.z];
    __syncthreads();
    make_tile(&picture, width, height, out + (size_t)blockIdx.z * width * height * 3);
}

static dim3 tiles(int width, int height, int count)
{
    return dim3((width + TILE_WIDTH - 1) / TILE_WIDTH, (height + TILE_HEIGHT - 1) / TILE_HEIGHT, count);
}

static yolk_status launched(void)
{
    return yk_cuda_status(cudaGetLastError(), "pictures could not be fitted into the input");
}

yolk_status yk_cuda_picture_make(const yolk_image *image, const yk_letterbox *fit, bool bgr, int input_width,
                                 int input_height, yk_cuda_picture *out)
{
    const yolk_status status = yk_letterbox_check(image, fit, input_width, input_height);
    if (status != YOLK_OK)
        return status;
    const bool packed = image->format == YOLK_PIXEL_RGB24 || image->format == YOLK_PIXEL_BGR24;
    const bool nv12 = image->format == YOLK_PIXEL_NV12;
    *out = yk_cuda_picture{};
    for (int i = 0; i < 3; i++) {
        out->planes[i] = image->planes[i];
        out->strides[i] = image->strides[i];
    }
    if (nv12) {
        out->planes[2] = image->planes[1] + 1;
        out->strides[2] = image->strides[1];
    }
    out->width = image->width;
    out->height = image->height;
    out->fit_width = fit->width;
    out->fit_height = fit->height;
    out->left = (int)fit->pad_x;
    out->top = (int)fit->pad_y;
    out->chroma_step = nv12 ? 2 : 1;
    out->step_x = (double)image->width / fit->width;
    out->step_y = (double)image->height / fit->height;
    out->matrix = yk_row_matrix_of(image->matrix, image->full_range);
    out->planar = !packed;
    out->swap = packed ? bgr != (image->format == YOLK_PIXEL_BGR24) : bgr;
    return YOLK_OK;
}

yolk_status yk_cuda_letterbox_pictures(const yk_cuda_picture *pictures, int count, int input_width, int input_height,
                                       uint8_t *out, void *stream)
{
    letterbox_listed<<<tiles(input_width, input_height, count), THREADS, 0, (cudaStream_t)stream>>>(
        pictures, input_width, input_height, out);
    return launched();
}

yolk_status yk_cuda_letterbox(const yolk_image *images, const yk_letterbox *fits, int count, bool bgr, int input_width,
                              int input_height, uint8_t *out, void *stream)
{
    pictures given;
    for (int from = 0; from < count; from += YK_CUDA_PICTURES) {
        const int some = YK_MIN(count - from, (int)YK_CUDA_PICTURES);
        for (int i = 0; i < some; i++) {
            const yolk_status status = yk_cuda_picture_make(&images[from + i], &fits[from + i], bgr, input_width,
                                                            input_height, &given.list[i]);
            if (status != YOLK_OK)
                return status;
        }
        letterbox_given<<<tiles(input_width, input_height, some), THREADS, 0, (cudaStream_t)stream>>>(
            given, input_width, input_height, out + (size_t)from * input_width * input_height * 3);
        const yolk_status status = launched();
        if (status != YOLK_OK)
            return status;
    }
    return YOLK_OK;
}
