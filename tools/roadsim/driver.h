/* The driver: where the car is in every frame and how it is steered there. */
#ifndef ROADSIM_DRIVER_H
#define ROADSIM_DRIVER_H

#include "road.h"

#define DRIVER_WHEELBASE      2.7 /* metres */
#define DRIVER_STEERING_RATIO 15.0
#define DRIVER_FULL_LOCK      180.0 /* degrees of the wheel that a log calls 1 */

struct driver_options {
    uint64_t seed;
    double fps;
    int frames;
    double start_s;
    double disturbance; /* strength of what pushes the car off its line; 0: nothing does */
    double offset;      /* metres right of the lane's middle at the start */
    double heading;     /* radians to the right of the road at the start */
};

/* The car in one frame. */
struct driver_state {
    double time;
    double s, t;      /* of the rear axle's middle, on the road */
    double x, z;      /* the same in the world */
    double heading;   /* in the world */
    double offset;    /* metres right of the lane's middle */
    double deviation; /* radians to the right of the lane's direction */
    double speed;     /* m/s */
    double acceleration;
    double inverse_radius; /* what is steered: 1/m, positive to the right */
    double wheel_degrees;
    double pitch, roll, bounce; /* of the body, on its springs: radians up, radians clockwise, m */
};

/* How far ahead the driver aims, metres. */
double driver_look_ahead(double speed);

/* The curvature of the circle that leads from the car's place to the lane ahead. */
double driver_pursue(const struct road *road, const struct driver_state *state);

/* Degrees of the steering wheel for a turning radius. */
double driver_wheel_degrees(double inverse_radius);

/* Drives: fills options->frames states. The road has to be long enough; at its end the car stays.
 */
void driver_run(const struct road *road, const struct driver_options *options,
                struct driver_state *states);

#endif
