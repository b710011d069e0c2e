/* yolk info: what this machine offers, and what is missing. */
#include <libavcodec/avcodec.h>
#include <libavutil/avutil.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* Facts of the system that yolk's interface has no call for. */
typedef struct machine {
    long cores;
    unsigned long long memory_total, memory_available; /* bytes; 0 when unknown */
    char gpu_driver[64];                               /* "" when there is none */
} machine;

static unsigned long long memory_line(const char *name)
{
    unsigned long long kib = 0;
    char line[256];
    FILE *file = fopen("/proc/meminfo", "r");
    if (!file)
        return 0;
    while (fgets(line, sizeof(line), file))
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            kib = strtoull(line + strlen(name) + 1, NULL, 10);
            break;
        }
    fclose(file);
    return kib * 1024;
}

static void look_at_machine(machine *m)
{
    FILE *file = fopen("/sys/module/nvidia/version", "r");
    m->cores = sysconf(_SC_NPROCESSORS_ONLN);
    m->memory_total = memory_line("MemTotal");
    m->memory_available = memory_line("MemAvailable");
    m->gpu_driver[0] = 0;
    if (file && fgets(m->gpu_driver, sizeof(m->gpu_driver), file))
        m->gpu_driver[strcspn(m->gpu_driver, "\n")] = 0;
    if (file)
        fclose(file);
}

/* Encoder of annotated video: libx264 where FFmpeg has it, or another of H.264. */
static const char *h264_encoder(void)
{
    const AVCodec *best = avcodec_find_encoder_by_name("libx264");
    best = best ? best : avcodec_find_encoder(AV_CODEC_ID_H264);
    return best ? best->name : "";
}

static const struct {
    const char *name;
    enum AVCodecID id;
} codecs[] = {
    {"h264", AV_CODEC_ID_H264}, {"hevc", AV_CODEC_ID_HEVC},   {"av1", AV_CODEC_ID_AV1},
    {"vp9", AV_CODEC_ID_VP9},   {"mpeg4", AV_CODEC_ID_MPEG4},
};

static int print_json(const yolk_config *config, const machine *m)
{
    json_t *backends = json_array(), *decoders = json_object();
    yolk_backend_info b;
    for (size_t i = 0; i < COUNT(codecs); i++)
        json_object_set_new(decoders, codecs[i].name, json_boolean(avcodec_find_decoder(codecs[i].id) != NULL));
    for (size_t i = 0; yolk_backend_get(i, &b) == YOLK_OK; i++)
        json_array_append_new(backends, json_pack("{s:s, s:s, s:b, s:s, s:s, s:s}", "name", b.name, "description",
                                                  b.description, "available", b.available, "version", b.version,
                                                  "device", b.device, "reason", b.reason));
    return write_json(json_pack("{s:s, s:{s:s, s:s, s:o}, s:o, s:I, s:{s:I, s:I}, s:s, s:s, s:s, s:o}", "yolk",
                                yolk_version(), "ffmpeg", "version", av_version_info(), "h264_encoder", h264_encoder(),
                                "decoders", decoders, "backends", backends, "cores", (json_int_t)m->cores, "memory",
                                "total_bytes", (json_int_t)m->memory_total, "available_bytes",
                                (json_int_t)m->memory_available, "nvidia_driver", m->gpu_driver, "profile",
                                config->profile, "detected_profile", yolk_config_detect(), "models_dir",
                                json_text(config->models_dir)),
                      "-");
}

static void print_backends(void)
{
    yolk_backend_info b;
    printf("\nbackends\n");
    for (size_t i = 0; yolk_backend_get(i, &b) == YOLK_OK; i++) {
        printf("  %-12s%s", b.name, b.available ? "available" : "not available");
        if (*b.version)
            printf(", version %s", b.version);
        printf(": %s\n", b.available ? b.description : b.reason);
        if (b.available && *b.device)
            printf("  %-12son %s\n", "", b.device);
    }
}

static void print_ffmpeg(void)
{
    const char *encoder = h264_encoder();
    printf("\nFFmpeg %s\n  decodes     ", av_version_info());
    for (size_t i = 0; i < COUNT(codecs); i++)
        if (avcodec_find_decoder(codecs[i].id))
            printf("%s ", codecs[i].name);
    printf("\n  encodes     %s\n",
           *encoder ? encoder : "no H.264, so that --save-video does not work: install an FFmpeg with libx264");
}

static int print_text(const yolk_config *config, const machine *m)
{
    char total[32], available[32];
    format_bytes(total, sizeof(total), m->memory_total);
    format_bytes(available, sizeof(available), m->memory_available);
    printf("yolk %s\n\n", yolk_version());
    printf("processor     %ld cores\n", m->cores);
    if (m->memory_total)
        printf("memory        %s, %s available\n", total, available);
    if (*m->gpu_driver)
        printf("NVIDIA GPU    driver %s\n", m->gpu_driver);
    else
        printf("NVIDIA GPU    none, or its driver is not loaded\n");
    printf("profile       %s%s\n", config->profile,
           strcmp(config->profile, yolk_config_detect()) == 0 ? " (suits this machine)" : "");
    printf("models        %s%s\n", config->models_dir,
           path_is_folder(config->models_dir) ? "" : " (there is no such folder; set one with --models)");
    print_backends();
    print_ffmpeg();
    return STATUS_DONE;
}

int command_info(const arguments *args)
{
    yolk_config config;
    machine m;
    int status = arguments_settings(args, &config);
    if (status != STATUS_DONE)
        return status;
    look_at_machine(&m);
    return args->values[OPT_JSON] ? print_json(&config, &m) : print_text(&config, &m);
}
