/* Loading a model and keeping its sessions. */
#include "model/model.h"

#include <stdio.h>
#include <string.h>

#include "import/import.h"

enum { LARGEST_FIXED_BATCH = 256 };

/* ---- classes ---- */

/* Index of the class that `text` names: by name, by name ignoring case, then by number. */
static int find_class(const yk_graph *g, const char *text)
{
    int64_t number;
    for (int i = 0; i < g->head.classes; i++) {
        if (strcmp(g->class_names[i], text) == 0)
            return i;
    }
    for (int i = 0; i < g->head.classes; i++) {
        if (yk_equal_ignoring_case(g->class_names[i], text))
            return i;
    }
    return yk_parse_int(text, &number) && number >= 0 && number < g->head.classes ? (int)number : -1;
}

static yolk_status fail_class(const yk_graph *g, const char *text)
{
    int64_t number;
    if (yk_parse_int(text, &number))
        return yk_fail(YOLK_ERROR_NOT_FOUND, "classes: the model has no class %s, its classes are 0 to %d", text,
                       g->head.classes - 1);
    const char *nearest = yk_nearest(text, (const char *const *)g->class_names, (size_t)g->head.classes);
    return yk_fail(YOLK_ERROR_NOT_FOUND, "classes: the model has no class '%s'%s%s%s", text,
                   nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* config.classes as a byte a class. */
static yolk_status make_class_mask(const yk_graph *g, const char *list, uint8_t **out)
{
    if (!*list)
        return YOLK_OK;
    uint8_t *mask = yk_calloc((size_t)g->head.classes, 1);
    if (!mask)
        return YOLK_ERROR_OUT_OF_MEMORY;
    char copy[YOLK_CONFIG_PATH];
    snprintf(copy, sizeof copy, "%s", list);
    char *rest = NULL;
    for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        word += strspn(word, " ");
        for (char *end = word + strlen(word); end > word && end[-1] == ' ';)
            *--end = '\0';
        int class_id = find_class(g, word);
        if (class_id < 0) {
            yk_free(mask);
            return fail_class(g, word);
        }
        mask[class_id] = 1;
    }
    *out = mask;
    return YOLK_OK;
}

/* ---- loading ---- */

static yolk_status check_precision(const yolk_config *config)
{
    if (strcmp(config->precision, "int8") != 0)
        return YOLK_OK;
    return yk_fail(YOLK_ERROR_UNSUPPORTED, "precision: int8 needs a model that was converted to it; take fp32, fp16 or "
                                           "auto, or convert the model first");
}

/* 16-bit floats are an offer that not every processor can take up. */
static bool computes_in_half(const yk_model *m, const char *path)
{
    if (strcmp(m->config.precision, "fp16") != 0)
        return false;
    yk_probe probe;
    m->backend->probe(&probe);
    if (!probe.half)
        yk_log(YOLK_LOG_WARNING, "%s: %s has no 16-bit arithmetic on this processor: computing in fp32", path,
               m->backend->name);
    return probe.half;
}

/* A size that the settings ask for and a model of fixed size does not have is refused when it is loaded. */
static yolk_status check_size(const yk_model *m, const char *path)
{
    const yolk_config *c = &m->config;
    const yk_graph *g = m->graph;
    if (g->dynamic_size || c->imgsz_width == 0)
        return YOLK_OK;
    bool same = c->imgsz_height ? c->imgsz_height == g->input_height && c->imgsz_width == g->input_width
                                : c->imgsz_width == YK_MAX(g->input_height, g->input_width);
    if (same)
        return YOLK_OK;
    char wanted[32];
    if (c->imgsz_height)
        snprintf(wanted, sizeof wanted, "%dx%d", c->imgsz_height, c->imgsz_width);
    else
        snprintf(wanted, sizeof wanted, "%d", c->imgsz_width);
    return yk_fail(
        YOLK_ERROR_UNSUPPORTED,
        "%s: this model was exported for %dx%d (height x width) only and cannot run at imgsz %s; leave imgsz "
        "out, or export it with a dynamic size",
        path, g->input_height, g->input_width, wanted);
}

static int find_fixed_batch(const yk_graph *g)
{
    if (g->dynamic_batch)
        return 0;
    for (int batch = 1; batch <= LARGEST_FIXED_BATCH; batch++) {
        if (yk_graph_accepts(g, batch, g->input_height, g->input_width))
            return batch;
    }
    return 1; /* whose binding says what does not fit */
}

yolk_status yk_model_load(const char *path, const yolk_config *config, yk_counters *counters, yk_model **out)
{
    *out = NULL;
    yk_model *m = yk_calloc(1, sizeof *m);
    if (!m)
        return YOLK_ERROR_OUT_OF_MEMORY;
    atomic_init(&m->references, 1);
    pthread_mutex_init(&m->compile_mutex, NULL);
    pthread_mutex_init(&m->cache_mutex, NULL);
    m->config = *config;
    m->counters = counters;
    yk_import_options options = {.head = strcmp(config->head, "auto") == 0 ? NULL : config->head};
    yolk_status status = check_precision(config);
    if (status == YOLK_OK)
        status = yk_backend_choose(config->backend, config->device, &m->backend);
    if (status == YOLK_OK)
        status = yk_model_refuse_engine(path);
    if (status == YOLK_OK)
        status = yk_import_file(path, &options, &m->graph);
    if (status == YOLK_OK)
        status = make_class_mask(m->graph, config->classes, &m->class_mask);
    if (status == YOLK_OK)
        status = check_size(m, path);
    if (status == YOLK_OK)
        status = yk_facts_make(path, m->graph, &m->facts);
    if (status != YOLK_OK)
        goto fail;
    m->facts.info.backend = m->backend->name;
    m->facts.info.device = "cpu";
    m->half = computes_in_half(m, path);
    if (strcmp(m->facts.info.precision, "int8") != 0)
        m->facts.info.precision = m->half ? "fp16" : "fp32"; /* what it is computed in, however it is stored */
    m->fixed_batch = find_fixed_batch(m->graph);
    status = yk_graph_bind(m->graph, YK_MAX(m->fixed_batch, 1), m->graph->input_height, m->graph->input_width);
    if (status != YOLK_OK) {
        yk_fail_prefix(status, "%s: ", path);
        goto fail;
    }
    yk_log(YOLK_LOG_INFO, "%s: %s, %d classes, made for %dx%d, on %s", path,
           *m->facts.info.family ? m->facts.info.family : m->facts.info.head, m->facts.info.class_count,
           m->graph->input_height, m->graph->input_width, m->backend->name);
    *out = m;
    return YOLK_OK;
fail:
    yk_model_release(&m);
    return status;
}

yk_model *yk_model_retain(yk_model *m)
{
    atomic_fetch_add(&m->references, 1);
    return m;
}

void yk_model_release(yk_model **model)
{
    yk_model *m = *model;
    *model = NULL;
    if (!m || atomic_fetch_sub(&m->references, 1) != 1)
        return;
    yk_graph_destroy(&m->graph);
    yk_facts_free(&m->facts);
    yk_free(m->class_mask);
    pthread_mutex_destroy(&m->compile_mutex);
    pthread_mutex_destroy(&m->cache_mutex);
    yk_free(m);
}

/* ---- sessions ---- */

static bool same_key(yk_session_key a, yk_session_key b)
{
    return a.size.width == b.size.width && a.size.height == b.size.height && a.batch == b.batch &&
           a.latency == b.latency;
}

static yk_session *find_cached(yk_model *m, yk_session_key key)
{
    yk_session *found = NULL;
    pthread_mutex_lock(&m->cache_mutex);
    for (int i = 0; i < YK_CACHED_SESSIONS && !found; i++) {
        if (m->cache[i].session && same_key(m->cache[i].key, key)) {
            m->cache[i].used = ++m->uses;
            found = yk_session_retain(m->cache[i].session);
        }
    }
    pthread_mutex_unlock(&m->cache_mutex);
    return found;
}

/* Place of the session that has been idle longest, -1 when all are in use. With the cache's mutex held, under which
 * alone an idle session gets a user. */
static int find_idle(const yk_model *m)
{
    int place = -1;
    for (int i = 0; i < YK_CACHED_SESSIONS; i++) {
        if (m->cache[i].session && yk_session_is_idle(m->cache[i].session) &&
            (place < 0 || m->cache[i].used < m->cache[place].used))
            place = i;
    }
    return place;
}

/* Keeps the session for the next one who wants it, unless every place is in use. */
static void cache_session(yk_model *m, yk_session_key key, yk_session *session)
{
    yk_session *old = NULL;
    int place = 0;
    pthread_mutex_lock(&m->cache_mutex);
    while (place < YK_CACHED_SESSIONS && m->cache[place].session)
        place++;
    if (place == YK_CACHED_SESSIONS)
        place = find_idle(m);
    if (place >= 0 && !m->retired) {
        old = m->cache[place].session;
        m->cache[place].key = key;
        m->cache[place].session = yk_session_retain(session);
        m->cache[place].used = ++m->uses;
    }
    pthread_mutex_unlock(&m->cache_mutex);
    yk_session_release(&old);
}

/* Ends the session that has been idle longest; false when there is none. */
static bool drop_idle(yk_model *m)
{
    yk_session *old = NULL;
    pthread_mutex_lock(&m->cache_mutex);
    int place = find_idle(m);
    if (place >= 0) {
        old = m->cache[place].session;
        m->cache[place].session = NULL;
    }
    pthread_mutex_unlock(&m->cache_mutex);
    yk_session_release(&old);
    return place >= 0;
}

static bool over_limit(const yk_model *m, uint64_t *now)
{
    yolk_memory_usage(now, NULL);
    return m->config.memory_limit_mb > 0 && *now >> 20 > (uint64_t)m->config.memory_limit_mb;
}

/* Gives up what is not in use before the limit is passed. */
static yolk_status check_memory(yk_model *m)
{
    uint64_t now;
    while (over_limit(m, &now)) {
        if (!drop_idle(m))
            return yk_fail(YOLK_ERROR_LIMIT,
                           "memory_limit_mb: %llu MiB are in use with the model ready, %lld are allowed; raise the "
                           "limit, or take a smaller imgsz, batch or number of streams",
                           (unsigned long long)(now >> 20), (long long)m->config.memory_limit_mb);
    }
    return YOLK_OK;
}

yolk_status yk_model_session(yk_model *m, yk_session_key key, yk_session **out)
{
    *out = find_cached(m, key);
    if (*out)
        return YOLK_OK;
    yolk_status status = YOLK_OK;
    pthread_mutex_lock(&m->compile_mutex);
    *out = find_cached(m, key);
    if (!*out) {
        status = yk_session_create(m, key, out);
        if (status == YOLK_OK)
            status = check_memory(m);
        if (status == YOLK_OK)
            cache_session(m, key, *out);
        else
            yk_session_release(out);
    }
    pthread_mutex_unlock(&m->compile_mutex);
    return status;
}

void yk_model_retire(yk_model *m)
{
    yk_session *sessions[YK_CACHED_SESSIONS];
    pthread_mutex_lock(&m->cache_mutex);
    m->retired = true;
    for (int i = 0; i < YK_CACHED_SESSIONS; i++) {
        sessions[i] = m->cache[i].session;
        m->cache[i].session = NULL;
    }
    pthread_mutex_unlock(&m->cache_mutex);
    for (int i = 0; i < YK_CACHED_SESSIONS; i++)
        yk_session_release(&sessions[i]);
}

yolk_status yk_model_prepare_as(yk_model *m, yk_model *from)
{
    yk_session_key keys[YK_CACHED_SESSIONS] = {0};
    int count = 0;
    pthread_mutex_lock(&from->cache_mutex);
    for (int i = 0; i < YK_CACHED_SESSIONS; i++) {
        if (from->cache[i].session)
            keys[count++] = from->cache[i].key;
    }
    pthread_mutex_unlock(&from->cache_mutex);
    for (int i = 0; i < count; i++) {
        yk_session_key key = keys[i];
        yk_session *session;
        if (m->fixed_batch)
            key.batch = m->fixed_batch;
        if (!yk_graph_accepts(m->graph, key.batch, key.size.height, key.size.width))
            key.size = (yolk_size){m->graph->input_width, m->graph->input_height};
        yolk_status status = yk_model_session(m, key, &session);
        if (status != YOLK_OK)
            return status;
        yk_session_release(&session);
    }
    return YOLK_OK;
}

/* ---- choices ---- */

yk_session_key yk_model_choose(const yk_model *m, yolk_size size, int count)
{
    /* By itself 1: on the processor larger batches gain nothing and cost memory. */
    int batch = m->fixed_batch ? m->fixed_batch : YK_MAX(m->config.batch, 1);
    /* Alone is alone; other remainders run in a batch that is there anyway. */
    if (count == 1 && !m->fixed_batch)
        batch = 1;
    return (yk_session_key){.size = size, .batch = batch, .latency = count <= batch};
}

static int round_up(int64_t side, int stride)
{
    return (int)((side + stride - 1) / stride * stride);
}

yolk_status yk_model_input_size(const yk_model *m, int width, int height, bool still, yolk_size *out)
{
    const yk_graph *g = m->graph;
    const yolk_config *c = &m->config;
    const int stride = YK_MAX(g->stride, 1);
    if (width < 1 || height < 1)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "a frame of %dx%d has no pixels", width, height);
    if (!g->dynamic_size) {
        *out = (yolk_size){g->input_width, g->input_height};
        return YOLK_OK;
    }
    if (c->imgsz_height) {
        *out = (yolk_size){round_up(c->imgsz_width, stride), round_up(c->imgsz_height, stride)};
        return YOLK_OK;
    }
    if (still && !c->imgsz_width) {
        *out = (yolk_size){g->input_width, g->input_height};
        return YOLK_OK;
    }
    int side = c->imgsz_width ? c->imgsz_width : YK_MAX(g->input_height, g->input_width);
    int64_t longest = YK_MAX(width, height), shortest = YK_MIN(width, height);
    /* The picture's own short side to the nearest pixel, then what the network can take. */
    int64_t other = still ? side : YK_MAX((shortest * side + longest / 2) / longest, 1);
    int large = round_up(side, stride), small = round_up(other, stride);
    *out = width >= height ? (yolk_size){large, small} : (yolk_size){small, large};
    return YOLK_OK;
}
