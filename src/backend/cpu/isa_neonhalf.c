/* The kernels for 64-bit ARM with the 16-bit arithmetic of ARMv8.2. */
#ifdef YK_ISA
#include "backend/cpu/vec_neonhalf.h"

#include "backend/cpu/kernels_half.h"
#else
typedef int yk_not_this_processor;
#endif
