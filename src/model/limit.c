/* The settings' limit on resident memory. */
#include <malloc.h>

#include "model/memory.h"
#include "model/model.h"

int yk_expected_slots(const yk_model *m, bool latency)
{
    if (latency)
        return 2;
    int streams = m->config.streams > 0 ? m->config.streams : m->config.threads;
    return YK_MIN(streams > 0 ? streams : yk_physical_cores(), 4) + 1;
}

static bool drop_idle(yk_model *m)
{
    bool dropped = false;
    pthread_mutex_lock(&m->mutex);
    for (int i = 0; i < m->replica_count; i++)
        dropped = yk_replica_drop_idle(&m->replicas[i]) || dropped;
    while (m->ending > 0)
        pthread_cond_wait(&m->changed, &m->mutex);
    pthread_mutex_unlock(&m->mutex);
    return dropped;
}

yolk_status yk_model_make_room(yk_model *m, uint64_t need)
{
    const uint64_t limit = (uint64_t)m->config.memory_limit_mb << 20;
    while (limit > 0) {
        uint64_t now;
        yolk_memory_usage(&now, NULL);
        if (now <= limit && need <= limit - now)
            return YOLK_OK;
        if (!drop_idle(m))
            return yk_fail(YOLK_ERROR_LIMIT,
                           "memory_limit_mb: %llu MiB are in use and the network needs about %llu more, %lld are "
                           "allowed; raise the limit, or take a smaller imgsz, batch or number of streams",
                           (unsigned long long)(now >> 20), (unsigned long long)(need >> 20),
                           (long long)m->config.memory_limit_mb);
#ifdef __GLIBC__
        malloc_trim(0); /* what was given back is not resident any more */
#endif
    }
    return YOLK_OK;
}
