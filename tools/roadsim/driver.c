#include "driver.h"

#include <math.h>

#define STEP_MOST         (1 / 60.0) /* seconds of one step of the motion */
#define SIDE_ACCELERATION 2.8        /* m/s^2 that the driver accepts in bends */
#define BRAKING           2.0        /* m/s^2 */
#define SPEEDING_UP       1.2
#define OFFSET_MOST       1.15 /* metres: pushes end here */
#define DEVIATION_MOST    0.09 /* radians */
#define STEERING_LAG      0.12 /* seconds until the wheels follow */

double driver_look_ahead(double speed)
{
    return fmin(fmax(0.95 * speed, 8), 32);
}

double driver_wheel_degrees(double inverse_radius)
{
    return atan(inverse_radius * DRIVER_WHEELBASE) * 180 / M_PI * DRIVER_STEERING_RATIO;
}

double driver_pursue(const struct road *road, const struct driver_state *state)
{
    double x, z, right, distance2;

    road_to_world(road, state->s + driver_look_ahead(state->speed), (double)road->lane_center, &x,
                  &z);
    x -= state->x;
    z -= state->z;
    right = x * cos(state->heading) - z * sin(state->heading);
    distance2 = x * x + z * z;
    return 2 * right / distance2;
}

/* The speed that the bends ahead allow. */
static double allowed_speed(const struct road *road, double s)
{
    double allowed = road->top_speed;

    for (int i = 0; i <= 15; i++) {
        double ahead = 6 * i; /* metres */
        double curvature = fabs(road_at(road, s + ahead).curvature);
        double there = curvature > 0 ? SIDE_ACCELERATION / curvature : 1e6;

        allowed = fmin(allowed, sqrt(there + 2 * BRAKING * ahead));
    }
    return allowed;
}

/* What turns the car against the driver's will for a while. */
struct push {
    double begin, end; /* seconds */
    double curvature;
};

static struct push next_push(struct random *random, const struct driver_state *state,
                             double strength)
{
    double wait = random_between(random, 1.5, 7);
    double duration = random_between(random, 0.5, 1.4);
    double side = random_between(random, 0.7, 2.8) * strength; /* m/s^2 */
    double speed = fmax(state->speed, 8);

    return (struct push){state->time + wait, state->time + wait + duration,
                         (random_chance(random, 0.5) ? 1 : -1) * side / (speed * speed)};
}

static double push_now(const struct push *push, const struct driver_state *state)
{
    double share;

    if (state->time < push->begin || state->time > push->end)
        return 0;
    if (state->offset * push->curvature > 0 && fabs(state->offset) > OFFSET_MOST)
        return 0;
    if (state->deviation * push->curvature > 0 && fabs(state->deviation) > DEVIATION_MOST)
        return 0;
    share = (state->time - push->begin) / (push->end - push->begin);
    return push->curvature * sin(M_PI * share) * 1.5;
}

/* ---- Springs -------------------------------------------------------------------------------- */

enum { SWINGS = 5 };

/* Small swings of the body in each of pitch, roll and bounce. */
struct springs {
    double rate[3][SWINGS], phase[3][SWINGS], strength[3][SWINGS];
};

static void springs_draw(struct springs *springs, struct random *random)
{
    static const double hertz[SWINGS] = {0.31, 1.1, 1.7, 4.3, 8.9};
    static const double share[SWINGS] = {0.5, 0.5, 0.35, 0.12, 0.06};
    static const double whole[3] = {0.0028, 0.0030, 0.012}; /* radians, radians, metres */
    double roughness = random_between(random, 0.3, 1.2);

    for (int axis = 0; axis < 3; axis++) {
        for (int i = 0; i < SWINGS; i++) {
            springs->rate[axis][i] = 2 * M_PI * hertz[i] * random_between(random, 0.8, 1.25);
            springs->phase[axis][i] = random_between(random, 0, 2 * M_PI);
            springs->strength[axis][i] =
                whole[axis] * share[i] * roughness * random_between(random, 0.5, 1.4);
        }
    }
}

static double spring_at(const struct springs *springs, int axis, double time)
{
    double sum = 0;

    for (int i = 0; i < SWINGS; i++)
        sum += springs->strength[axis][i] *
               sin(springs->rate[axis][i] * time + springs->phase[axis][i]);
    return sum;
}

/* ---- Driving -------------------------------------------------------------------------------- */

static void place(const struct road *road, struct driver_state *state)
{
    struct road_point point = road_at(road, state->s);

    state->x = point.x + state->t * cos(point.heading);
    state->z = point.z - state->t * sin(point.heading);
    state->heading = point.heading + state->deviation;
    state->offset = state->t - (double)road->lane_center;
}

static void move(const struct road *road, struct driver_state *state, double curvature, double step)
{
    double bend = road_at(road, state->s).curvature;
    double along = state->speed * cos(state->deviation) / fmax(1 - bend * state->t, 0.2) * step;
    double wanted = allowed_speed(road, state->s), gain = (wanted - state->speed) * 0.8;

    state->s = fmin(state->s + along, road->length);
    state->t += state->speed * sin(state->deviation) * step;
    state->deviation += state->speed * curvature * step - bend * along;
    state->acceleration = fmin(fmax(gain, -BRAKING), SPEEDING_UP);
    state->speed = fmax(state->speed + state->acceleration * step, 2);
    state->time += step;
    place(road, state);
}

void driver_run(const struct road *road, const struct driver_options *options,
                struct driver_state *states)
{
    struct random random = random_stream(options->seed, 3);
    struct springs springs;
    struct driver_state state = {.s = options->start_s,
                                 .t = (double)road->lane_center + options->offset,
                                 .deviation = options->heading};
    int steps = (int)ceil(1 / (options->fps * STEP_MOST));
    double step = 1 / (options->fps * steps), turning;
    struct push push;

    springs_draw(&springs, &random);
    state.speed = allowed_speed(road, state.s);
    place(road, &state);
    turning = driver_pursue(road, &state);
    push = next_push(&random, &state, options->disturbance);
    for (int frame = 0; frame < options->frames; frame++) {
        state.inverse_radius = driver_pursue(road, &state);
        state.wheel_degrees = driver_wheel_degrees(state.inverse_radius);
        state.pitch = spring_at(&springs, 0, state.time) + 0.004 * state.acceleration;
        state.roll =
            spring_at(&springs, 1, state.time) - 0.004 * turning * state.speed * state.speed;
        state.bounce = spring_at(&springs, 2, state.time);
        states[frame] = state;
        for (int i = 0; i < steps; i++) {
            turning += (driver_pursue(road, &state) - turning) * fmin(step / STEERING_LAG, 1);
            if (state.time > push.end)
                push = next_push(&random, &state, options->disturbance);
            move(road, &state, turning + push_now(&push, &state), step);
        }
        state.time = (frame + 1) / options->fps;
    }
}
