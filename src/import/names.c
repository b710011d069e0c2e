/* Names of classes that a model file leaves out. */
#include "import/import.h"

/* Microsoft COCO's 80 classes, in the order in which detectors number them. */
static const char *const coco[] = {
    "person",         "bicycle",    "car",           "motorcycle",    "airplane",     "bus",           "train",
    "truck",          "boat",       "traffic light", "fire hydrant",  "stop sign",    "parking meter", "bench",
    "bird",           "cat",        "dog",           "horse",         "sheep",        "cow",           "elephant",
    "bear",           "zebra",      "giraffe",       "backpack",      "umbrella",     "handbag",       "tie",
    "suitcase",       "frisbee",    "skis",          "snowboard",     "sports ball",  "kite",          "baseball bat",
    "baseball glove", "skateboard", "surfboard",     "tennis racket", "bottle",       "wine glass",    "cup",
    "fork",           "knife",      "spoon",         "bowl",          "banana",       "apple",         "sandwich",
    "orange",         "broccoli",   "carrot",        "hot dog",       "pizza",        "donut",         "cake",
    "chair",          "couch",      "potted plant",  "bed",           "dining table", "toilet",        "tv",
    "laptop",         "mouse",      "remote",        "keyboard",      "cell phone",   "microwave",     "oven",
    "toaster",        "sink",       "refrigerator",  "book",          "clock",        "vase",          "scissors",
    "teddy bear",     "hair drier", "toothbrush",
};

yolk_status yk_import_fill_names(yk_graph *g)
{
    const int classes = g->head.classes;
    int missing = 0;
    for (int i = 0; i < classes; i++)
        missing += !g->class_names[i];
    const bool is_coco = missing == classes && (size_t)classes == YK_COUNT(coco);
    for (int i = 0; i < classes; i++) {
        if (!g->class_names[i])
            g->class_names[i] = is_coco ? yk_strdup(coco[i]) : yk_format("class%d", i);
        if (!g->class_names[i])
            return YOLK_ERROR_OUT_OF_MEMORY;
    }
    if (is_coco)
        yk_log(YOLK_LOG_INFO, "the model names none of its %d classes: they are taken to be COCO's", classes);
    else if (missing > 0)
        yk_log(YOLK_LOG_INFO, "%d of the model's %d classes have no name: they are called class and their number",
               missing, classes);
    return YOLK_OK;
}
