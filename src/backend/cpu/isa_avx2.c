/* The kernels for x86-64 with AVX2 and FMA. */
#ifdef YK_ISA
#include "backend/cpu/vec_avx2.h"

#include "backend/cpu/kernels.h"
#else
typedef int yk_not_this_processor;
#endif
