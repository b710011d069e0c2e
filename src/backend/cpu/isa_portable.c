/* The kernels for any processor: vectors of four floats as compilers know them. */
#define YK_ISA yk_cpu_portable
#include "backend/cpu/vec_portable.h"

#include "backend/cpu/kernels.h"
