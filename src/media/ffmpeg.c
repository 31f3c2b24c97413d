#include "media/ffmpeg.h"

#include <libavutil/error.h>
#include <libavutil/log.h>
#include <stdarg.h>
#include <stdio.h>

void media_quiet_ffmpeg(void)
{
    av_log_set_level(AV_LOG_QUIET);
}

static VbpStatus status_of(int code)
{
    switch (code) {
    case AVERROR(ENOMEM):
        return VBP_ERROR_MEMORY;
    case AVERROR(EINVAL):
        return VBP_ERROR_ARGUMENT;
    case AVERROR_EXIT:
        return VBP_ERROR_CANCELLED;
    case AVERROR_INVALIDDATA:
        return VBP_ERROR_FORMAT;
    case AVERROR(ENOSYS):
    case AVERROR_PATCHWELCOME:
    case AVERROR_DECODER_NOT_FOUND:
    case AVERROR_DEMUXER_NOT_FOUND:
    case AVERROR_ENCODER_NOT_FOUND:
    case AVERROR_MUXER_NOT_FOUND:
    case AVERROR_PROTOCOL_NOT_FOUND:
        return VBP_ERROR_UNSUPPORTED;
    default:
        return VBP_ERROR_IO;
    }
}

int ffmpeg_error(VbpError *error, int code, const char *format, ...)
{
    char text[sizeof(error->message)], reason[AV_ERROR_MAX_STRING_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (av_strerror(code, reason, sizeof(reason)) < 0)
        snprintf(reason, sizeof(reason), "error %d", code);
    return error_set(error, status_of(code), "%s: %s", text, reason);
}
