/* The player: pace, pause, steps, seeks that add up, late frames, the end; no window, no threads.
 */
#include "window/player.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define FRAME_SECONDS 0.04

/* A drive of 25 frames a second and a pipeline that delivers at once what was asked for. */
struct drive {
    struct player player;
    double now;
    int64_t next;   /* number of the frame that the pipeline gives next */
    int64_t count;  /* frames of the drive */
    int64_t serial; /* of the pipeline */
    int64_t number; /* on screen; -1: none */
};

static struct drive start_drive(void)
{
    struct drive drive = {.now = 1000, .count = 500, .number = -1};

    player_init(&drive.player, true, true);
    return drive;
}

static struct player_frame frame_of(const struct drive *drive, int64_t number)
{
    return (struct player_frame){
        .number = number, .serial = drive->serial, .time = (double)number * FRAME_SECONDS};
}

/* One turn of the loop. Returns what the player decided about the next frame. */
static enum player_action turn(struct drive *drive, double *deadline)
{
    struct player_seek seek = player_take_seek(&drive->player);
    struct player_frame next, after;
    bool has_next, has_after;
    enum player_action action;

    if (seek.kind != PLAYER_SEEK_NONE) {
        drive->serial++;
        drive->next = seek.kind == PLAYER_SEEK_NUMBER ? seek.number
                                                      : (int64_t)floor(seek.time / FRAME_SECONDS);
        if (drive->next > drive->count - 1)
            drive->next = drive->count - 1;
    }
    has_next = drive->next < drive->count;
    has_after = drive->next + 1 < drive->count;
    next = frame_of(drive, drive->next);
    after = frame_of(drive, drive->next + 1);
    action = player_decide(&drive->player, has_next ? &next : NULL, has_after ? &after : NULL,
                           drive->now, deadline);
    if (action == PLAYER_SHOW) {
        player_shown(&drive->player, &next, drive->now);
        drive->number = next.number;
        drive->next++;
    } else if (action == PLAYER_DROP) {
        player_dropped(&drive->player);
        drive->next++;
    } else if (!has_next && !drive->player.ended) {
        player_end(&drive->player);
    }
    return action;
}

/* Turns until nothing more is to be done at this moment. */
static double settle(struct drive *drive)
{
    double deadline;
    int turns = 0;

    /* A wait may have been for an end that makes room for a queued seek. */
    for (int waits = 0; waits < 3;) {
        if (turn(drive, &deadline) == PLAYER_WAIT)
            waits++;
        else
            waits = 0;
        assert_true(++turns < 1000);
    }
    return deadline;
}

static void pass(struct drive *drive, double seconds)
{
    drive->now += seconds;
    settle(drive);
}

static void test_first_frame_at_once(void **state)
{
    struct drive drive = start_drive();
    double deadline = settle(&drive);

    (void)state;
    assert_int_equal(drive.number, 0);
    assert_true(fabs(deadline - (1000 + FRAME_SECONDS)) < 1e-9);
}

static void test_pace(void **state)
{
    struct drive drive = start_drive();

    (void)state;
    settle(&drive);
    for (int i = 1; i <= 100; i++) {
        pass(&drive, FRAME_SECONDS - 0.001);
        assert_int_equal(drive.number, i - 1);
        pass(&drive, 0.001 + 1e-9);
        assert_int_equal(drive.number, i);
    }
    assert_int_equal(drive.player.shown, 101);
    assert_int_equal(drive.player.dropped, 0);
}

/* Sleeping a bit too long each time must not add up. */
static void test_late_wakes_do_not_add_up(void **state)
{
    struct drive drive = start_drive();

    (void)state;
    settle(&drive);
    for (int i = 1; i <= 250; i++) {
        double deadline = settle(&drive);

        drive.now = deadline + 0.003;
    }
    settle(&drive);
    assert_int_equal(drive.number, 250);
    assert_true(fabs(drive.now - (1000 + 250 * FRAME_SECONDS + 0.003)) < 1e-6);
}

static void test_speed(void **state)
{
    struct drive drive = start_drive();

    (void)state;
    drive.player.speed = 2;
    settle(&drive);
    for (int i = 0; i < 100; i++)
        pass(&drive, FRAME_SECONDS / 2 + 1e-9);
    assert_int_equal(drive.number, 100);
}

