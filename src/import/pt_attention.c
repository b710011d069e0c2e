/* Self-attention over the pixels of a feature map.
 *
 * One 1x1 convolution makes queries, keys and values, head by head. Its channels are put in another order here, all
 * queries first, then all keys, then all values, so that each is one slice; and the queries' scale goes into the
 * weights. */
#include "import/pt.h"

#include <math.h>

typedef yk_pickle_value value;

enum { CHANNEL_LIMIT = 1 << 16, AREA_LIMIT = 64, STRIDE_LIMIT = 4096 };

/* Sizes of an attention: channels a head of queries and keys, and of values. */
typedef struct shape {
    int heads, key, head, areas;
} shape;

static bool read_shape(yk_pt *pt, const value *module, bool equal, int channels, shape *s)
{
    int64_t heads = yk_pt_int(module, "num_heads", 0), head = yk_pt_int(module, "head_dim", 0);
    int64_t key = equal ? head : yk_pt_int(module, "key_dim", 0), areas = equal ? yk_pt_int(module, "area", 1) : 1;
    if (heads < 1 || heads > CHANNEL_LIMIT || head < 1 || head > CHANNEL_LIMIT || heads * head != channels || key < 1 ||
        key > head * 4 || areas < 1 || areas > AREA_LIMIT) {
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "%lld heads of %lld and %lld channels do not make its %d channels",
                   (long long)heads, (long long)key, (long long)head, channels);
        return false;
    }
    *s = (shape){.heads = (int)heads, .key = (int)key, .head = (int)head, .areas = (int)areas};
    return true;
}

/* The convolution that makes queries, keys and values, in that order and scaled. */
static yk_pt_x build_qkv(yk_pt *pt, const value *module, const shape *s, yk_pt_x x)
{
    yk_pt_kernel k = {0};
    const value *conv = yk_pt_child(module, "qkv");
    int *order = NULL;
    float *scale = NULL;
    int each = 2 * s->key + s->head, total = s->heads * each;
    if (!yk_pt_kernel_read(pt, conv, &k))
        goto done;
    if (k.out != total) {
        yk_pt_fail(pt, YOLK_ERROR_DAMAGED, module, "its convolution gives %d channels instead of %d", k.out, total);
        goto done;
    }
    order = yk_calloc((size_t)total, sizeof(*order));
    scale = yk_calloc((size_t)total, sizeof(*scale));
    if (!order || !scale) {
        pt->status = YOLK_ERROR_OUT_OF_MEMORY;
        goto done;
    }
    int queries = s->heads * s->key;
    for (int h = 0; h < s->heads; h++) {
        for (int c = 0; c < each; c++) {
            int to = c < s->key       ? h * s->key + c
                     : c < 2 * s->key ? queries + h * s->key + c - s->key
                                      : 2 * queries + h * s->head + c - 2 * s->key;
            order[to] = h * each + c;
            scale[to] = c < s->key ? 1 / sqrtf((float)s->key) : 1;
        }
    }
    yk_pt_kernel_reorder(pt, &k, order, scale);

done:
    yk_free(order);
    yk_free(scale);
    size_t before = yk_pt_enter(pt, "qkv");
    yk_pt_x y = yk_pt_kernel_build(pt, &k, conv, yk_pt_child(conv, "act"), x, ".conv");
    yk_pt_leave(pt, before);
    return y;
}

/* N x (heads*size) x H x W to rows of pixels or of channels for each head: [areas x] heads x pixels x size, or
 * heads x size x pixels. */
static yk_id split_heads(yk_pt *pt, const shape *s, yk_id x, int size, bool pixels_first, const char *part)
{
    yk_graph *g = pt->graph;
    const char *name = yk_pt_name(pt, part);
    if (s->areas == 1) {
        x = yk_build_reshape(g, x, (int64_t[]){YK_DIM_COPY, s->heads, size, YK_DIM_INFER}, 4, 0, name);
        return pixels_first ? yk_build_transpose(g, x, (int[]){0, 1, 3, 2}, 4, name) : x;
    }
    x = yk_build_reshape(g, x, (int64_t[]){YK_DIM_COPY, s->heads, size, s->areas, YK_DIM_INFER}, 5, 0, name);
    return yk_build_transpose(g, x, pixels_first ? (int[]){0, 3, 1, 4, 2} : (int[]){0, 3, 1, 2, 4}, 5, name);
}

/* softmax(queries x keys) x values, back as N x channels x H x W. */
static yk_pt_x attend(yk_pt *pt, const shape *s, yk_pt_x q, yk_pt_x k, yk_pt_x v)
{
    yk_graph *g = pt->graph;
    bool whole = v.stride >= 1 && v.stride <= STRIDE_LIMIT && v.stride == (int)v.stride;
    if (pt->status == YOLK_OK && !whole)
        pt->status = yk_fail(YOLK_ERROR_DAMAGED, "layer %s: attention at a stride of %g pixels", pt->path, v.stride);
    if (pt->status != YOLK_OK)
        return yk_pt_none();
    int stride = (int)v.stride;
    yk_id rows = split_heads(pt, s, q.id, s->key, true, ".q");
    yk_id columns = split_heads(pt, s, k.id, s->key, false, ".k");
    yk_id weights = yk_build_binary(g, YK_OP_MATMUL, rows, columns, yk_pt_name(pt, ".scores"));
    weights = yk_build_softmax(g, weights, s->areas == 1 ? 3 : 4, yk_pt_name(pt, ".softmax"));
    yk_id values = split_heads(pt, s, v.id, s->head, true, ".v");
    yk_id y = yk_build_binary(g, YK_OP_MATMUL, weights, values, yk_pt_name(pt, ".values"));
    const char *name = yk_pt_name(pt, ".joined");
    y = s->areas == 1 ? yk_build_transpose(g, y, (int[]){0, 1, 3, 2}, 4, name)
                      : yk_build_transpose(g, y, (int[]){0, 2, 4, 1, 3}, 5, name);
    y = yk_build_reshape(g, y, (int64_t[]){YK_DIM_COPY, v.channels, YK_DIM_HEIGHT, YK_DIM_WIDTH}, 4, stride, name);
    return yk_pt_result(pt, y, v.channels, v.stride);
}

/* The values also go through a depthwise convolution that tells where they lie. */
static yk_pt_x build(yk_pt *pt, const value *module, yk_pt_x x, bool equal)
{
    shape s;
    if (!read_shape(pt, module, equal, x.channels, &s))
        return yk_pt_none();
    yk_pt_x qkv = build_qkv(pt, module, &s, x);
    int queries = s.heads * s.key;
    yk_pt_x q = yk_pt_slice(pt, qkv, 0, queries), k = yk_pt_slice(pt, qkv, queries, 2 * queries);
    yk_pt_x v = yk_pt_slice(pt, qkv, 2 * queries, qkv.channels);
    yk_pt_x y = attend(pt, &s, q, k, v);
    return yk_pt_build_child(pt, module, "proj", yk_pt_add(pt, y, yk_pt_build_child(pt, module, "pe", v)));
}

yk_pt_x yk_pt_attention(yk_pt *pt, const value *module, yk_pt_x x)
{
    return build(pt, module, x, false);
}

/* The picture in horizontal strips, each attending to itself only. */
yk_pt_x yk_pt_area_attention(yk_pt *pt, const value *module, yk_pt_x x)
{
    return build(pt, module, x, true);
}
