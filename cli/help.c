/* Help and completion, from the tables of commands and options. */
#include <stdio.h>
#include <string.h>

#include "cli.h"

enum { COLUMNS = 80, TEXT_AT = 26 };

const command commands[] = {
    {CMD_DETECT, "detect", "find objects in pictures, folders and videos", "INPUT... [OPTIONS]",
     "objects of a video, one JSON line a frame\n"
     "  yolk detect street.mp4 > street.jsonl\n"
     "annotated video, with the source's sound\n"
     "  yolk detect street.mp4 --save-video street_yolk.mp4\n"
     "people and cars only, from a model file of your own\n"
     "  yolk detect street.mp4 --model runs/best.pt --classes person,car --conf 0.4\n"
     "a folder of pictures: COCO results, and annotated copies in another folder\n"
     "  yolk detect photos --save-coco photos.json --save-video annotated\n"
     "the left eye of a stereo video, every figure of the run\n"
     "  yolk detect vr.mp4 --eye left --save-jsonl vr.jsonl --stats vr_stats.json\n"
     "anything that ffmpeg reads, through a pipe\n"
     "  ffmpeg -i rtsp://camera -f yuv4mpegpipe - | yolk detect -\n",
     "INPUT is a picture, a video, a folder of them, or - for a y4m stream on standard input. Without an output option "
     "the detections go to standard output. An input that cannot be read does not stop the others. Output files that "
     "exist are replaced, inputs never. Ctrl-C ends the run with every file complete up to there; a second one kills.",
     "@files", 1, SIZE_MAX, "an input: a picture, a video, a folder, or - for a y4m stream", command_detect},
    {CMD_CONVERT, "convert", "turn a model into another file, smaller and faster, and check it",
     "MODEL|DIR [-o FILE|DIR] [OPTIONS]",
     "an ONNX file beside the checkpoint\n"
     "  yolk convert yolo26n.pt\n"
     "another input size, another place\n"
     "  yolk convert yolo26n.pt -o models/yolo26n_1280.onnx --imgsz 1280\n"
     "batch, height and width left open\n"
     "  yolk convert yolo26n.pt -o yolo26n.onnx --dynamic\n"
     "8-bit integers, calibrated and checked on pictures like those it will see\n"
     "  yolk convert yolo26n.pt -o yolo26n_int8.onnx --precision int8 --calib images\n"
     "half precision, checked against ground truth\n"
     "  yolk convert yolo26n.pt -o yolo26n_fp16.onnx --precision fp16 \\\n"
     "      --val val/images --labels val/labels\n"
     "an engine for this machine, which starts without compiling\n"
     "  yolk convert yolo26n.pt -o models/yolo26n.engine\n"
     "the same for its second GPU\n"
     "  yolk convert yolo26n.pt -o models/yolo26n.engine --device cuda:1\n"
     "a TensorRT engine for an RTX 3090, which need not be here\n"
     "  yolk convert yolo26n.pt --to tensorrt --gpu sm_86 --calib images\n"
     "every model of a folder, into another; again: only what has changed\n"
     "  yolk convert models -o models_int8 --precision int8 --calib images\n",
     "A result in fp16 or int8 is checked before it gets its name: it must find what its source finds, or lose little "
     "average precision. When it does not, there is no file and the exit status is 1. TensorRT engines are built by "
     "NVIDIA's Python package, which yolk says how to install, and can be loaded by ultralytics.",
     "@files", 1, 1, "a model file (.pt or .onnx), or a folder of them", command_convert},
    {CMD_COMPARE, "compare", "agreement and speed of two models, side by side", "A B [OPTIONS]",
     "how much faster is the second one?\n"
     "  yolk compare yolo26n.pt yolo26n_int8.onnx\n"
     "and does it still find the same?\n"
     "  yolk compare yolo26n.pt yolo26n_int8.onnx --val images\n"
     "average precision of both, and a page with charts\n"
     "  yolk compare yolo26n.pt yolov8n.pt --val val/images --labels val/labels \\\n"
     "      --report compare.html\n",
     "Both run in one process, in turn, so that whatever else the machine does disturbs both alike. The speed-up is "
     "the "
     "median of the rounds' ratios, with an interval that holds it with 95 % confidence.",
     "@files", 2, 2, "two models to compare (.pt, .onnx or .engine files, or names)", command_compare},
    {CMD_BENCH, "bench", "how fast a model is, or a video from end to end", "MODEL|VIDEO [OPTIONS]",
     "latency and throughput for batches of 1 to 16\n"
     "  yolk bench yolo26n.pt\n"
     "two input sizes, two batch sizes, a page with charts\n"
     "  yolk bench yolo26n.pt --imgsz 320,640 --batch 1,8 --report bench.html\n"
     "what loading, compiling and running take, and the largest layers\n"
     "  yolk bench yolo26n.pt --batch 1 --steps\n"
     "a video from end to end, against decoding alone and the network alone\n"
     "  yolk bench street.mp4 --model yolo26n.pt\n",
     "Times are those of whole calls: letterbox, network and boxes. FIRST is the first run against the median one. Of "
     "a "
     "video 300 frames are taken unless --max-frames says otherwise.",
     "@files", 1, 1, "a model, or a video", command_bench},
    {CMD_MODELS, "models", "list the models of a folder", "[DIR|FILE] [OPTIONS]",
     "what is in the models folder\n"
     "  yolk models\n"
     "everything about one file, for a program\n"
     "  yolk models runs/best.pt --json\n",
     NULL, "@files", 0, 1, NULL, command_models},
    {CMD_INFO, "info", "show devices, backends, versions and memory, and what is missing", "[OPTIONS]",
     "what this machine can do\n"
     "  yolk info\n"
     "the same for a program, or a bug report\n"
     "  yolk info --json\n",
     NULL, NULL, 0, 0, NULL, command_info},
    {CMD_CONFIG, "config", "show, check and save settings", "detect|show|validate|save|profiles [OPTIONS]",
     "the settings a run would have here, and one of them\n"
     "  yolk config show\n"
     "  yolk config show batch --profile prod_rtx3090\n"
     "keep settings, and use them\n"
     "  yolk config save night.json --conf 0.15 --classes person\n"
     "  yolk detect street.mp4 --config night.json\n"
     "every fault of a file at once\n"
     "  yolk config validate night.json\n"
     "the profile that suits this machine, and all there are\n"
     "  yolk config detect\n"
     "  yolk config profiles\n",
     "Settings come from, the later ones winning: defaults, profile, file (--config), YOLK_* environment variables "
     "(YOLK_CONF=0.4, YOLK_IMGSZ=384x640, ...), command line.",
     "detect show validate save profiles", 1, 2, "one of detect, show, validate, save or profiles", command_config},
    {CMD_HELP, "help", "show help about a command", "[COMMAND]", "how to find objects\n  yolk help detect\n", NULL,
     "@commands", 0, 1, NULL, command_help},
    {CMD_VERSION, "version", "print the version", "", "which yolk is this?\n  yolk version\n", NULL, NULL, 0, 0, NULL,
     command_version},
};
const size_t command_count = COUNT(commands);

