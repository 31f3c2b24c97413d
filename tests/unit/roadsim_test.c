/* The drawn drives: labels follow from the geometry, pictures show it, a seed means one drive. */
#include "../../tools/roadsim/drive.h"
#include "../../tools/roadsim/record.h"
#include "../../tools/roadsim/render.h"
#include "base/file.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 160, HEIGHT = 90, PIXELS = WIDTH * HEIGHT, FRAMES = 300 };

static struct art art;

static int setup(void **state)
{
    return art_make(&art, NULL) == VBP_OK ? scratch_setup(state) : -1;
}

static int teardown(void **state)
{
    art_free(&art);
    return scratch_teardown(state);
}

/* ---- Labels --------------------------------------------------------------------------------- */

/* Drives along a road of one curvature, beginning off the lane's middle. */
static void drive_constant(double curvature, double offset, double heading, enum road_kind kind,
                           struct driver_state *states, double *lane_curvature)
{
    struct driver_options options = {.seed = 5,
                                     .fps = 30,
                                     .frames = FRAMES,
                                     .start_s = 10,
                                     .offset = offset,
                                     .heading = heading};
    struct road road;

    assert_int_equal(road_make_constant(&road, kind, 600, curvature, 5, NULL), VBP_OK);
    driver_run(&road, &options, states);
    *lane_curvature = curvature / (1 - curvature * (double)road.lane_center);
    road_free(&road);
}

static void straight_road_is_zero(void **state)
{
    struct driver_state states[FRAMES];
    double expected;

    (void)state;
    drive_constant(0, 0, 0, ROAD_COUNTRY, states, &expected);
    for (int i = 0; i < FRAMES; i++) {
        assert_true(fabs(states[i].inverse_radius) < 1e-9);
        assert_true(fabs(states[i].wheel_degrees) < 1e-6);
        assert_true(fabs(states[i].offset) < 1e-9);
    }
}

static void constant_radius_is_its_inverse(void **state)
{
    static const double radii[] = {45, -60, 150, -400, 1200};
    struct driver_state states[FRAMES];
    double expected;

    (void)state;
    for (size_t r = 0; r < sizeof(radii) / sizeof(radii[0]); r++) {
        drive_constant(1 / radii[r], 0, 0, ROAD_SUBURBAN, states, &expected);
        for (int i = 0; i < FRAMES / 3; i++)
            if (fabs(states[i].inverse_radius / expected - 1) > 0.02)
                fail_msg("radius %g, frame %d: %g instead of %g", radii[r], i,
                         states[i].inverse_radius, expected);
        /* atan(2.7 / R), 15 times. */
        assert_true(fabs(states[0].wheel_degrees -
                         atan(2.7 * states[0].inverse_radius) * 180 / M_PI * 15) < 1e-9);
    }
}

static void recovers_to_the_lane(void **state)
{
    struct driver_state states[FRAMES];
    double expected;

    (void)state;
    for (int side = -1; side <= 1; side += 2) {
        drive_constant(0, side * 0.8, 0, ROAD_COUNTRY, states, &expected);
        assert_true(states[0].offset * side > 0.79);
        assert_true(states[0].inverse_radius * side < 0);
        assert_true(fabs(states[FRAMES - 1].offset) < 0.05);

        drive_constant(0, 0, side * 0.05, ROAD_COUNTRY, states, &expected);
        assert_true(states[0].inverse_radius * side < 0);
        assert_true(fabs(states[FRAMES - 1].deviation) < 0.005);
    }
}

static void pushes_stay_within_the_lane(void **state)
{
    struct drive drive;
    struct drive_options options = {.frames = 1500, .fps = 15, .traffic = 0, .disturbance = 1};
    double widest = 0;

    (void)state;
    for (int road = 0; road < ROAD_KINDS; road++) {
        options.road = road;
        options.weather = WEATHER_OVERCAST;
        options.seed = 70 + (uint64_t)road;
        assert_int_equal(drive_make(&drive, &art, &options, NULL), VBP_OK);
        for (int i = 0; i < options.frames; i++) {
            assert_true(isfinite(drive.states[i].inverse_radius));
            widest = fmax(widest, fabs(drive.states[i].offset));
        }
        assert_true(drive.states[options.frames - 1].s + 600 < drive.scene.road.length);
        drive_free(&drive);
    }
    /* They do push, and never out of the lane. */
    if (widest < 0.4 || widest > 1.9)
        fail_msg("pushed %g m off", widest);
}

