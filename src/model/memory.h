/* What a network will need before it is compiled, and the limit that the settings put on it. */
#ifndef YK_MODEL_MEMORY_H
#define YK_MODEL_MEMORY_H

#include "graph/graph.h"

typedef struct yk_need {
    uint64_t network; /* bytes of the weights */
    uint64_t frame;   /* bytes of the most that is alive at once for one frame, input and outputs included */
} yk_need;

/* By the shapes of a bound graph. */
yolk_status yk_memory_estimate(const yk_graph *g, yk_need *out);

#endif
