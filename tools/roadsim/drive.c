#include "drive.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

#define START_S   30.0  /* metres: where the drive begins */
#define ROAD_LEFT 760.0 /* metres of road beyond its end, to be seen */

int art_make(struct art *art, VbpError *error)
{
    int result;

    memset(art, 0, sizeof(*art));
    result = texture_set_make(&art->textures, error);
    if (result == VBP_OK)
        result = sprite_set_make(&art->sprites, error);
    if (result != VBP_OK)
        art_free(art);
    return result;
}

void art_free(struct art *art)
{
    texture_set_free(&art->textures);
    sprite_set_free(&art->sprites);
}

static enum weather_kind draw_weather(struct random *random)
{
    static const double shares[WEATHER_KINDS] = {0.42, 0.18, 0.1, 0.12, 0.11, 0.07};
    double left = random_between(random, 0, 1);
    int kind = 0;

    while (kind < WEATHER_KINDS - 1 && left >= shares[kind])
        left -= shares[kind++];
    return (enum weather_kind)kind;
}

static void draw_mount(struct camera_mount *mount, struct random *random)
{
    const double degree = M_PI / 180;

    mount->height = random_between(random, 1.2, 1.5);
    mount->forward = random_between(random, 1.3, 1.8);
    mount->pitch = random_between(random, -4.5, -1.5) * degree;
    mount->yaw = random_between(random, -0.4, 0.4) * degree;
    mount->roll = random_between(random, -0.6, 0.6) * degree;
    mount->view = random_between(random, 58, 66) * degree;
}

int drive_make(struct drive *drive, const struct art *art, const struct drive_options *options,
               VbpError *error)
{
    struct random random = random_stream(options->seed, 0);
    struct scene *scene = &drive->scene;
    struct driver_options driver = {.seed = options->seed,
                                    .fps = options->fps,
                                    .frames = options->frames,
                                    .start_s = START_S,
                                    .disturbance = options->disturbance};
    struct scenery_options scenery = {
        .seed = options->seed, .traffic = options->traffic, .start_s = START_S};
    enum road_kind kind = (enum road_kind)random_below(&random, ROAD_KINDS);
    enum weather_kind weather = draw_weather(&random);
    double fastest;
    int result;

    memset(drive, 0, sizeof(*drive));
    scene->art = art;
    scene->seed = options->seed;
    scene->side_cameras = 0.7;
    drive->frames = options->frames;
    drive->fps = options->fps;
    if (options->road != DRIVE_ANY)
        kind = (enum road_kind)options->road;
    if (options->weather != DRIVE_ANY)
        weather = (enum weather_kind)options->weather;
    draw_mount(&scene->mount, &random);
    driver.offset = random_between(&random, -0.5, 0.5) * fmin(options->disturbance, 1);
    driver.heading = random_between(&random, -0.02, 0.02) * fmin(options->disturbance, 1);
    weather_draw(&scene->weather, weather, &random);
    ridges_draw(scene);
    scenery.duration = options->frames / options->fps;
    fastest = kind == ROAD_MOTORWAY ? 35 : kind == ROAD_COUNTRY ? 26 : 16;
    result = road_make(&scene->road, kind, START_S + fastest * scenery.duration + ROAD_LEFT,
                       options->seed, error);
    if (result != VBP_OK)
        goto done;
    drive->states = memory_array((size_t)options->frames, sizeof(*drive->states));
    if (!drive->states) {
        result = error_out_of_memory(error);
        goto done;
    }
    driver_run(&scene->road, &driver, drive->states);
    scenery.speed = (drive->states[options->frames - 1].s - START_S) /
                    fmax(drive->states[options->frames - 1].time, 1 / options->fps);
    scenery.speed = fmax(scenery.speed, 5);
    result = scenery_make(&scene->scenery, &scene->road, &scene->weather, &scenery, error);
done:
    if (result != VBP_OK)
        drive_free(drive);
    return result;
}

void drive_free(struct drive *drive)
{
    road_free(&drive->scene.road);
    scenery_free(&drive->scene.scenery);
    free(drive->states);
    memset(drive, 0, sizeof(*drive));
}
