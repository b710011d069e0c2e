/* Elements of one type into another. */
#include "graph/call.h"

#include <math.h>
#include <string.h>

float yk_half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = (half >> 10) & 31, fraction = half & 1023, bits;
    if (exponent == 0) {
        float tiny = (float)fraction * 0x1p-24f;
        return sign ? -tiny : tiny;
    }
    bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13;
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

uint16_t yk_float_to_half(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    float size = fabsf(value);
    if (isnan(value))
        return sign | 0x7e00;
    if (size >= 65520.0f) /* halfway from the largest half to what would come next */
        return sign | 0x7c00;
    if (size < 0x1p-14f)
        return sign | (uint16_t)rintf(size * 0x1p24f);
    bits &= 0x7fffffff;
    bits += 0xfff + (bits >> 13 & 1); /* nearest, halves to even; a carry into the exponent is right */
    return sign | (uint16_t)((bits >> 13) - (112u << 10));
}

/* Towards zero; what does not fit becomes the nearest that does, as NaN becomes 0. */
static int64_t to_integer(double v, int64_t low, int64_t high)
{
    if (isnan(v))
        return 0;
    if (v <= (double)low)
        return low;
    if (v >= (double)high)
        return high;
    return (int64_t)v;
}

static void from_real(const double *v, yk_type to, void *target, int64_t n)
{
    switch (to) {
    case YK_F32:
        for (int64_t i = 0; i < n; i++)
            ((float *)target)[i] = (float)v[i];
        break;
    case YK_F16:
        for (int64_t i = 0; i < n; i++)
            ((uint16_t *)target)[i] = yk_float_to_half((float)v[i]);
        break;
    case YK_F64:
        memcpy(target, v, (size_t)n * sizeof(*v));
        break;
    case YK_I64:
        for (int64_t i = 0; i < n; i++)
            ((int64_t *)target)[i] = to_integer(v[i], INT64_MIN, INT64_MAX);
        break;
    case YK_I32:
        for (int64_t i = 0; i < n; i++)
            ((int32_t *)target)[i] = (int32_t)to_integer(v[i], INT32_MIN, INT32_MAX);
        break;
    case YK_I8:
        for (int64_t i = 0; i < n; i++)
            ((int8_t *)target)[i] = (int8_t)to_integer(v[i], INT8_MIN, INT8_MAX);
        break;
    case YK_U8:
        for (int64_t i = 0; i < n; i++)
            ((uint8_t *)target)[i] = (uint8_t)to_integer(v[i], 0, UINT8_MAX);
        break;
    case YK_BOOL:
        for (int64_t i = 0; i < n; i++)
            ((uint8_t *)target)[i] = v[i] != 0;
        break;
    case YK_TYPE_COUNT:
        break;
    }
}

/* Integers that do not fit keep their low bits, as in C. */
static void from_integer(const int64_t *v, yk_type to, void *target, int64_t n)
{
    switch (to) {
    case YK_F32:
        for (int64_t i = 0; i < n; i++)
            ((float *)target)[i] = (float)v[i];
        break;
    case YK_F16:
        for (int64_t i = 0; i < n; i++)
            ((uint16_t *)target)[i] = yk_float_to_half((float)v[i]);
        break;
    case YK_F64:
        for (int64_t i = 0; i < n; i++)
            ((double *)target)[i] = (double)v[i];
        break;
    case YK_I64:
        memcpy(target, v, (size_t)n * sizeof(*v));
        break;
    case YK_I32:
        for (int64_t i = 0; i < n; i++)
            ((int32_t *)target)[i] = (int32_t)v[i];
        break;
    case YK_I8:
        for (int64_t i = 0; i < n; i++)
            ((int8_t *)target)[i] = (int8_t)v[i];
        break;
    case YK_U8:
        for (int64_t i = 0; i < n; i++)
            ((uint8_t *)target)[i] = (uint8_t)v[i];
        break;
    case YK_BOOL:
        for (int64_t i = 0; i < n; i++)
            ((uint8_t *)target)[i] = v[i] != 0;
        break;
    case YK_TYPE_COUNT:
        break;
    }
}

/* A few elements in the wide type of their kind; false for integers. */
static bool widen(yk_type from, const void *source, int64_t first, int64_t n, double *real, int64_t *integer)
{
    switch (from) {
    case YK_F32:
        for (int64_t i = 0; i < n; i++)
            real[i] = (double)((const float *)source)[first + i];
        return true;
    case YK_F16:
        for (int64_t i = 0; i < n; i++)
            real[i] = (double)yk_half_to_float(((const uint16_t *)source)[first + i]);
        return true;
    case YK_F64:
        memcpy(real, (const double *)source + first, (size_t)n * sizeof(*real));
        return true;
    case YK_I64:
        memcpy(integer, (const int64_t *)source + first, (size_t)n * sizeof(*integer));
        return false;
    case YK_I32:
        for (int64_t i = 0; i < n; i++)
            integer[i] = ((const int32_t *)source)[first + i];
        return false;
    case YK_I8:
        for (int64_t i = 0; i < n; i++)
            integer[i] = ((const int8_t *)source)[first + i];
        return false;
    case YK_U8:
        for (int64_t i = 0; i < n; i++)
            integer[i] = ((const uint8_t *)source)[first + i];
        return false;
    default: /* bool: any bit set is true */
        for (int64_t i = 0; i < n; i++)
            integer[i] = ((const uint8_t *)source)[first + i] != 0;
        return false;
    }
}

void yk_convert(yk_type from, const void *source, yk_type to, void *target, int64_t count)
{
    enum { CHUNK = 256 };
    double real[CHUNK];
    int64_t integer[CHUNK];
    for (int64_t i = 0; i < count; i += CHUNK) {
        int64_t n = YK_MIN(count - i, CHUNK);
        void *to_here = (uint8_t *)target + (size_t)i * yk_type_size(to);
        if (widen(from, source, i, n, real, integer))
            from_real(real, to, to_here, n);
        else
            from_integer(integer, to, to_here, n);
    }
}
