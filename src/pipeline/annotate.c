#include "pipeline/annotate.h"

#include "api/model.h"
#include "base/error.h"
#include "base/memory.h"
#include "media/scale.h"

#include <math.h>

struct annotator {
    const VbpModel *model;
    enum AVPixelFormat format;
    struct frame_pool *pool;
    struct scaler *scaler;

    /* For pictures of one size; width == 0: none yet. */
    int width, height;
    VbpRectangle crop;
    struct overlay *overlay; /* NULL: nothing to overlay */
    struct hud *hud;         /* NULL: not drawn yet */
};

struct annotate_options annotate_default_options(void)
{
    return (struct annotate_options){
        .mask = true, .crop_box = true, .hud = true, .overlay = overlay_default_options()};
}

int annotator_create(struct annotator **annotator, const VbpModel *model, enum AVPixelFormat format,
                     VbpError *error)
{
    *annotator = memory_array(1, sizeof(**annotator));
    if (!*annotator)
        return error_out_of_memory(error);
    (*annotator)->model = model;
    (*annotator)->format = format;
    return VBP_OK;
}

void annotator_destroy(struct annotator **annotator)
{
    struct annotator *a = *annotator;

    if (!a)
        return;
    overlay_destroy(&a->overlay);
    hud_destroy(&a->hud);
    scaler_free(&a->scaler);
    frame_pool_free(&a->pool);
    free(a);
    *annotator = NULL;
}

struct surface picture_surface(AVFrame *picture)
{
    struct frame view = {.picture = picture};
    VbpImage image = frame_image(&view);
    static const enum surface_format formats[] = {
        [VBP_PIXEL_GRAY8] = SURFACE_GRAY,     [VBP_PIXEL_RGB24] = SURFACE_RGB24,
        [VBP_PIXEL_BGR24] = SURFACE_BGR24,    [VBP_PIXEL_YUV420P] = SURFACE_YUV420,
        [VBP_PIXEL_YUV422P] = SURFACE_YUV422, [VBP_PIXEL_YUV444P] = SURFACE_YUV444};
    struct surface surface = {.format = formats[image.format],
                              .matrix = image.matrix,
                              .full_range = image.full_range,
                              .width = image.width,
                              .height = image.height};

    for (int i = 0; i < 3; i++) {
        surface.plane[i] = picture->data[i];
        surface.stride[i] = picture->linesize[i];
    }
    return surface;
}

static int adopt_size(struct annotator *annotator, const AVFrame *picture,
                      const struct analysis *analysis, bool is_input, VbpError *error)
{
    int result = VBP_OK;

    if (annotator->width == picture->width && annotator->height == picture->height)
        return VBP_OK;
    annotator->width = 0;
    overlay_destroy(&annotator->overlay);
    hud_destroy(&annotator->hud);
    if (analysis && analysis->mask) {
        annotator->crop = (VbpRectangle){0, 0, picture->width, picture->height};
        if (!is_input)
            result = vbp_model_crop(annotator->model, picture->width, picture->height,
                                    &annotator->crop, error);
        if (result == VBP_OK)
            result =
                overlay_create(&annotator->overlay, analysis->mask_height, analysis->mask_width,
                               annotator->crop, picture->width, picture->height, error);
    }
    if (result == VBP_OK) {
        annotator->width = picture->width;
        annotator->height = picture->height;
    }
    return result;
}

/* A writable copy of the frame's picture in the annotator's format. */
static AVFrame *copy_picture(struct annotator *annotator, const AVFrame *picture, VbpError *error)
{
    enum AVPixelFormat format = annotator->format;
    AVFrame *copy;

    if (format == AV_PIX_FMT_NONE && picture->format == AV_PIX_FMT_GRAY8)
        format = AV_PIX_FMT_RGB24;
    if (format == AV_PIX_FMT_NONE || format == picture->format)
        return frame_pool_copy(&annotator->pool, picture, error);
    copy = frame_pool_take(&annotator->pool, format, picture->width, picture->height, error);
    if (!copy)
        return NULL;
    if (av_frame_copy_props(copy, picture) < 0) {
        error_out_of_memory(error);
        av_frame_free(&copy);
        return NULL;
    }
    if (format == AV_PIX_FMT_RGB24 || picture->format == AV_PIX_FMT_RGB24 ||
        picture->format == AV_PIX_FMT_BGR24 || picture->format == AV_PIX_FMT_GRAY8) {
        bool rgb = format == AV_PIX_FMT_RGB24;

        copy->colorspace = rgb ? AVCOL_SPC_RGB : AVCOL_SPC_SMPTE170M;
        copy->color_range = rgb ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    }
    if (scaler_run(&annotator->scaler, copy, picture, error) != VBP_OK)
        av_frame_free(&copy);
    return copy;
}

struct hud_values annotate_hud_values(const VbpModel *model, const struct analysed_frame *frame)
{
    struct hud_values values = {.steering = NAN,
                                .wheel_degrees = NAN,
                                .recorded_degrees = NAN,
                                .recorded = NAN,
                                .frame_number = frame->frame.number,
                                .time = frame->frame.time};

    if (frame->frame.has_recorded) {
        values.recorded = frame->frame.recorded;
        values.recorded_degrees = model_recorded_degrees(model, frame->frame.recorded);
    }
    if (frame->analysis) {
        values.steering = frame->analysis->steering;
        values.wheel_degrees = model_wheel_degrees(model, values.steering);
        values.unit = model_unit_text(model);
    }
    return values;
}

static int draw_hud(struct annotator *annotator, struct surface *surface,
                    const struct analysed_frame *frame, VbpError *error)
{
    struct hud_values values = annotate_hud_values(annotator->model, frame);

    if (!annotator->hud) {
        int result = hud_create(&annotator->hud, surface->width, surface->height, error);

        if (result != VBP_OK)
            return result;
    }
    hud_draw(annotator->hud, surface, &values);
    return VBP_OK;
}

int annotator_draw(struct annotator *annotator, const struct analysed_frame *frame,
                   const struct annotate_options *options, AVFrame **picture, VbpError *error)
{
    struct surface surface;
    int result =
        adopt_size(annotator, frame->frame.picture, frame->analysis, options->is_input, error);

    *picture = NULL;
    if (result != VBP_OK)
        return result;
    *picture = copy_picture(annotator, frame->frame.picture, error);
    if (!*picture)
        return VBP_ERROR_MEMORY;
    surface = picture_surface(*picture);
    if (annotator->overlay && frame->analysis && options->mask)
        overlay_draw(annotator->overlay, &surface, frame->analysis->mask, &options->overlay);
    if (annotator->overlay && options->crop_box)
        overlay_draw_crop(&surface, annotator->crop);
    if (options->hud)
        result = draw_hud(annotator, &surface, frame, error);
    if (result != VBP_OK)
        av_frame_free(picture);
    return result;
}
