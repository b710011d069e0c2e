/* Which batch suits the memory, in figures and in words. */
#include <limits.h>
#include <stdio.h>

#include "model/memory.h"
#include "model/model.h"

/* What was measured for frames of this size, on whichever device; false when nothing was. */
static bool find_measured(yk_model *m, yolk_size size, uint64_t *frame, uint64_t *network)
{
    *frame = 0;
    pthread_mutex_lock(&m->mutex);
    for (int latency = 0; latency < 2 && *frame == 0; latency++) {
        for (int i = 0; i < m->replica_count && *frame == 0; i++) {
            yk_session_key key = {.size = size, .latency = latency};
            *frame = yk_sizing_frame_bytes(yk_replica_sizing(&m->replicas[i], key), network);
        }
    }
    pthread_mutex_unlock(&m->mutex);
    return *frame > 0;
}

static yolk_status estimate(yk_model *m, yolk_size size, uint64_t *frame, uint64_t *network)
{
    yk_need need;
    yk_graph *g;
    pthread_mutex_lock(&m->compile_mutex);
    yolk_status status = yk_model_network(m, &g);
    if (status == YOLK_OK)
        status = yk_graph_bind(g, YK_MAX(m->fixed_batch, 1), size.height, size.width);
    if (status == YOLK_OK)
        status = yk_memory_estimate(g, &need);
    pthread_mutex_unlock(&m->compile_mutex);
    if (status != YOLK_OK)
        return yk_fail_prefix(status, "%s: ", m->facts.path);
    *frame = need.frame * (uint64_t)yk_expected_slots(m, false);
    *network = need.network;
    return YOLK_OK;
}

static yolk_status add_need(yk_model *m, yolk_size size, yolk_batch_choice *out)
{
    uint64_t frame = 0, network = 0;
    yolk_status status = yk_session_check_key(m, (yk_session_key){.size = size, .batch = 1});
    if (status == YOLK_OK && !find_measured(m, size, &frame, &network)) {
        status = estimate(m, size, &frame, &network);
        out->measured = 0;
    }
    if (status == YOLK_OK) {
        out->bytes_per_frame += frame;
        out->network_bytes += network;
    }
    return status;
}

/* On the live device that has the least; 0 when unknown. */
static uint64_t free_now(yk_model *m)
{
    uint64_t least = 0;
    for (int i = 0; i < m->replica_count; i++) {
        pthread_mutex_lock(&m->mutex);
        bool lost = m->replicas[i].lost;
        pthread_mutex_unlock(&m->mutex);
        uint64_t bytes = lost ? 0 : m->backend->free_memory(m->replicas[i].device);
        if (bytes > 0 && (least == 0 || bytes < least))
            least = bytes;
    }
    return least;
}

static void decide(const yk_set *set, yolk_size input, yolk_batch_choice *out)
{
    const yk_model *m = set->models[0];
    const yolk_config *c = &m->config;
    const int table = yolk_config_for_resolution(c, input.width, input.height).batch;
    const int most =
        out->available > 0 ? yk_sizing_most(out->bytes_per_frame, out->network_bytes, out->available) : INT_MAX;
    char memory[160] = "how much memory is free is not known";
    if (out->available > 0)
        snprintf(memory, sizeof memory, "80 %% of %.1f MiB hold %d of %.2f MiB each, %s",
                 (double)out->available / 0x1p20, most, (double)out->bytes_per_frame / 0x1p20,
                 out->measured ? "as measured" : "as estimated");
    int wanted = m->fixed_batch ? m->fixed_batch : c->batch > 0 ? c->batch : m->backend->gains_from_batch ? table : 1;
    out->batch = m->fixed_batch ? wanted : YK_MIN(wanted, most);
    const char *why = m->fixed_batch                                 ? "the model was exported for batches of this size"
                      : out->batch < wanted                          ? "memory allows no more"
                      : c->batch > 0                                 ? "as the settings say"
                      : wanted == 1 && !m->backend->gains_from_batch ? "larger batches gain nothing on this device"
                                                                     : "the settings' table allows no more";
    snprintf(out->reason, sizeof out->reason, "%d frame%s: %s; %s", out->batch, out->batch == 1 ? "" : "s", why,
             memory);
}

yolk_status yolk_manager_optimal_batch(yolk_manager *manager, yolk_size input, uint64_t available,
                                       yolk_batch_choice *out)
{
    *out = (yolk_batch_choice){.measured = 1};
    yk_set *set = yk_manager_set(manager);
    if (!set)
        return YOLK_ERROR_NOT_FOUND;
    yolk_status status = YOLK_OK;
    for (int i = 0; i < set->count && status == YOLK_OK; i++)
        status = add_need(set->models[i], i == 0 ? input : yk_model_own_size(set->models[i], input), out);
    if (status == YOLK_OK) {
        out->available = available > 0 ? available : free_now(set->models[0]);
        decide(set, input, out);
    }
    yk_set_release(&set);
    return status;
}
