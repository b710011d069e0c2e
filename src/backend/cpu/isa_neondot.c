/* The kernels for 64-bit ARM with the dot product of ARMv8.2. */
#ifdef YK_ISA
#include "backend/cpu/vec_neon.h"

#include "backend/cpu/kernels.h"
#else
typedef int yk_not_this_processor;
#endif
