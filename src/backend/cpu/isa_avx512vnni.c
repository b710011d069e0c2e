/* The kernels for x86-64 with AVX-512 and VNNI. */
#ifdef YK_ISA
#include "backend/cpu/vec_avx512.h"

#include "backend/cpu/kernels.h"
#else
typedef int yk_not_this_processor;
#endif
