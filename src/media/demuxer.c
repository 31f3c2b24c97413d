#include "media/demuxer.h"

#include "base/memory.h"
#include "media/ffmpeg.h"

#include <errno.h>
#include <libavutil/time.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* A stream that gives nothing for this long has stalled. */
#define STALL_SECONDS 20

/* Unreadable places in a row after which a file counts as ended. */
#define MAX_REFUSED 256

static int interrupt_callback(void *opaque)
{
    struct interrupt *interrupt = opaque;
    int64_t limit = atomic_load(&interrupt->limit);

    if (limit != 0 && av_gettime_relative() > limit) {
        atomic_store(&interrupt->stalled, true);
        return 1;
    }
    return atomic_load(&interrupt->requested);
}

static void begin_wait(struct interrupt *interrupt)
{
    if (interrupt)
        atomic_store(&interrupt->limit, av_gettime_relative() + STALL_SECONDS * INT64_C(1000000));
}

static void end_wait(struct interrupt *interrupt)
{
    if (interrupt)
        atomic_store(&interrupt->limit, 0);
}

/* What an FFmpeg call that waited for data says, where the reason may be the interrupt. */
static int wait_error(const struct demuxer *demuxer, int code, const char *name, const char *what,
                      VbpError *error)
{
    if (demuxer->interrupt && atomic_load(&demuxer->interrupt->requested))
        return error_set(error, VBP_ERROR_CANCELLED, "%s: interrupted", name);
    if (demuxer->interrupt && atomic_load(&demuxer->interrupt->stalled))
        return error_set(error, VBP_ERROR_IO, "%s: no data for %d seconds", name, STALL_SECONDS);
    if (code == AVERROR_INVALIDDATA || code == AVERROR_EOF)
        return error_set(error, VBP_ERROR_FORMAT,
                         "%s: not a video or a picture, or too damaged to read", name);
    return ffmpeg_error(error, code, "%s: %s", name, what);
}

static bool is_url(const char *name)
{
    const char *protocol = avio_find_protocol_name(name);

    return protocol && strcmp(protocol, "file") != 0;
}

/* Formats that "recognise" plain text, and draw its letters. */
static bool is_text(const AVInputFormat *format)
{
    static const char *const names[] = {"tty", "bin", "xbin", "adf", "idf"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(format->name, names[i]) == 0)
            return true;
    }
    return false;
}

/*
 * What reads the opened file: NULL where nothing does. The name is only a hint, for formats that
 * begin without a mark.
 */
static const AVInputFormat *recognise(AVIOContext *file, const char *name)
{
    const char *dot = strrchr(name, '.');
    const AVInputFormat *format = NULL, *picture = NULL;

    /* One JPEG after the other looks like one JPEG. */
    if (dot && (strcasecmp(dot, ".mjpeg") == 0 || strcasecmp(dot, ".mjpg") == 0))
        return av_find_input_format("mjpeg");
    if (av_probe_input_buffer2(file, &format, name, NULL, 0, 0) < 0)
        return NULL;
    if (strcmp(format->name, "image2") != 0)
        return format;
    /* That is the ending alone, and "%d" in a name would mean a series; what does it hold? */
    return av_probe_input_buffer2(file, &picture, "", NULL, 0, 0) < 0 ? format : picture;
}

static int open_file(struct demuxer *demuxer, const char *name, const AVIOInterruptCB *callback,
                     VbpError *error)
{
    /* The prefix keeps FFmpeg from taking "12:30.mp4" for a protocol named 12. */
    char *url = memory_format("file:%s", name);
    int code;

    if (!url)
        return error_out_of_memory(error);
    code = avio_open2(&demuxer->file, url, AVIO_FLAG_READ, callback, NULL);
    free(url);
    return code < 0 ? ffmpeg_error(error, code, "%s", name) : VBP_OK;
}

