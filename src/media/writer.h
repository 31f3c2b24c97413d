/*
 * Writes an annotated clip: video encoded by FFmpeg, the source's audio copied packet by packet,
 * timestamps kept. The clip grows in a partial file (file_make_partial), fragmented, so that what
 * is there plays up to the last second if the process dies; it gets its final name when whole.
 */
#ifndef VBP_MEDIA_WRITER_H
#define VBP_MEDIA_WRITER_H

#include "vbp.h"

#include <libavutil/frame.h>
#include <libavutil/rational.h>
#include <stdbool.h>
#include <stdint.h>

struct writer;

struct writer_options {
    const char *codec;  /* FFmpeg encoder name; NULL: libx264, in .webm libvpx-vp9 */
    const char *preset; /* encoder preset; NULL: the encoder's own default */
    int crf;            /* constant rate factor; -1: the encoder's own default */
    int threads;        /* 0: as many as cores */
    int width, height;  /* of every picture */
    enum AVPixelFormat format;
    AVRational time_base;  /* of the pictures' pts */
    AVRational frame_rate; /* average, a hint; 0/1 unknown */
    AVRational sample_aspect_ratio;
    enum AVColorSpace color_space;
    enum AVColorRange color_range;
    enum AVColorPrimaries color_primaries;
    enum AVColorTransferCharacteristic color_transfer;
    /*
     * The pts that becomes 0 in the file: subtracted from the pictures' and the audio's times. 0
     * keeps all times as they are; a clip from the middle wants its first picture's pts here.
     */
    int64_t origin_pts;
    const char *audio_source; /* file whose audio streams are copied; NULL: none */
    double audio_start;       /* seconds, pts * time_base of the source; <= 0: from the start */
    double audio_end;         /* < 0: to the end */
    const char *comment;      /* put into the file's metadata; NULL: none */
};

/*
 * Opens `path`; the container follows from its ending: mp4, m4v, mov, mkv or webm. Where the time
 * base fits into the container's, times are kept exactly (mkv and webm count milliseconds).
 * Pictures are encoded in their own layout where the encoder takes it, RGB and gray ones as 4:2:0.
 * H.264 and HEVC have no odd sizes with halved chroma: such pictures are encoded as 4:4:4, so that
 * no row or column is lost. A path that is a folder is refused. On failure nothing is left on disk.
 * Nothing of options is kept.
 */
int writer_open(struct writer **writer, const char *path, const struct writer_options *options,
                VbpError *error);

/*
 * Encodes the picture, whose pts must increase from call to call. It is only read, but referenced
 * until it is encoded: the caller must not draw on its buffers after this. The last picture is
 * shown for its pkt_duration, or else as long as the one before.
 */
int writer_write(struct writer *writer, const AVFrame *picture, VbpError *error);

/* Drains the encoder, completes the file and gives it its final name. Call writer_close after. */
int writer_finish(struct writer *writer, VbpError *error);

/* Frees the writer. Without a successful writer_finish before, removes what was written. */
void writer_close(struct writer **writer);

int64_t writer_frame_count(const struct writer *writer);

#endif
