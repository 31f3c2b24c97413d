#include "base/team.h"

#include "base/memory.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Looks at a variable before going to sleep: some ten microseconds. */
#define PATIENCE 1000

struct team {
    int workers, started; /* started: threads that run, one less than workers once all do */
    pthread_t *members;

    cpu_set_t processors; /* that the team may run on */
    int caller_processor; /* where the caller was when the members were last told; -1: never yet */

    /* Written by the caller before `parts` changes; valid for who has taken a part, until that is
     * done. */
    void (*work)(void *context, int part);
    void *context;

    /*
     * The next part to be taken, `workers` where none is left, below the number of the piece: a
     * part of an earlier piece, seen long ago, cannot be taken for one of this.
     */
    atomic_uint_least64_t parts;
    atomic_int undone; /* parts */

    /* Changes that somebody may sleep on are told under the lock. */
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t begun, done;
};

#define PART_MASK UINT32_MAX
#define ONE_PIECE ((uint64_t)1 << 32)

static void breathe(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}

static uint64_t piece_number(struct team *team)
{
    return atomic_load(&team->parts) / ONE_PIECE;
}

static bool parts_left(struct team *team)
{
    return (atomic_load(&team->parts) & PART_MASK) < (uint64_t)team->workers;
}

/* Does parts as long as there are some. Returns whether it did the last one that was undone. */
static bool do_parts(struct team *team)
{
    uint64_t next = atomic_load(&team->parts);
    bool last = false;

    while ((next & PART_MASK) < (uint64_t)team->workers) {
        if (!atomic_compare_exchange_weak(&team->parts, &next, next + 1))
            continue;
        team->work(team->context, (int)(next & PART_MASK));
        last = atomic_fetch_sub(&team->undone, 1) == 1;
        next = atomic_load(&team->parts);
    }
    return last;
}

static void *member_run(void *argument)
{
    struct team *team = argument;

    for (;;) {
        uint64_t seen = piece_number(team);

        for (int i = 0; i < PATIENCE && !parts_left(team); i++)
            breathe();
        /* Who wakes up and finds nothing left stays awake for the next piece of the frame. */
        pthread_mutex_lock(&team->lock);
        while (piece_number(team) == seen && !parts_left(team) && !atomic_load(&team->stop))
            pthread_cond_wait(&team->begun, &team->lock);
        pthread_mutex_unlock(&team->lock);
        if (atomic_load(&team->stop))
            return NULL;
        if (do_parts(team)) {
            pthread_mutex_lock(&team->lock);
            pthread_cond_signal(&team->done);
            pthread_mutex_unlock(&team->lock);
        }
    }
}

int team_create(struct team **team, int workers, VbpError *error)
{
    struct team *t = memory_array(1, sizeof(*t));
    int result = VBP_OK;

    *team = NULL;
    if (!t)
        return error_out_of_memory(error);
    t->workers = workers;
    t->caller_processor = -1;
    if (sched_getaffinity(0, sizeof(t->processors), &t->processors) != 0)
        CPU_ZERO(&t->processors);
    atomic_store(&t->parts, (uint64_t)workers);
    t->members = memory_array((size_t)workers, sizeof(*t->members));
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->begun, NULL);
    pthread_cond_init(&t->done, NULL);
    if (!t->members)
        result = error_out_of_memory(error);
    while (result == VBP_OK && t->started < workers - 1) {
        int failure = pthread_create(&t->members[t->started], NULL, member_run, t);

        if (failure == 0)
            t->started++;
        else
            result =
                error_set(error, VBP_ERROR_MEMORY, "cannot start a thread: %s", strerror(failure));
    }
    if (result == VBP_OK)
        *team = t;
    else
        team_destroy(&t);
    return result;
}

void team_destroy(struct team **team)
{
    struct team *t = *team;

    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->stop, true);
    pthread_cond_broadcast(&t->begun);
    pthread_mutex_unlock(&t->lock);
    for (int i = 0; i < t->started; i++)
        pthread_join(t->members[i], NULL);
    pthread_cond_destroy(&t->done);
    pthread_cond_destroy(&t->begun);
    pthread_mutex_destroy(&t->lock);
    free(t->members);
    free(t);
    *team = NULL;
}

int team_workers(const struct team *team)
{
    return team->workers;
}

/*
 * Keeps the members off the caller's processor: kernels tend to wake a thread where its waker runs,
 * although others are idle, and then caller and member take turns on one. It is a few microseconds'
 * work, and only done when the caller has moved. What fails is only slower.
 */
static void make_room(struct team *team)
{
    int here = sched_getcpu();
    cpu_set_t others = team->processors;

    if (here < 0 || here >= CPU_SETSIZE || here == team->caller_processor)
        return;
    team->caller_processor = here;
    CPU_CLR((size_t)here, &others);
    if (CPU_COUNT(&others) < team->started)
        return;
    for (int i = 0; i < team->started; i++)
        pthread_setaffinity_np(team->members[i], sizeof(others), &others);
}

void team_run(struct team *team, void (*work)(void *context, int part), void *context)
{
    if (team->started == 0) {
        work(context, 0);
        return;
    }
    make_room(team);
    pthread_mutex_lock(&team->lock);
    team->work = work;
    team->context = context;
    atomic_store(&team->undone, team->workers);
    atomic_store(&team->parts, (atomic_load(&team->parts) & ~(uint64_t)PART_MASK) + ONE_PIECE);
    pthread_cond_broadcast(&team->begun);
    pthread_mutex_unlock(&team->lock);
    if (do_parts(team))
        return;
    for (int i = 0; i < PATIENCE && atomic_load(&team->undone) > 0; i++)
        breathe();
    pthread_mutex_lock(&team->lock);
    while (atomic_load(&team->undone) > 0)
        pthread_cond_wait(&team->done, &team->lock);
    pthread_mutex_unlock(&team->lock);
}
