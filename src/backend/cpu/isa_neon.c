/* The kernels for 64-bit ARM. */
#ifdef YK_ISA
#include "backend/cpu/vec_neon.h"

#include "backend/cpu/kernels.h"
#else
typedef int yk_not_this_processor;
#endif
