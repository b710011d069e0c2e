/* Matrix products of a warp on tensor cores, and the way of their operands from memory. */
#ifndef YK_CUDA_MMA_CUH
#define YK_CUDA_MMA_CUH

#include "backend/cuda/device.cuh"

/* 16 bytes to shared memory while others are computed with; zeros where they are not valid. */
static __device__ __forceinline__ void copy16(uint32_t to, const void *from, bool valid)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(to), "l"(from), "r"(valid ? 16 : 0));
}

/* Four 8x8 matrices of halves out of shared memory; lanes 0-7, 8-15, ... give the addresses of their rows. */
static __device__ __forceinline__ void load_matrices(uint32_t (&r)[4], uint32_t from)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(from));
}

/* The same, each of them transposed. */
static __device__ __forceinline__ void load_turned(uint32_t (&r)[4], uint32_t from)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(from));
}

/* d += a b: 16 x 16 by 16 x 8. */
static __device__ __forceinline__ void multiply(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};\n"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* d += a b of bytes: 16 x 32, without a sign, by 32 x 8, with one. Lanes hold the same bytes as those of 16 x 16 and
 * 16 x 8 halves. */
static __device__ __forceinline__ void multiply(int (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};\n"
                 : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* What convolutions are computed with: the elements of a feature map, how many of them 16 bytes hold, what is summed. */
struct halves {
    typedef __half element;
    typedef float sum;
    static const int chunk = YK_CUDA_CHUNK;
    static const yk_cuda_type type = YK_CUDA_HALF;
};

struct bytes {
    typedef uint8_t element;
    typedef int sum;
    static const int chunk = YK_CUDA_BYTES;
    static const yk_cuda_type type = YK_CUDA_BYTE;
};

/* 16 bytes to shared memory as above, or four times a word at once. */
static __device__ __forceinline__ void copy16_or(uint32_t to, const void *from, bool valid, uint32_t word)
{
    asm volatile("{\n"
                 ".reg .pred valid;\n"
                 "setp.ne.b32 valid, %2, 0;\n"
                 "@valid cp.async.cg.shared.global [%0], [%1], 16;\n"
                 "@!valid st.shared.v4.b32 [%0], {%3, %3, %3, %3};\n"
                 "}\n" ::"r"(to),
                 "l"(from), "r"((int)valid), "r"(word)
                 : "memory");
}

/* A chunk of a feature map to shared memory, or of what lies outside of it: zero. */
template <typename KIND>
static __device__ __forceinline__ void copy_chunk(uint32_t to, const void *from, bool valid, const yk_cuda_conv &c)
{
    if (KIND::type == YK_CUDA_BYTE)
        copy16_or(to, from, valid, (uint32_t)c.in_number.zero * 0x01010101u);
    else
        copy16(to, valid ? from : c.in, valid);
}

static __device__ __forceinline__ uint32_t shared_address(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

#endif
