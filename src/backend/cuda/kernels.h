/* The GPU's kernels, towards C. Pointers are to device memory; a function puts its work into the stream and answers
 * what the launch did. Nothing is allocated and nothing waits, so that all of them can be captured in a graph. */
#ifndef YK_CUDA_KERNELS_H
#define YK_CUDA_KERNELS_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "graph/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Elements are 16-bit floats (half) or 32-bit floats, summed in 32 bits in either case; or bytes, which are the
 * picture's or stand for numbers. */
typedef enum yk_cuda_type { YK_CUDA_HALF, YK_CUDA_FLOAT, YK_CUDA_BYTE } yk_cuda_type;

/* What a byte stands for: (byte - zero) * scale. Tensors of bytes with a sign are held with 128 added to each, and to
 * their zero point, so that there is one kind of bytes. */
typedef struct yk_cuda_number {
    float scale;
    int zero;
    /* What makes bytes of numbers: 1 / scale, the least and the largest in scales, and what rounds to a byte in the
     * last bits of a float when it is added: 1.5 * 2^23 and the zero point. */
    float inverse, least, most, round;
} yk_cuda_number;

static inline yk_cuda_number yk_cuda_number_of(float scale, int zero)
{
    const yk_cuda_number n = {
        scale, zero, scale > 0 ? 1 / scale : 0, (float)-zero, (float)(255 - zero), 12582912.0f + (float)zero};
    return n;
}

/* ---- convolutions ---- */

/* Channels that kernels read at once: 16 bytes, of halves or of bytes. */
enum { YK_CUDA_CHUNK = 8, YK_CUDA_BYTES = 16 };

/* What is kept for each output channel of an 8-bit convolution is kept for a multiple of so many. */
enum { YK_CUDA_INT8_CHANNELS = 128 };

/* A convolution of NHWC tensors. Pixels are that many elements apart; strides, pads and so on as in yk_attrs. */
typedef struct yk_cuda_conv {
    const void *in;
    const void *weights;  /* as the kernel's pack() laid them out */
    const float *bias;    /* out_channels */
    const void *residual; /* added after the activation, or NULL */
    void *out;
    int batch, in_height, in_width, in_channels, in_pixel;
    int out_height, out_width, out_channels, out_pixel, residual_pixel;
    int kernel[2], stride[2], pad[2], dilation[2], groups;
    yk_act act;
    float slope; /* of a leaky ReLU */
    float scale; /* of an input of bytes, which are multiplied by it */
    yk_cuda_type in_type, out_type;
    /* 8-bit convolutions sum bytes times 8-bit weights up as integers: from starts[o] on, which takes the input's zero
     * point away, then times scales[o]. */
    bool int8;
    const float *scales;                                   /* of sums */
    const int32_t *starts;                                 /* -zero * the sum of the weights */
    yk_cuda_number in_number, out_number, residual_number; /* of those that are bytes */
    yk_cuda_type residual_type;
} yk_cuda_conv;

/* One way to do it. */
typedef struct yk_cuda_conv_kernel {
    const char *name;
    bool (*fits)(const yk_cuda_conv *c);
    size_t (*packed_bytes)(const yk_cuda_conv *c);
    /* From OIHW floats, or 8-bit numbers, in host memory. */
    void (*pack)(const yk_cuda_conv *c, const void *weights, void *to);
    cudaError_t (*run)(const yk_cuda_conv *c, cudaStream_t stream);
    /* A guess at its time on so many multiprocessors, in no unit but the same for all. */
    double (*cost)(const yk_cuda_conv *c, int processors);
} yk_cuda_conv_kernel;

/* All of them, the most general last; NULL-terminated. */
extern const yk_cuda_conv_kernel *const yk_cuda_conv_kernels[];

/* ---- everything else works on views: any layout is a matter of strides ---- */

typedef struct yk_cuda_view {
    void *data;
    yk_cuda_type type;
    int rank;
    int dims[YK_MAX_RANK], strides[YK_MAX_RANK]; /* in elements */
} yk_cuda_view;

/* out = in, whose shapes are equal; `scale` is what bytes are multiplied by. */
cudaError_t yk_cuda_copy(const yk_cuda_view *in, const yk_cuda_view *out, float scale, cudaStream_t stream);
/* From numbers to bytes and back, whose shapes are equal: one of the two is bytes. */
cudaError_t yk_cuda_quantize(const yk_cuda_view *in, const yk_cuda_view *out, const yk_cuda_number *number,
                             cudaStream_t stream);
/* out = op(in), shapes equal; attrs as the operator's. False in yk_cuda_has_unary(): there is none for it. */
bool yk_cuda_has_unary(yk_op op);
cudaError_t yk_cuda_unary(yk_op op, const yk_attrs *attrs, const yk_cuda_view *in, const yk_cuda_view *out,
                          cudaStream_t stream);
/* out = a op b; a and b have out's rank, and strides of 0 along what is broadcast. */
bool yk_cuda_has_binary(yk_op op);
cudaError_t yk_cuda_binary(yk_op op, const yk_cuda_view *a, const yk_cuda_view *b, const yk_cuda_view *out,
                           cudaStream_t stream);
/* N x C x H x W views; attrs as of MAX_POOL and AVERAGE_POOL. */
cudaError_t yk_cuda_pool(yk_op op, const yk_attrs *attrs, const yk_cuda_view *in, const yk_cuda_view *out,
                         cudaStream_t stream);
/* Nearest or linear, N x C x H x W views. */
cudaError_t yk_cuda_resize(const yk_attrs *attrs, const yk_cuda_view *in, const yk_cuda_view *out, cudaStream_t stream);
/* Over the last dimension of the views, which the caller has turned so. */
cudaError_t yk_cuda_softmax(const yk_cuda_view *in, const yk_cuda_view *out, cudaStream_t stream);
/* Mean, sum, largest or smallest over the last dimension. */
cudaError_t yk_cuda_reduce(yk_op op, const yk_cuda_view *in, const yk_cuda_view *out, cudaStream_t stream);
/* out[..., m, n] = sum over k of a[..., m, k] * b[..., k, n]: views of equal rank, strides of 0 where broadcast. */
cudaError_t yk_cuda_matmul(const yk_cuda_view *a, const yk_cuda_view *b, const yk_cuda_view *out, cudaStream_t stream);
/* Transposed convolution: x N x C x H x W, weights (C, out/groups, kh, kw) floats as the graph has them. */
cudaError_t yk_cuda_conv_transpose(const yk_attrs *attrs, const yk_cuda_view *in, const float *weights,
                                   const float *bias, const yk_cuda_view *out, cudaStream_t stream);

/* Attention of `heads` heads over the `pixels` pixels of each picture: out = softmax(scale * q^T k) v for each head.
 * q, k and v are where head 0, pixel 0 begins; elements of a head are side by side; a head is `head` elements after the
 * one before in each of them, a pixel `pixel` elements. Halves. */
typedef struct yk_cuda_attention {
    const void *q, *k, *v;
    void *out;
    int batch, heads, pixels;
    int depth, value_depth; /* channels of q and k, and of v and the result, in each head */
    int pixel, out_pixel;   /* elements from one pixel to the next: of q, k and v, of out */
    int head, value_head, out_head;
    float scale;
} yk_cuda_attention;
bool yk_cuda_attention_fits(const yk_cuda_attention *a);
cudaError_t yk_cuda_attend(const yk_cuda_attention *a, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