static void test_pause(void **state)
{
    struct drive drive = start_drive();

    (void)state;
    settle(&drive);
    pass(&drive, FRAME_SECONDS);
    assert_true(player_toggle_pause(&drive.player, drive.now));
    assert_true(isinf(settle(&drive)));
    pass(&drive, 100);
    assert_int_equal(drive.number, 1);
    assert_true(player_toggle_pause(&drive.player, drive.now));
    settle(&drive);
    assert_int_equal(drive.number, 1); /* for the time that it is meant to be seen */
    pass(&drive, FRAME_SECONDS);
    assert_int_equal(drive.number, 2);
    assert_int_equal(drive.player.dropped, 0);
}

static void test_drops_what_is_late(void **state)
{
    struct drive drive = start_drive();

    (void)state;
    settle(&drive);
    pass(&drive, 3.5 * FRAME_SECONDS);
    assert_int_equal(drive.number, 3);
    assert_int_equal(drive.player.dropped, 2);
    assert_int_equal(drive.player.shown, 2);
    /* The clock is not moved by it. */
    pass(&drive, 0.5 * FRAME_SECONDS);
    assert_int_equal(drive.number, 4);
}

static void test_drops_nothing_when_told(void **state)
{
    struct drive drive = start_drive();
    double deadline;

    (void)state;
    drive.player.drop_late = false;
    settle(&drive);
    drive.now += 3.5 * FRAME_SECONDS;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(turn(&drive, &deadline), PLAYER_SHOW);
        assert_int_equal(drive.number, i);
    }
    assert_int_equal(turn(&drive, &deadline), PLAYER_WAIT);
    assert_int_equal(drive.player.dropped, 0);
}

/* A late frame without a successor is better than none. */
static void test_shows_late_frame_without_successor(void **state)
{
    struct drive drive = start_drive();
    struct player_frame next;
    double deadline;

    (void)state;
    settle(&drive);
    next = frame_of(&drive, 1);
    assert_int_equal(player_decide(&drive.player, &next, NULL, drive.now + 0.15, &deadline),
                     PLAYER_SHOW);
}

/* After a standstill the drive goes on from where it was. */
static void test_stall_moves_the_clock(void **state)
{
    struct drive drive = start_drive();
    double deadline;

    (void)state;
    settle(&drive);
    drive.now += 7;
    deadline = settle(&drive);
    assert_int_equal(drive.number, 1);
    assert_int_equal(drive.player.dropped, 0);
    assert_true(fabs(deadline - (drive.now + FRAME_SECONDS)) < 1e-9);
}

static void test_waits_without_a_frame(void **state)
{
    struct drive drive = start_drive();
    double deadline;

    (void)state;
    settle(&drive);
    assert_int_equal(player_decide(&drive.player, NULL, NULL, drive.now, &deadline), PLAYER_WAIT);
    assert_true(isinf(deadline));
}

static void test_steps(void **state)
{
    struct drive drive = start_drive();

    (void)state;
    settle(&drive);
    pass(&drive, FRAME_SECONDS);
    assert_true(player_step(&drive.player, 1));
    settle(&drive);
    assert_true(drive.player.paused);
    assert_int_equal(drive.number, 2);
    pass(&drive, 10);
    assert_int_equal(drive.number, 2);
    assert_true(player_step(&drive.player, 1));
    assert_true(player_step(&drive.player, 1));
    settle(&drive);
    assert_int_equal(drive.number, 4);
    assert_true(player_step(&drive.player, -1));
    settle(&drive);
    assert_int_equal(drive.number, 3);
    assert_int_equal(drive.player.seeks, 1);
    for (int i = 0; i < 20; i++)
        assert_true(player_step(&drive.player, -1));
    settle(&drive);
    assert_int_equal(drive.number, 0);
    assert_true(player_step(&drive.player, -1));
    settle(&drive);
    assert_int_equal(drive.number, 0);
    assert_int_equal(drive.player.seeks, 2); /* before the first frame there is nowhere to go */
}

