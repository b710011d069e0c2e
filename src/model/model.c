/* Loading a model and keeping its sessions. */
#include "model/model.h"

#include <stdio.h>
#include <string.h>

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

/* 8 bits are a matter of the model. */
static yolk_status check_precision(const yk_model *m, const char *path)
{
    if (strcmp(m->config.precision, "int8") != 0 || strcmp(m->facts.info.precision, "int8") == 0)
        return YOLK_OK;
    return yk_fail(YOLK_ERROR_UNSUPPORTED,
                   "%s: precision: int8 needs a model that was converted to it; take fp32, fp16 or auto, or convert "
                   "the model first",
                   path);
}

/* 16-bit floats are an offer that not every processor can take up. */
static bool computes_in_half(const yk_model *m, const char *path)
{
    yk_probe probe;
    m->backend->probe(&probe);
    if (strcmp(m->config.precision, "fp16") != 0)
        return probe.half_first && strcmp(m->config.precision, "auto") == 0;
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

static void make_replicas(yk_model *m, const yk_devices *devices)
{
    m->replica_count = devices->count;
    for (int i = 0; i < devices->count; i++) {
        yk_replica *r = &m->replicas[i];
        r->model = m;
        r->device = devices->index[i];
        r->idle_since_ns = &r->own_idle_ns;
        snprintf(r->name, sizeof r->name, "%s:%d", devices->kind, r->device);
    }
}

/* As it was asked for, or the backend's own kind. */
static void name_devices(yk_model *m)
{
    yk_devices asked;
    bool named = yk_devices_parse(m->config.device, &asked) && asked.count > 0;
    snprintf(m->devices, sizeof m->devices, "%s", named ? m->config.device : m->backend->kind);
    m->facts.info.device = m->devices;
}

/* Puts the model together from what yk_compiled_open() has found. */
static yolk_status build(yk_model *m, const yk_devices *devices)
{
    const yolk_config *config = &m->config;
    const char *path = m->compiled.path;
    yolk_status status = m->compiled.engine ? yk_facts_of_engine(path, m->compiled.engine, &m->facts)
                                            : yk_facts_make(path, m->graph, &m->facts);
    if (status == YOLK_OK)
        status = check_precision(m, path);
    if (status == YOLK_OK)
        status = make_class_mask(m->graph, config->classes, &m->class_mask);
    if (status == YOLK_OK)
        status = check_size(m, path);
    if (status != YOLK_OK)
        return status;
    m->facts.info.backend = m->backend->name;
    name_devices(m);
    make_replicas(m, devices);
    m->detect = (yk_detect_options){.conf = (float)config->conf,
                                    .iou = (float)config->iou,
                                    .max_det = config->max_det,
                                    .multi_label = config->multi_label,
                                    .agnostic = config->agnostic,
                                    .class_mask = m->class_mask};
    m->half = computes_in_half(m, path);
    if (strcmp(m->facts.info.precision, "int8") != 0)
        m->facts.info.precision = m->half ? "fp16" : "fp32"; /* what it is computed in, however it is stored */
    m->fixed_batch = m->compiled.fixed_batch;
    yk_log(YOLK_LOG_INFO, "%s: %s, %d classes, made for %dx%d, on %s (%s)", path,
           *m->facts.info.family ? m->facts.info.family : m->facts.info.head, m->facts.info.class_count,
           m->graph->input_height, m->graph->input_width, m->backend->name, m->devices);
    return YOLK_OK;
}

/* Whether the choice among the processor's backends is left to yolk. */
static bool may_choose(const yk_model *m)
{
    return strcmp(m->config.backend, "auto") == 0 && strcmp(m->backend->kind, "cpu") == 0;
}

static const yk_backend *with_half(void)
{
    const yk_backend *candidates[4];
    const size_t count = yk_backend_candidates("cpu", candidates, YK_COUNT(candidates));
    for (size_t i = 0; i < count; i++) {
        yk_probe probe;
        candidates[i]->probe(&probe);
        if (probe.half)
            return candidates[i];
    }
    return NULL;
}

/* Binds the model with its layers as it was made. */
static yolk_status bind_network(yk_model *m, yk_graph **out)
{
    yolk_status status = yk_model_network(m, out);
    yk_graph *g = *out;
    return status == YOLK_OK ? yk_graph_bind(g, YK_MAX(m->compiled.fixed_batch, 1), g->input_height, g->input_width)
                             : status;
}

/* By the setting; else what has kernels for the network, and among the processor's what an engine was made for, what
 * has the arithmetic that is asked for, or what is known to be fast. */
static yolk_status settle_backend(yk_model *m)
{
    yolk_status status = YOLK_OK;
    if (m->backend->check && yk_backend_is_open(m->config.backend, m->config.device) &&
        !yk_compiled_is_for(&m->compiled, m->backend)) {
        yk_graph *g;
        status = bind_network(m, &g);
        if (status == YOLK_OK)
            status = yk_backend_settle(g, &m->backend);
    }
    if (status != YOLK_OK || !may_choose(m))
        return status;
    const yk_backend *better = yk_compiled_backend(&m->compiled);
    if (!better && strcmp(m->config.precision, "fp16") == 0)
        better = with_half();
    m->backend = better ? better : m->backend;
    return YOLK_OK;
}

/* What will be kept is worth measuring. */
static yolk_status choose_fastest(yk_model *m)
{
    const yk_backend *fastest = m->backend;
    yk_graph *g;
    yolk_status status = bind_network(m, &g);
    if (status == YOLK_OK)
        status = yk_backend_measure(g, m->config.threads, &fastest);
    if (fastest != m->backend) {
        m->backend = fastest;
        yk_compiled_move(&m->compiled, fastest, 0);
    }
    return status;
}

static yolk_status open_model(yk_model *m, const char *name, bool optimize, yk_devices *devices)
{
    const yolk_config *c = &m->config;
    yolk_status status = yk_backend_choose(c->backend, c->device, &m->backend);
    if (status == YOLK_OK)
        status = yk_compiled_open(name, c, optimize, &m->compiled);
    if (status == YOLK_OK)
        status = settle_backend(m);
    if (status == YOLK_OK)
        status = yk_backend_devices(m->backend, c->device, devices);
    if (status == YOLK_OK)
        status = yk_compiled_place(&m->compiled, c, m->backend, devices->index[0]);
    return status;
}

yolk_status yk_model_load(const char *name, const yolk_config *config, bool optimize, yk_model **out)
{
    *out = NULL;
    yk_model *m = yk_calloc(1, sizeof *m);
    if (!m)
        return YOLK_ERROR_OUT_OF_MEMORY;
    atomic_init(&m->references, 1);
    pthread_mutex_init(&m->compile_mutex, NULL);
    pthread_mutex_init(&m->mutex, NULL);
    pthread_cond_init(&m->changed, NULL);
    m->config = *config;
    yk_devices devices = {0};
    yolk_status status = open_model(m, name, optimize, &devices);
    if (status == YOLK_OK && m->compiled.keep && !m->compiled.fits && may_choose(m) &&
        strcmp(config->precision, "fp16") != 0)
        status = choose_fastest(m);
    if (status == YOLK_OK) {
        m->graph = m->compiled.graph;
        status = build(m, &devices);
    }
    if (status != YOLK_OK) {
        yk_model_release(&m);
        return status;
    }
    *out = m;
    return YOLK_OK;
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
    yk_model_retire(m);
    pthread_mutex_lock(&m->mutex);
    while (m->sessions > 0)
        pthread_cond_wait(&m->changed, &m->mutex);
    pthread_mutex_unlock(&m->mutex);
    yk_model_reap(m);
    yk_compiled_close(&m->compiled);
    yk_facts_free(&m->facts);
    yk_free(m->class_mask);
    pthread_mutex_destroy(&m->compile_mutex);
    pthread_mutex_destroy(&m->mutex);
    pthread_cond_destroy(&m->changed);
    yk_free(m);
}

/* ---- sessions ---- */

void yk_model_reap(yk_model *m)
{
    pthread_mutex_lock(&m->mutex);
    yk_session *ended = m->ended;
    m->ended = NULL;
    pthread_mutex_unlock(&m->mutex);
    for (yk_session *next; ended; ended = next) {
        next = ended->next;
        pthread_join(ended->thread, NULL);
        pthread_cond_destroy(&ended->work);
        yk_free(ended);
    }
}

void yk_model_retire(yk_model *m)
{
    pthread_mutex_lock(&m->mutex);
    m->retired = true;
    for (int i = 0; i < m->replica_count; i++) {
        for (int k = 0; k < YK_KEPT_SESSIONS; k++) {
            if (m->replicas[i].kept[k])
                yk_session_drop(m->replicas[i].kept[k]);
            m->replicas[i].kept[k] = NULL;
        }
    }
    pthread_mutex_unlock(&m->mutex);
}

yolk_status yk_model_prepare(yk_model *m, yk_session_key key)
{
    yolk_status status = YOLK_OK, failure = YOLK_OK;
    bool ready = false;
    if (m->fixed_batch)
        key.batch = m->fixed_batch;
    for (int i = 0; i < m->replica_count; i++) {
        yk_session *s;
        uint64_t free_bytes = yk_replica_free(&m->replicas[i], key);
        pthread_mutex_lock(&m->mutex);
        yk_session_key fit = yk_replica_fit(&m->replicas[i], key, free_bytes);
        bool lost = m->replicas[i].lost;
        pthread_mutex_unlock(&m->mutex);
        if (lost)
            continue;
        status = yk_replica_make(&m->replicas[i], fit, &s);
        /* What one device has no memory for, or does not answer, another may do. */
        if (status == YOLK_ERROR_OUT_OF_MEMORY || status == YOLK_ERROR_DEVICE_LOST)
            failure = status;
        else if (status != YOLK_OK)
            return status;
        if (status != YOLK_OK)
            continue;
        ready = true;
        pthread_mutex_lock(&m->mutex);
        yk_session_leave(s);
        pthread_mutex_unlock(&m->mutex);
    }
    return ready || failure == YOLK_OK ? YOLK_OK : failure;
}

yolk_status yk_model_prepare_as(yk_model *m, yk_model *from)
{
    yk_session_key keys[YK_MAX_DEVICES * YK_KEPT_SESSIONS];
    int count = 0;
    pthread_mutex_lock(&from->mutex);
    for (int i = 0; i < from->replica_count; i++) {
        for (int k = 0; k < YK_KEPT_SESSIONS; k++) {
            if (from->replicas[i].kept[k])
                keys[count++] = from->replicas[i].kept[k]->key;
        }
    }
    pthread_mutex_unlock(&from->mutex);
    for (int i = 0; i < count; i++) {
        yk_session_key key = keys[i];
        key.size = yk_model_own_size(m, key.size);
        yolk_status status = yk_model_prepare(m, key);
        if (status != YOLK_OK)
            return status;
    }
    return YOLK_OK;
}

/* ---- choices ---- */

static int round_up(int64_t side, int stride)
{
    return (int)((side + stride - 1) / stride * stride);
}

yolk_size yk_model_own_size(const yk_model *m, yolk_size size)
{
    const int stride = YK_MAX(m->graph->stride, 1);
    if (!m->graph->dynamic_size)
        return (yolk_size){m->graph->input_width, m->graph->input_height};
    return (yolk_size){round_up(size.width, stride), round_up(size.height, stride)};
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
