/* The team of threads: every part of every piece is done once, and before team_run returns. */
#include "base/team.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#define PARTS_MOST 5

struct piece {
    int number;
    int done[PARTS_MOST]; /* each written by one part; not atomic: races are for TSan to find */
};

static void work(void *context, int part)
{
    struct piece *piece = context;

    piece->done[part] += piece->number;
}

static void check_pieces(struct team *team, int pieces, bool pause)
{
    int workers = team_workers(team);

    for (int number = 1; number <= pieces; number++) {
        struct piece piece = {.number = number};

        if (pause)
            usleep(300); /* members have gone to sleep */
        team_run(team, work, &piece);
        for (int part = 0; part < PARTS_MOST; part++)
            assert_int_equal(piece.done[part], part < workers ? number : 0);
    }
}

static void every_part_once(void **state)
{
    (void)state;
    for (int workers = 1; workers <= PARTS_MOST; workers++) {
        struct team *team;
        VbpError error;

        assert_int_equal(team_create(&team, workers, &error), VBP_OK);
        assert_int_equal(team_workers(team), workers);
        check_pieces(team, 2000, false);
        check_pieces(team, 50, true);
        team_destroy(&team);
        assert_null(team);
    }
}

static void unused_teams_go(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct team *team;
        VbpError error;

        assert_int_equal(team_create(&team, 1 + i % 4, &error), VBP_OK);
        team_destroy(&team);
    }
}

/* A part that waits for another one: done only if two threads work at the same time. */
static void wait_for_other(void *context, int part)
{
    int *pipes = context;
    char byte = 0;

    if (write(pipes[2 * part + 1], &byte, 1) == 1 && read(pipes[2 * (1 - part)], &byte, 1) == 1)
        pipes[4 + part] = 1;
}

static void parts_run_at_the_same_time(void **state)
{
    struct team *team;
    VbpError error;
    int pipes[6] = {0};

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(pipe(pipes + 2), 0);
    assert_int_equal(team_create(&team, 2, &error), VBP_OK);
    team_run(team, wait_for_other, pipes);
    assert_true(pipes[4] == 1 && pipes[5] == 1);
    team_destroy(&team);
    for (int i = 0; i < 4; i++)
        close(pipes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_once),
        cmocka_unit_test(unused_teams_go),
        cmocka_unit_test(parts_run_at_the_same_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