static void test_steps_cancel(void **state)
{
    struct drive drive = start_drive();
    double deadline;

    (void)state;
    settle(&drive);
    player_step(&drive.player, 1);
    player_step(&drive.player, 1);
    /* On their way: asked for, not yet shown. */
    player_take_seek(&drive.player);
    player_step(&drive.player, -1);
    assert_int_equal(turn(&drive, &deadline), PLAYER_SHOW);
    settle(&drive);
    assert_int_equal(drive.number, 1);
    assert_int_equal(drive.player.seeks, 0);
}

static void test_step_back_needs_seeks(void **state)
{
    struct drive drive = start_drive();

    (void)state;
    drive.player.seekable = false;
    settle(&drive);
    assert_true(player_step(&drive.player, 1));
    settle(&drive);
    assert_int_equal(drive.number, 1);
    assert_false(player_step(&drive.player, -1));
    assert_false(player_seek_by(&drive.player, 1));
    assert_false(player_seek_to(&drive.player, 0));
    settle(&drive);
    assert_int_equal(drive.number, 1);
}

/* A seek that is under way collects what comes meanwhile. */
static void test_relative_seeks_add_up(void **state)
{
    struct drive drive = start_drive();
    struct player_seek seek;

    (void)state;
    settle(&drive);
    player_seek_by(&drive.player, 5);
    seek = player_take_seek(&drive.player);
    assert_int_equal(seek.kind, PLAYER_SEEK_TIME);
    assert_true(fabs(seek.time - 5) < 1e-3);
    drive.serial++;
    drive.next = 125;
    player_seek_by(&drive.player, 5);
    player_seek_by(&drive.player, 5);
    player_seek_by(&drive.player, -1);
    assert_int_equal(player_take_seek(&drive.player).kind, PLAYER_SEEK_NONE);
    settle(&drive);
    assert_int_equal(drive.number, 125 + 225);
    assert_int_equal(drive.player.seeks, 2);
}

static void test_absolute_seek_replaces(void **state)
{
    struct drive drive = start_drive();

    (void)state;
    settle(&drive);
    player_seek_by(&drive.player, 5);
    player_step(&drive.player, 1);
    player_seek_to(&drive.player, 8);
    player_seek_by(&drive.player, 1);
    settle(&drive);
    assert_int_equal(drive.number, 225);
    assert_int_equal(drive.player.seeks, 1);
}

static void test_seek_before_the_beginning(void **state)
{
    struct drive drive = start_drive();

    (void)state;
    settle(&drive);
    player_step(&drive.player, 3);
    settle(&drive);
    player_seek_by(&drive.player, -60);
    settle(&drive);
    assert_int_equal(drive.number, 0);
}

/* 0.28 + 1 and the like are not quite the times of frames. */
static void test_seeks_forgive_rounding(void **state)
{
    (void)state;
    for (int64_t number = 0; number < 100; number++) {
        struct drive drive = start_drive();

        settle(&drive);
        player_step(&drive.player, number);
        settle(&drive);
        assert_int_equal(drive.number, number);
        for (int i = 0; i < 3; i++) {
            player_seek_by(&drive.player, 1);
            settle(&drive);
        }
        player_seek_by(&drive.player, -2);
        settle(&drive);
        assert_int_equal(drive.number, number + 25);
    }
}

static void test_seek_shows_its_frame_while_paused(void **state)
{
    struct drive drive = start_drive();

    (void)state;
    settle(&drive);
    player_toggle_pause(&drive.player, drive.now);
    player_seek_by(&drive.player, 2);
    settle(&drive);
    assert_int_equal(drive.number, 50);
    assert_true(drive.player.paused);
    pass(&drive, 10);
    assert_int_equal(drive.number, 50);
}

static void test_seek_while_playing_goes_on(void **state)
{
    struct drive drive = start_drive();

    (void)state;
    settle(&drive);
    player_seek_by(&drive.player, 2);
    settle(&drive);
    assert_int_equal(drive.number, 50);
    pass(&drive, FRAME_SECONDS);
    assert_int_equal(drive.number, 51);
}

/* Steps that were not shown yet when a seek came are taken where it comes to. */
static void test_seek_takes_steps_along(void **state)
{
    struct drive drive = start_drive();

    (void)state;
    settle(&drive);
    player_step(&drive.player, 1);
    player_take_seek(&drive.player);
    player_seek_by(&drive.player, 1);
    settle(&drive);
    assert_int_equal(drive.number, 26);
}

