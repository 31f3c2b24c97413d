/* Reads single pictures, many of them: what source gives for the same file, without opening one. */
#ifndef VBP_MEDIA_IMAGE_READER_H
#define VBP_MEDIA_IMAGE_READER_H

#include "media/frame.h"

/*
 * Decodes the picture in a file on the calling thread alone; any thread may. JPEG and PNG go
 * straight to the decoder, other files through source_open. Pictures that are damaged or cut off
 * are refused. frame->picture is the caller's, to be released by frame_release; on failure *frame
 * is zeroed and the message names the path.
 */
int image_read(const char *path, struct frame *frame, VbpError *error);

#endif