int demuxer_open(struct demuxer *demuxer, const char *name, struct interrupt *interrupt,
                 VbpError *error)
{
    AVIOInterruptCB callback = {interrupt ? interrupt_callback : NULL, interrupt};
    const AVInputFormat *input_format = NULL;
    AVDictionary *settings = NULL;
    struct stat status;
    int result, code;

    *demuxer = (struct demuxer){.interrupt = interrupt};
    if (stat(name, &status) != 0) {
        if (!is_url(name))
            return error_set(error, VBP_ERROR_IO, "%s: %s", name, strerror(errno));
        status.st_mode = 0;
    }
    if (S_ISDIR(status.st_mode))
        return error_set(error, VBP_ERROR_IO, "%s: is a folder", name);
    demuxer->format = avformat_alloc_context();
    if (!demuxer->format) {
        result = error_out_of_memory(error);
        goto failed;
    }
    demuxer->format->interrupt_callback = callback;
    if (S_ISREG(status.st_mode)) {
        if (status.st_size == 0) {
            result = error_set(error, VBP_ERROR_FORMAT, "%s: the file is empty", name);
            goto failed;
        }
        result = open_file(demuxer, name, &callback, error);
        if (result != VBP_OK)
            goto failed;
        demuxer->format->pb = demuxer->file;
        input_format = recognise(demuxer->file, name);
        if (!input_format) {
            result = error_set(error, VBP_ERROR_FORMAT, "%s: not a video or a picture", name);
            goto failed;
        }
        av_dict_set(&settings, "pattern_type", "none", 0); /* image2: the name is one file's */
    }
    begin_wait(interrupt);
    code = avformat_open_input(&demuxer->format, name, input_format, &settings);
    av_dict_free(&settings);
    if (code < 0) {
        result = wait_error(demuxer, code, name, "cannot open it", error);
        goto failed;
    }
    if (is_text(demuxer->format->iformat)) {
        result = error_set(error, VBP_ERROR_FORMAT, "%s: text, not a video or a picture", name);
        goto failed;
    }
    code = avformat_find_stream_info(demuxer->format, NULL);
    if (code < 0) {
        result = wait_error(demuxer, code, name, "cannot read its streams", error);
        goto failed;
    }
    result = demuxer_check_interrupt(demuxer, error);
    if (result != VBP_OK)
        goto failed;
    end_wait(interrupt);
    return VBP_OK;
failed:
    end_wait(interrupt);
    demuxer_close(demuxer);
    return result;
}

void demuxer_close(struct demuxer *demuxer)
{
    if (demuxer->format && !demuxer->format->iformat) /* allocated, never opened */
        avformat_free_context(demuxer->format);
    else
        avformat_close_input(&demuxer->format);
    demuxer->format = NULL;
    avio_closep(&demuxer->file);
}

bool demuxer_seekable(const struct demuxer *demuxer)
{
    const AVFormatContext *format = demuxer->format;

    return format->pb && format->pb->seekable & AVIO_SEEKABLE_NORMAL &&
           !(format->ctx_flags & AVFMTCTX_UNSEEKABLE);
}

bool demuxer_is_image(const struct demuxer *demuxer)
{
    const char *name = demuxer->format->iformat->name;
    size_t length = strlen(name);

    return (length > 5 && strcmp(name + length - 5, "_pipe") == 0) || strcmp(name, "ico") == 0 ||
           strcmp(name, "image2") == 0;
}

int demuxer_read(struct demuxer *demuxer, AVPacket *packet, VbpError *error)
{
    int code;

    begin_wait(demuxer->interrupt);
    code = av_read_frame(demuxer->format, packet);
    end_wait(demuxer->interrupt);
    if (code >= 0) {
        demuxer->refused = 0;
        return DEMUXER_PACKET;
    }
    if (code == AVERROR_EOF)
        return demuxer_check_interrupt(demuxer, error) == VBP_OK ? DEMUXER_END
                                                                 : VBP_ERROR_CANCELLED;
    if (code == AVERROR_INVALIDDATA)
        return ++demuxer->refused < MAX_REFUSED ? DEMUXER_DAMAGED : DEMUXER_END;
    return wait_error(demuxer, code, demuxer->format->url, "cannot read on", error);
}

int demuxer_check_interrupt(const struct demuxer *demuxer, VbpError *error)
{
    if (demuxer->interrupt && atomic_load(&demuxer->interrupt->requested))
        return error_set(error, VBP_ERROR_CANCELLED, "%s: interrupted",
                         demuxer->format ? demuxer->format->url : "opening");
    return VBP_OK;
}

void demuxer_select(struct demuxer *demuxer, int stream)
{
    for (unsigned i = 0; i < demuxer->format->nb_streams; i++)
        demuxer->format->streams[i]->discard = (int)i == stream ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
}