static void test_stale_frames_are_not_shown(void **state)
{
    struct drive drive = start_drive();
    struct player_frame stale;
    double deadline;

    (void)state;
    settle(&drive);
    stale = frame_of(&drive, 1);
    player_seek_by(&drive.player, 5);
    player_take_seek(&drive.player);
    assert_int_equal(player_decide(&drive.player, &stale, NULL, drive.now + 1, &deadline),
                     PLAYER_DISCARD);
    assert_int_equal(drive.player.dropped, 0);
}

static void test_start_in_the_middle(void **state)
{
    struct drive drive = start_drive();

    (void)state;
    player_seek_to(&drive.player, 4);
    settle(&drive);
    assert_int_equal(drive.number, 100);
    assert_int_equal(drive.player.shown, 1);
}

static void test_end_and_again(void **state)
{
    struct drive drive = start_drive();

    (void)state;
    settle(&drive);
    player_seek_to(&drive.player, 1e9);
    settle(&drive);
    pass(&drive, 10);
    assert_int_equal(drive.number, 499);
    assert_true(drive.player.ended);
    assert_true(isinf(settle(&drive)));
    /* There is no frame after the last. */
    assert_true(player_step(&drive.player, 1));
    settle(&drive);
    assert_int_equal(drive.number, 499);
    assert_true(player_step(&drive.player, -1));
    settle(&drive);
    assert_int_equal(drive.number, 498);
    assert_false(drive.player.ended);
    assert_true(player_step(&drive.player, 1));
    settle(&drive);
    assert_int_equal(drive.number, 499);
    assert_true(drive.player.ended);
    assert_true(player_toggle_pause(&drive.player, drive.now));
    settle(&drive);
    assert_int_equal(drive.number, 0);
    assert_false(drive.player.paused);
    pass(&drive, FRAME_SECONDS);
    assert_int_equal(drive.number, 1);
}

static void test_end_without_seeks(void **state)
{
    struct drive drive = start_drive();

    (void)state;
    drive.player.seekable = false;
    drive.count = 2;
    settle(&drive);
    pass(&drive, FRAME_SECONDS);
    pass(&drive, FRAME_SECONDS);
    assert_true(drive.player.ended);
    assert_false(player_toggle_pause(&drive.player, drive.now));
    assert_int_equal(drive.number, 1);
}

/* A seek that finds nothing leaves the old frame, and the next seek works. */
static void test_seek_that_finds_nothing(void **state)
{
    struct drive drive = start_drive();

    (void)state;
    settle(&drive);
    player_seek_by(&drive.player, 5);
    assert_int_equal(player_take_seek(&drive.player).kind, PLAYER_SEEK_TIME);
    player_seek_to(&drive.player, 2);
    player_end(&drive.player);
    drive.serial++;
    settle(&drive);
    assert_int_equal(drive.number, 50);
    assert_int_equal(drive.player.current.number, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_frame_at_once),
        cmocka_unit_test(test_pace),
        cmocka_unit_test(test_late_wakes_do_not_add_up),
        cmocka_unit_test(test_speed),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_drops_what_is_late),
        cmocka_unit_test(test_drops_nothing_when_told),
        cmocka_unit_test(test_shows_late_frame_without_successor),
        cmocka_unit_test(test_stall_moves_the_clock),
        cmocka_unit_test(test_waits_without_a_frame),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_steps_cancel),
        cmocka_unit_test(test_step_back_needs_seeks),
        cmocka_unit_test(test_relative_seeks_add_up),
        cmocka_unit_test(test_absolute_seek_replaces),
        cmocka_unit_test(test_seek_before_the_beginning),
        cmocka_unit_test(test_seeks_forgive_rounding),
        cmocka_unit_test(test_seek_shows_its_frame_while_paused),
        cmocka_unit_test(test_seek_while_playing_goes_on),
        cmocka_unit_test(test_seek_takes_steps_along),
        cmocka_unit_test(test_stale_frames_are_not_shown),
        cmocka_unit_test(test_start_in_the_middle),
        cmocka_unit_test(test_end_and_again),
        cmocka_unit_test(test_end_without_seeks),
        cmocka_unit_test(test_seek_that_finds_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
