/* Hardware profiles, and which one suits this machine.
 *
 * A profile changes speed, memory and what is reported, never what is found. */
#include <string.h>
#include <unistd.h>

#include "base/machine.h"
#include "config/fields.h"

typedef struct setting {
    const char *field, *value;
} setting;

typedef struct profile {
    const char *name, *description;
    setting settings[12]; /* ends with a field that is NULL */
} profile;

static const profile profiles[] = {
    {"dev_pi",
     "Raspberry Pi and other small boards: one frame at a time on the processor, short queues, at most 1 GiB.",
     {{"device", "cpu"},
      {"batch", "1"},
      {"streams", "1"},
      {"warmup", "1"},
      {"queue", "3"},
      {"memory_limit_mb", "1024"},
      {"resolutions", "1920x1080:1:0.5,3840x2160:1:0.25"}}},
    {"prod_rtx3090",
     "Workstation or server with an NVIDIA GPU of 24 GB: large batches, long queues, thorough warm-up.",
     {{"device", "auto"},
      {"batch", "0"},
      {"warmup", "10"},
      {"queue", "32"},
      {"resolutions", "1920x1080:8:1,3840x2160:4:0.75,7680x4320:2:0.5"}}},
    {"debug",
     "One thing at a time and everything in the log, to follow what happens: one thread, no warm-up.",
     {{"device", "cpu"},
      {"batch", "1"},
      {"threads", "1"},
      {"streams", "1"},
      {"warmup", "0"},
      {"queue", "1"},
      {"log_level", "debug"}}},
    {"auto", "The profile that suits this machine, or the defaults when none does.", {{NULL, NULL}}},
};

size_t yolk_config_profile_count(void)
{
    return YK_COUNT(profiles);
}

const char *yolk_config_profile_name(size_t index)
{
    return index < YK_COUNT(profiles) ? profiles[index].name : NULL;
}

const char *yolk_config_profile_description(size_t index)
{
    return index < YK_COUNT(profiles) ? profiles[index].description : NULL;
}

static const profile *find(const char *name)
{
    for (size_t i = 0; i < YK_COUNT(profiles); i++) {
        if (strcmp(profiles[i].name, name) == 0)
            return &profiles[i];
    }
    return NULL;
}

bool yk_profile_exists(const char *name)
{
    return find(name) != NULL;
}

const char *yk_profile_nearest(const char *name)
{
    const char *names[YK_COUNT(profiles)];
    for (size_t i = 0; i < YK_COUNT(profiles); i++)
        names[i] = profiles[i].name;
    return yk_nearest(name, names, YK_COUNT(profiles));
}

const char *yk_profile_choose(bool nvidia, bool arm, const char *board, uint64_t memory)
{
    const uint64_t gib = (uint64_t)1 << 30;
    if (nvidia)
        return "prod_rtx3090";
    if (strncmp(board, "Raspberry Pi", 12) == 0 || (memory > 0 && memory <= (arm ? 8 : 2) * gib))
        return "dev_pi";
    return "auto";
}

const char *yolk_config_detect(void)
{
#if defined(__aarch64__) || defined(__arm__)
    const bool arm = true;
#else
    const bool arm = false;
#endif
    /* What the driver leaves on Linux, and on Linux inside Windows. */
    static const char *const traces[] = {"/proc/driver/nvidia/version", "/dev/nvidiactl",
                                         "/usr/lib/wsl/lib/libcuda.so.1"};
    bool nvidia = false;
    for (size_t i = 0; i < YK_COUNT(traces) && !nvidia; i++)
        nvidia = access(traces[i], F_OK) == 0;
    return yk_profile_choose(nvidia, arm, yk_board_name(), yk_memory_total());
}

yolk_status yolk_config_apply_profile(yolk_config *config, const char *name)
{
    const profile *p = find(name);
    if (!p) {
        const char *nearest = yk_profile_nearest(name);
        return yk_fail(YOLK_ERROR_NOT_FOUND,
                       "there is no profile '%s'%s%s%s; there are dev_pi, prod_rtx3090, debug and auto", name,
                       nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    }
    if (strcmp(name, "auto") == 0)
        p = find(yolk_config_detect());
    yolk_config changed = *config;
    yolk_status status = yolk_config_set(&changed, "profile", p->name);
    for (const setting *s = p->settings; s->field && status == YOLK_OK; s++)
        status = yolk_config_set(&changed, s->field, s->value);
    if (status == YOLK_OK)
        *config = changed;
    return status;
}