/* Prints text from column `at` on, folded between words; the first line's indent is already there. */
static void print_folded(const char *text, int at)
{
    int column = at;
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (column > at && column + 1 + length > COLUMNS) {
            printf("\n%*s", at, "");
            column = at;
        }
        column += printf("%s%.*s", column > at ? " " : "", length, text);
        text += length + (text[length] == ' ');
    }
    putchar('\n');
}

static void print_option(const option *o)
{
    char left[64];
    if (o->letter)
        snprintf(left, sizeof(left), "  -%c, --%s%s%s", o->letter, o->name, o->value ? " " : "",
                 o->value ? o->value : "");
    else
        snprintf(left, sizeof(left), "  --%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
    if (strlen(left) + 2 > TEXT_AT)
        printf("%s\n%*s", left, TEXT_AT, "");
    else
        printf("%-*s", TEXT_AT, left);
    print_folded(o->help, TEXT_AT);
}

static void print_options(const command *of)
{
    static const char *const groups[] = {"Input",     "Model",  "Detections", "Calibration and check",
                                         "Measuring", "Output", "Settings",   "General"};
    for (size_t g = 0; g < COUNT(groups); g++) {
        bool any = false;
        for (int i = 0; i < OPT_COUNT; i++) {
            if (!(options[i].commands & of->id) || strcmp(options[i].group, groups[g]) != 0)
                continue;
            if (!any)
                printf("\n%s:\n", groups[g]);
            any = true;
            print_option(&options[i]);
        }
    }
}

static void print_examples(const char *text)
{
    while (*text) {
        int length = (int)strcspn(text, "\n");
        if (*text == ' ')
            printf("    %.*s\n", length - 2, text + 2);
        else
            printf("  # %.*s\n", length, text);
        text += length + 1;
    }
}

static void print_overview(void)
{
    printf("yolk finds objects in pictures and video with YOLO models.\n\n"
           "  yolk detect street.mp4 --save-video street_yolk.mp4\n\n"
           "Commands:\n");
    for (size_t i = 0; i < command_count; i++)
        printf("  %-10s%s\n", commands[i].name, commands[i].summary);
    printf("\n'yolk help COMMAND' shows examples and options of a command.\n"
           "Exit status: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C.\n");
}

int command_help(const arguments *args)
{
    if (args->input_count == 0) {
        print_overview();
        return STATUS_DONE;
    }
    const command *about = command_find(args->inputs[0]);
    if (!about) {
        const char *names[COUNT(commands)];
        for (size_t i = 0; i < command_count; i++)
            names[i] = commands[i].name;
        const char *meant = suggest(args->inputs[0], names, command_count);
        return meant ? fail_usage(NULL, "unknown command '%s'; did you mean '%s'?", args->inputs[0], meant)
                     : fail_usage(NULL, "unknown command '%s'", args->inputs[0]);
    }
    printf("yolk %s: %s\n\nExamples:\n", about->name, about->summary);
    print_examples(about->examples);
    printf("\nUsage: yolk %s%s%s\n", about->name, *about->usage ? " " : "", about->usage);
    if (about->more) {
        putchar('\n');
        print_folded(about->more, 0);
    }
    print_options(about);
    return STATUS_DONE;
}

static bool begins(const char *word, const char *beginning)
{
    return strncmp(word, beginning, strlen(beginning)) == 0;
}

static void print_words(const char *words, const char *beginning)
{
    if (words && strcmp(words, "@commands") == 0) {
        for (size_t i = 0; i < command_count; i++)
            if (begins(commands[i].name, beginning))
                puts(commands[i].name);
    } else if (words && strcmp(words, "@profiles") == 0) {
        const char *name;
        for (size_t i = 0; (name = yolk_config_profile_name(i)); i++)
            if (begins(name, beginning))
                puts(name);
    } else if (words && *words == '@') {
        puts(words); /* the shell knows its files better */
    } else {
        while (words && *words) {
            size_t length = strcspn(words, " ");
            if (begins(words, beginning) && length >= strlen(beginning))
                printf("%.*s\n", (int)length, words);
            words += length + (words[length] == ' ');
        }
    }
}

static const option *option_of(const command *of, const char *word)
{
    for (int i = 0; word[0] == '-' && i < OPT_COUNT; i++) {
        const option *o = &options[i];
        if (!(o->commands & of->id))
            continue;
        if ((word[1] == '-' && strcmp(word + 2, o->name) == 0) || (o->letter && word[1] == o->letter && !word[2]))
            return o;
    }
    return NULL;
}

int complete(int argc, char **argv)
{
    const char *last = argc > 0 ? argv[argc - 1] : "";
    if (argc < 2) {
        print_words("@commands", last);
        return STATUS_DONE;
    }
    const command *of = command_find(argv[0]);
    if (!of)
        return STATUS_DONE;
    const char *before = argv[argc - 2];
    /* Bash takes "--name=value" for three words. */
    if (strcmp(last, "=") == 0)
        before = argv[argc - 2], last = "";
    else if (strcmp(before, "=") == 0 && argc > 2)
        before = argv[argc - 3];
    const option *o = option_of(of, before);
    if (o && o->value) {
        print_words(o->words, last);
    } else if (last[0] == '-' && last[1]) {
        for (int i = 0; i < OPT_COUNT; i++)
            if ((options[i].commands & of->id) && last[1] == '-' && begins(options[i].name, last + 2))
                printf("--%s\n", options[i].name);
    } else if (of->id == CMD_CONFIG && argc > 2) {
        print_words("@files", last);
    } else {
        print_words(of->words, last);
    }
    return STATUS_DONE;
}