/* ---- Geometry ------------------------------------------------------------------------------- */

static uint8_t rgb[PIXELS * 3], truth[PIXELS];

/* Middle of the run of markings nearest to `expected` in a row; -1000 without one. */
static double marking_near(int row, double expected)
{
    double best = -1000;

    for (int x = 0; x < WIDTH; x++) {
        int from = x;

        while (x < WIDTH && truth[row * WIDTH + x] == TRUTH_MARKING)
            x++;
        if (x > from && fabs((from + x) / 2.0 - expected) < fabs(best - expected))
            best = (from + x) / 2.0;
    }
    return best;
}

/* A pinhole camera 1.3 m above a flat road sees a line t metres aside at z = 1.3 f / row. */
static void lines_are_where_they_belong(void **state)
{
    struct renderer *renderer;
    struct driver_state car = {.s = 50, .speed = 20};
    static struct scene scene;
    struct random random = random_stream(1, 1);
    int checked = 0;

    (void)state;
    memset(&scene, 0, sizeof(scene));
    scene.art = &art;
    scene.mount = (struct camera_mount){.height = 1.3, .forward = 1.5, .view = 1.1};
    weather_draw(&scene.weather, WEATHER_OVERCAST, &random);
    assert_int_equal(road_make_constant(&scene.road, ROAD_MOTORWAY, 900, 0, 3, NULL), VBP_OK);
    assert_int_equal(renderer_create(&renderer, WIDTH, HEIGHT, 2, NULL), VBP_OK);
    car.t = (double)scene.road.lane_center;
    road_to_world(&scene.road, car.s, car.t, &car.x, &car.z);
    for (int camera = -1; camera <= 1; camera++) {
        double side = camera * 0.7, focal = WIDTH / 2.0 / tan(0.55);

        renderer_draw(renderer, &scene, &car, side, 0, rgb, truth);
        for (int m = 0; m < scene.road.marking_count; m++) {
            const struct marking *line = &scene.road.markings[m];

            /* Solid ones of the own carriageway: the others are behind the rail. */
            if (line->gap > 0 || line->t < -0.1f)
                continue;
            for (int row = HEIGHT / 2 + 8; row < HEIGHT; row += 3) {
                double z = 1.3 * focal / (row + 0.5 - HEIGHT / 2.0);
                double x = WIDTH / 2.0 + focal * ((double)line->t - car.t - side) / z;
                /* The road is not quite flat across. */
                double ground = (double)(road_profile(&scene.road, line->t) -
                                         road_profile(&scene.road, (float)car.t));

                x = WIDTH / 2.0 + (x - WIDTH / 2.0) * 1.3 / (1.3 - ground);
                if (x < 4 || x > WIDTH - 4)
                    continue;
                if (fabs(marking_near(row, x) - x) > 1.5)
                    fail_msg("line at %g m, row %d: at %g instead of %g", (double)line->t, row,
                             marking_near(row, x), x);
                checked++;
            }
        }
    }
    assert_true(checked > 20);
    renderer_destroy(&renderer);
    road_free(&scene.road);
}

/* Right-hand curves are positive: a quarter of a circle from north ends heading east. */
static void bends_go_the_right_way(void **state)
{
    struct road road;
    double x, z;

    (void)state;
    assert_int_equal(road_make_constant(&road, ROAD_COUNTRY, 200, 1 / 100.0, 1, NULL), VBP_OK);
    road_to_world(&road, 100 * M_PI / 2, 0, &x, &z);
    assert_true(fabs(x - 100) < 0.05 && fabs(z - 100) < 0.05);
    road_to_world(&road, 100 * M_PI / 2, 2, &x, &z); /* 2 m to the right of heading east: south */
    assert_true(fabs(x - 100) < 0.05 && fabs(z - 98) < 0.05);
    road_free(&road);
}

