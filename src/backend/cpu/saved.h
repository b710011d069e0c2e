/* Programs as bytes and back. */
#ifndef YK_CPU_SAVED_H
#define YK_CPU_SAVED_H

#include "backend/cpu/program.h"

yolk_status yk_cpu_save(const yk_cpu_program *p, yk_buffer *out);
/* Whether bytes say that they are for this instruction set. */
bool yk_cpu_is_saved_for(const void *bytes, size_t size, const yk_cpu_isa *isa);
/* Bytes that are damaged, or of another instruction set, are refused. */
yolk_status yk_cpu_load(const void *bytes, size_t size, const yk_cpu_isa *isa, yk_cpu_program **out);

#endif
