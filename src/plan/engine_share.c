/* Forms of one network differ in their plan and, where another kernel won, in how a layer's weights are laid out; most
 * weights are the same bytes at another place.
 *
 * What is stored is cut into blocks, which are found again at any place by a hash that rolls over the bytes of the next
 * form; around such a block as many bytes as are equal make a run. */
#include "plan/engine_share.h"

#include <string.h>

enum {
    BLOCK = 512,  /* a run of less than two may be missed */
    LEAST = 2048, /* a shorter one is not worth a piece */
};

typedef struct stored {
    const uint8_t *bytes;
    uint64_t size, offset; /* among the sections */
} stored;

struct yk_engine_share {
    stored stored[YK_ENGINE_FORMS];
    int stored_count;
    /* Of blocks by their hash: which of the stored and the block's number there, counted from 1; 0: free. */
    struct slot {
        uint32_t which, block;
    } * slots;
    uint64_t mask;
};

/* ---- hashes ---- */

static const uint64_t base = 0x9e3779b97f4a7c15u;

static uint64_t hash(const uint8_t *p)
{
    uint64_t h = 0;
    for (int i = 0; i < BLOCK; i++)
        h = h * base + p[i] + 1;
    return h;
}

/* base to the power of BLOCK: what the byte that leaves is multiplied by. */
static uint64_t leaving(void)
{
    uint64_t power = 1;
    for (int i = 0; i < BLOCK; i++)
        power *= base;
    return power;
}

static uint64_t slot_of(const yk_engine_share *s, uint64_t h)
{
    return (h ^ h >> 29) * base >> 20 & s->mask;
}

static const uint8_t *block_at(const yk_engine_share *s, const struct slot *slot)
{
    return s->stored[slot->which].bytes + (uint64_t)(slot->block - 1) * BLOCK;
}

/* Of blocks that are equal the first one stays. */
static void add_blocks(yk_engine_share *s, int which)
{
    const stored *t = &s->stored[which];
    for (uint64_t i = 0; i < t->size / BLOCK; i++) {
        const uint8_t *block = t->bytes + i * BLOCK;
        uint64_t at = slot_of(s, hash(block));
        while (s->slots[at].block && memcmp(block_at(s, &s->slots[at]), block, BLOCK) != 0)
            at = (at + 1) & s->mask;
        if (!s->slots[at].block)
            s->slots[at] = (struct slot){(uint32_t)which, (uint32_t)i + 1};
    }
}

static const struct slot *find_block(const yk_engine_share *s, uint64_t h, const uint8_t *block)
{
    for (uint64_t at = slot_of(s, h); s->slots[at].block; at = (at + 1) & s->mask) {
        if (memcmp(block_at(s, &s->slots[at]), block, BLOCK) == 0)
            return &s->slots[at];
    }
    return NULL;
}

yolk_status yk_engine_share_make(uint64_t room, yk_engine_share **out)
{
    uint64_t count = 64;
    while (count < 2 * (room / BLOCK + 1))
        count *= 2;
    yk_engine_share *s = *out = yk_calloc(1, sizeof *s);
    if (!s)
        return YOLK_ERROR_OUT_OF_MEMORY;
    s->mask = count - 1;
    s->slots = yk_calloc((size_t)count, sizeof *s->slots);
    if (!s->slots)
        yk_engine_share_end(out);
    return *out ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
}

void yk_engine_share_end(yk_engine_share **share)
{
    if (*share)
        yk_free((*share)->slots);
    yk_free(*share);
    *share = NULL;
}

/* ---- runs ---- */

typedef struct run {
    uint64_t at, size; /* in the form */
    uint64_t offset;   /* among the sections */
} run;

/* As many equal bytes as there are around a block of the form at `at`, but none before `begin`. */
static run grow(const yk_engine_share *s, const struct slot *slot, const uint8_t *bytes, uint64_t size, uint64_t begin,
                uint64_t at)
{
    const stored *t = &s->stored[slot->which];
    uint64_t from = (uint64_t)(slot->block - 1) * BLOCK, before = 0, after = BLOCK;
    while (before < from && at - before > begin && t->bytes[from - before - 1] == bytes[at - before - 1])
        before++;
    while (from + after < t->size && at + after < size && t->bytes[from + after] == bytes[at + after])
        after++;
    return (run){.at = at - before, .size = before + after, .offset = t->offset + from - before};
}

static yolk_status add_piece(yk_engine_place *place, size_t *capacity, uint64_t offset, uint64_t size)
{
    if (size == 0)
        return YOLK_OK;
    yolk_status status = yk_grow(&place->pieces, capacity, (size_t)place->piece_count + 1, sizeof *place->pieces);
    if (status == YOLK_OK)
        place->pieces[place->piece_count++] = (yk_engine_piece){offset, size};
    return status;
}

/* The bytes from `begin` to where the run begins are the form's own. */
static yolk_status add_run(yk_engine_place *place, size_t *capacity, yk_buffer *own, const uint8_t *bytes,
                           uint64_t begin, const run *r)
{
    const uint64_t offset = place->offset + own->size;
    yk_buffer_add(own, bytes + begin, (size_t)(r->at - begin));
    yolk_status status = add_piece(place, capacity, offset, r->at - begin);
    return status == YOLK_OK ? add_piece(place, capacity, r->offset, r->size) : status;
}

static yolk_status split(const yk_engine_share *s, const uint8_t *bytes, uint64_t size, yk_engine_place *place,
                         yk_buffer *own)
{
    const uint64_t power = leaving();
    size_t capacity = 0;
    uint64_t begin = 0, at = 0, h = size >= BLOCK ? hash(bytes) : 0;
    yolk_status status = YOLK_OK;
    while (at + BLOCK <= size && place->piece_count + 4 < YK_ENGINE_PIECES && status == YOLK_OK) {
        const struct slot *slot = find_block(s, h, bytes + at);
        uint64_t next = at + 1;
        if (slot) {
            const run r = grow(s, slot, bytes, size, begin, at);
            next = at + BLOCK;
            if (r.size >= LEAST) {
                status = add_run(place, &capacity, own, bytes, begin, &r);
                next = begin = r.at + r.size;
            }
        }
        if (next + BLOCK > size)
            break;
        h = next == at + 1 ? h * base + bytes[at + BLOCK] + 1 - power * (bytes[at] + (uint64_t)1) : hash(bytes + next);
        at = next;
    }
    if (status == YOLK_OK && place->piece_count > 0)
        status = add_run(place, &capacity, own, bytes, begin, &(run){.at = size});
    return status == YOLK_OK ? yk_buffer_status(own) : status;
}

yolk_status yk_engine_share_form(yk_engine_share *s, const uint8_t *bytes, uint64_t size, yk_engine_place *place,
                                 yk_buffer *own)
{
    yolk_status status = split(s, bytes, size, place, own);
    if (status != YOLK_OK)
        return status;
    if (own->size == 0) { /* nothing is shared, or all of it, which no section can say */
        yk_free(place->pieces);
        place->pieces = NULL;
        place->piece_count = 0;
    }
    const bool whole = place->piece_count == 0;
    place->size = whole ? size : own->size;
    s->stored[s->stored_count] = (stored){whole ? bytes : own->data, place->size, place->offset};
    add_blocks(s, s->stored_count++);
    return YOLK_OK;
}