static void textures_keep_their_mean(void **state)
{
    const struct texture *texture = &art.textures.asphalt;

    (void)state;
    for (int level = 0; level < 9; level++) {
        float footprint = (float)(1 << level), sum = 0;

        for (int i = 0; i < 1000; i++)
            sum += texture_sample(texture, (float)(i * 37 % 512), (float)(i * 91 % 512), footprint,
                                  footprint) /
                   1000;
        assert_true(fabsf(sum - 0.5f) < 0.05f);
    }
    /* Averaged over everything there is one value everywhere. */
    assert_true(fabsf(texture_sample(texture, 3, 4, 1e4f, 1e4f) -
                      texture_sample(texture, 300, 400, 1e4f, 1e4f)) < 0.01f);
}

/* ---- Pictures ------------------------------------------------------------------------------- */

static void make_drive(struct drive *drive, uint64_t seed, int weather, int road)
{
    struct drive_options options = {.seed = seed,
                                    .frames = 9,
                                    .fps = 3,
                                    .weather = weather,
                                    .road = road,
                                    .traffic = 1,
                                    .disturbance = 1};

    assert_int_equal(drive_make(drive, &art, &options, NULL), VBP_OK);
}

static void a_seed_is_a_drive(void **state)
{
    static uint8_t again[PIXELS * 3];
    struct renderer *a, *b;
    struct drive drive, same, other;
    int differences = 0;

    (void)state;
    make_drive(&drive, 41, DRIVE_ANY, DRIVE_ANY);
    make_drive(&same, 41, DRIVE_ANY, DRIVE_ANY);
    make_drive(&other, 42, DRIVE_ANY, DRIVE_ANY);
    assert_int_equal(renderer_create(&a, WIDTH, HEIGHT, 1, NULL), VBP_OK);
    assert_int_equal(renderer_create(&b, WIDTH, HEIGHT, 1, NULL), VBP_OK);
    renderer_draw(a, &drive.scene, &drive.states[4], 0, 4, rgb, truth);
    /* What was drawn before leaves nothing behind. */
    renderer_draw(b, &other.scene, &other.states[2], 0.7, 2, again, NULL);
    renderer_draw(b, &same.scene, &same.states[4], 0, 4, again, NULL);
    assert_memory_equal(rgb, again, sizeof(rgb));
    renderer_draw(b, &other.scene, &other.states[4], 0, 4, again, NULL);
    for (size_t i = 0; i < sizeof(rgb); i++)
        differences += abs(rgb[i] - again[i]) > 8;
    assert_true(differences > PIXELS / 2);
    renderer_destroy(&a);
    renderer_destroy(&b);
    drive_free(&drive);
    drive_free(&same);
    drive_free(&other);
}

static void threads_change_nothing(void **state)
{
    struct record_options options = {.width = 64,
                                     .height = 36,
                                     .samples = 1,
                                     .png = true,
                                     .side_cameras = true,
                                     .truth_in_log = true};
    static const char *const names[] = {"one", "two"};
    struct drive drive;

    (void)state;
    make_drive(&drive, 77, WEATHER_RAIN, ROAD_SUBURBAN);
    for (int i = 0; i < 2; i++) {
        options.log = scratch_path(names[i]);
        options.threads = i + 1;
        assert_int_equal(record_drive(&drive, &options, NULL), VBP_OK);
    }
    for (int frame = 0; frame < drive.frames; frame++) {
        static const char *const pictures[] = {"IMG/center_", "IMG/left_", "IMG/right_", "truth/"};

        for (int p = 0; p < 4; p++) {
            unsigned char *bytes[2];
            size_t length[2];

            for (int i = 0; i < 2; i++) {
                char name[64];

                snprintf(name, sizeof(name), "%s/%s%06d.png", names[i], pictures[p], frame);
                assert_int_equal(
                    file_read(scratch_path(name), 1 << 20, &bytes[i], &length[i], NULL), VBP_OK);
            }
            assert_int_equal(length[0], length[1]);
            assert_memory_equal(bytes[0], bytes[1], length[0]);
            free(bytes[0]);
            free(bytes[1]);
        }
    }
    drive_free(&drive);
}

