/* The drawn road and its network as files, in the test's scratch folder. */
#ifndef VBP_TESTS_SUPPORT_LANE_FILES_H
#define VBP_TESTS_SUPPORT_LANE_FILES_H

#define LANE_CLIP_WIDTH  320
#define LANE_CLIP_HEIGHT 180
#define LANE_CLIP_FRAMES 45

/* The paths. */
struct lane_files {
    char model[256]; /* lane.onnx, with lane.card.json beside it */
    char card[256];
    char picture[256]; /* road.png, 640 x 360 */
    char clip[256];    /* road.mp4, LANE_CLIP_... at 30 frames a second, H.264 */
};

/* Writes all of them into an existing folder; a clip of so many frames. Aborts if it cannot. */
void lane_files_write(struct lane_files *files, const char *folder, int width, int height,
                      int frames);

/* cmocka group fixtures: scratch_setup and the files; *state is the struct lane_files. */
int lane_files_setup(void **state);
int lane_files_teardown(void **state);

#endif
