/* Draws what the network said into a copy of the frame: the same for window, export and pictures.
 */
#ifndef VBP_PIPELINE_ANNOTATE_H
#define VBP_PIPELINE_ANNOTATE_H

#include "draw/gauge.h"
#include "draw/overlay.h"
#include "draw/surface.h"
#include "pipeline/pipeline.h"

struct annotator;

struct annotate_options {
    bool mask;
    bool crop_box;
    bool hud;      /* wheel, steering value, frame number and time */
    bool is_input; /* the picture is the network's input itself: the card's crop is done */
    struct overlay_options overlay;
};

/* Everything on, the overlay's defaults. */
struct annotate_options annotate_default_options(void);

/*
 * format: what the drawn pictures shall be; AV_PIX_FMT_NONE: as the frames are, but RGB24 for gray
 * ones, which cannot show a colour. model (NULL: none) must outlive the annotator.
 */
int annotator_create(struct annotator **annotator, const VbpModel *model, enum AVPixelFormat format,
                     VbpError *error);
void annotator_destroy(struct annotator **annotator);

/*
 * *picture is a drawn-on copy with the frame's timestamps, the caller's, to be freed by
 * av_frame_free. The frame is only read. On failure *picture is NULL.
 */
int annotator_draw(struct annotator *annotator, const struct analysed_frame *frame,
                   const struct annotate_options *options, AVFrame **picture, VbpError *error);

/* What the display shows of a frame; model is what analysed it. */
struct hud_values annotate_hud_values(const VbpModel *model, const struct analysed_frame *frame);

/* A surface over the picture's pixels, to draw on. The picture must be writable. */
struct surface picture_surface(AVFrame *picture);

#endif