/* In every weather and on every kind of road: road edges and paint are there and do not prevail. */
static void truth_is_plausible(void **state)
{
    struct renderer *renderer;

    (void)state;
    assert_int_equal(renderer_create(&renderer, WIDTH, HEIGHT, 1, NULL), VBP_OK);
    for (int road = 0; road < ROAD_KINDS; road++) {
        int count[4] = {0, 0, 0, 0}, all = 0;

        for (int weather = 0; weather < WEATHER_KINDS; weather++) {
            struct drive drive;

            make_drive(&drive, 300 + (uint64_t)(10 * road + weather), weather, road);
            for (int i = 0; i < drive.frames; i += 4) {
                renderer_draw(renderer, &drive.scene, &drive.states[i], 0, i, rgb, truth);
                for (int p = 0; p < PIXELS; p++)
                    count[truth[p]]++;
                all += PIXELS;
            }
            drive_free(&drive);
        }
        if (count[TRUTH_MARKING] < all / 1000 || count[TRUTH_MARKING] > all / 10)
            fail_msg("%s: %d of %d pixels are paint", road_names[road], count[TRUTH_MARKING], all);
        if (count[TRUTH_EDGE] < all / 1000 || count[TRUTH_EDGE] > all / 10)
            fail_msg("%s: %d of %d pixels are edges", road_names[road], count[TRUTH_EDGE], all);
        if (count[TRUTH_VEHICLE] < all / 10000 || count[TRUTH_VEHICLE] > all / 5)
            fail_msg("%s: %d of %d pixels are vehicles", road_names[road], count[TRUTH_VEHICLE],
                     all);
    }
    renderer_destroy(&renderer);
}

/* Paint is brighter than what is four pixels beside it: truth and picture are the same place. */
static void paint_is_bright(void **state)
{
    struct renderer *renderer;

    (void)state;
    assert_int_equal(renderer_create(&renderer, WIDTH, HEIGHT, 1, NULL), VBP_OK);
    for (int weather = 0; weather < WEATHER_KINDS; weather++) {
        double paint = 0, beside = 0;
        struct drive drive;
        int count = 0;

        make_drive(&drive, 500 + (uint64_t)weather, weather, ROAD_MOTORWAY);
        for (int i = 0; i < drive.frames; i += 2) {
            renderer_draw(renderer, &drive.scene, &drive.states[i], 0, i, rgb, truth);
            for (int y = HEIGHT * 2 / 3; y < HEIGHT; y++) {
                for (int x = 8; x < WIDTH - 8; x++) {
                    int at = y * WIDTH + x;

                    if (truth[at] != TRUTH_MARKING || truth[at - 8] != TRUTH_REST ||
                        truth[at + 8] != TRUTH_REST)
                        continue;
                    paint += rgb[3 * at + 1];
                    beside += (rgb[3 * (at - 8) + 1] + rgb[3 * (at + 8) + 1]) / 2.0;
                    count++;
                }
            }
        }
        assert_true(count > 50);
        if (paint / count < beside / count + 8)
            fail_msg("%s: paint %g, road %g", weather_names[weather], paint / count,
                     beside / count);
        drive_free(&drive);
    }
    renderer_destroy(&renderer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(straight_road_is_zero),
        cmocka_unit_test(constant_radius_is_its_inverse),
        cmocka_unit_test(recovers_to_the_lane),
        cmocka_unit_test(pushes_stay_within_the_lane),
        cmocka_unit_test(lines_are_where_they_belong),
        cmocka_unit_test(bends_go_the_right_way),
        cmocka_unit_test(textures_keep_their_mean),
        cmocka_unit_test(a_seed_is_a_drive),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(truth_is_plausible),
        cmocka_unit_test(paint_is_bright),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
