/* A video being read: shared by reader.c (opening) and decode.c (frames). */
#ifndef YK_READER_H
#define YK_READER_H

#include "video/ffmpeg.h"
#include "video/video.h"

/* ---- stream.c ---- */

bool yk_interrupt_raised(const yk_interrupt *interrupt); /* false for NULL */
/* `path` NULL: standard input. `interrupt` may be NULL and must outlive the stream. */
yolk_status yk_stream_open(const char *path, const yk_interrupt *interrupt, AVIOContext **out);
void yk_stream_close(AVIOContext **io); /* &NULL allowed */

typedef enum yk_reading {
    YK_READING,  /* packets to come */
    YK_DRAINING, /* no more packets, the decoder still has frames */
    YK_ENDED
} yk_reading;

struct yolk_video {
    char *name; /* for sentences: the path, or "standard input" */
    yk_interrupt *interrupt;
    AVIOContext *input; /* standard input or a pipe, else NULL */
    AVFormatContext *format;
    AVStream *stream;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    yk_orientation orientation;
    yolk_video_info info;

    /* decode.c */
    yk_reading state;
    yk_scaler scaler;
    yk_frame_pool converted, turned;
    int64_t next_index;
    int64_t start;     /* time stamp of the video's beginning, or AV_NOPTS_VALUE */
    double last_time;  /* of the frame given last */
    double jump;       /* seconds added to make up for time stamps that went back */
    int64_t packets;   /* of the video stream, read so far */
    int64_t end;       /* microseconds: where the last packet that counts ends */
    int64_t declared;  /* microseconds: where the container says that it ends, or AV_NOPTS_VALUE */
    bool declared_all; /* `declared` is about all streams, not the video alone */
    bool declared_end; /* it is an end and no length: counted from the container's beginning */
    int64_t position;  /* in the file after the last packet */
    bool partial;      /* the last packet was cut */
    int read_error;    /* of FFmpeg, or 0 */
    int64_t bad_packets;
    double bad_time;                          /* of the first bad packet */
    char bad_words[AV_ERROR_MAX_STRING_SIZE]; /* what was wrong with it, until that is logged */
};

#endif
