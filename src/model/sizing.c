#include "model/sizing.h"

#include <limits.h>

#include "base/base.h"

void yk_sizing_measure(yk_sizing *z, int batch, uint64_t bytes)
{
    const yk_measured m = {batch, bytes};
    if (z->small.batch == 0 || batch <= z->small.batch)
        z->small = m;
    if (batch >= z->large.batch)
        z->large = m;
}

uint64_t yk_sizing_frame_bytes(const yk_sizing *z, uint64_t *network)
{
    const yk_measured *s = &z->small, *l = &z->large;
    *network = 0;
    if (l->batch == 0)
        return 0;
    /* With one size known all of it is counted as frames', which is on the safe side for larger batches. */
    if (l->batch == s->batch || l->bytes <= s->bytes)
        return YK_MAX(l->bytes / (uint64_t)l->batch, 1);
    uint64_t frame = (l->bytes - s->bytes) / (uint64_t)(l->batch - s->batch);
    uint64_t frames = frame * (uint64_t)s->batch;
    *network = s->bytes > frames ? s->bytes - frames : 0;
    return YK_MAX(frame, 1);
}

int yk_sizing_most(uint64_t frame_bytes, uint64_t network, uint64_t available)
{
    uint64_t budget = available / 5 * 4;
    if (frame_bytes == 0 || budget <= network)
        return 1;
    uint64_t frames = (budget - network) / frame_bytes;
    return frames > INT_MAX ? INT_MAX : YK_MAX((int)frames, 1);
}

int yk_sizing_batch(const yk_sizing *z, int wanted, uint64_t available)
{
    uint64_t network, frame = yk_sizing_frame_bytes(z, &network);
    int most = z->cap > 0 ? z->cap : INT_MAX;
    if (available > 0 && frame > 0)
        most = YK_MIN(most, yk_sizing_most(frame, network, available));
    while (wanted > 1 && wanted > most)
        wanted /= 2;
    return wanted;
}

int yk_sizing_short(yk_sizing *z, int batch)
{
    /* One that had grown to this size and did not fit waits longer before it tries again. */
    if (z->patience == 0)
        z->patience = YK_SIZING_PATIENCE;
    else
        z->patience = YK_MIN(z->patience * 2, YK_SIZING_MOST_PATIENCE);
    z->good = 0;
    int half = YK_MAX(batch / 2, 1);
    z->cap = z->cap > 0 ? YK_MIN(z->cap, half) : half;
    return z->cap;
}

bool yk_sizing_well(yk_sizing *z, int batch, uint64_t available)
{
    uint64_t network, frame = yk_sizing_frame_bytes(z, &network);
    if (z->cap == 0 || batch < z->cap)
        return false;
    z->good = YK_MIN(z->good + 1, z->patience);
    if (z->good < z->patience || z->cap > INT_MAX / 2)
        return false;
    if (available > 0 && frame > 0 && yk_sizing_most(frame, network, available) < z->cap * 2)
        return false;
    z->cap *= 2;
    z->good = 0;
    return true;
}
