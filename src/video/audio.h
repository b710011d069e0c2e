/* Audio streams of one file copied, as they are, into another beside its new video. */
#ifndef YK_AUDIO_H
#define YK_AUDIO_H

#include "video/ffmpeg.h"

typedef struct yk_audio yk_audio;

/* Adds a stream to `out` for each audio stream of `path` that its format can hold. `*audio` is NULL when there is
 * none. */
yolk_status yk_audio_open(const char *path, AVFormatContext *out, yk_audio **audio);
/* Writes what is heard before `until` seconds of the video. NULL is allowed. Returns 0 or FFmpeg's error of writing;
 * audio that cannot be read on just ends. */
int yk_audio_write(yk_audio *audio, AVFormatContext *out, double until);
void yk_audio_close(yk_audio **audio); /* &NULL allowed */

#endif
