#include "base/team.h"

#include "base/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

/* Looks at a variable before going to sleep: some ten microseconds. */
#define PATIENCE 1000

struct member {
    struct team *team;
    pthread_t thread;
    int worker;
};

struct team {
    int workers, started; /* started: threads that run, one less than workers once all do */
    struct member *members;

    /* Written by the caller before `piece` changes, read by members after that. */
    void (*work)(void *context, int worker);
    void *context;

    /* Changed under the lock, so that nobody falls asleep on a change; may be read without. */
    atomic_uint piece;
    atomic_int busy; /* members that are not done with the piece */
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t begun, done;
};

static void breathe(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}

static void *member_run(void *argument)
{
    struct member *member = argument;
    struct team *team = member->team;
    unsigned seen = 0;

    for (;;) {
        for (int i = 0; i < PATIENCE && atomic_load(&team->piece) == seen; i++)
            breathe();
        pthread_mutex_lock(&team->lock);
        while (atomic_load(&team->piece) == seen && !atomic_load(&team->stop))
            pthread_cond_wait(&team->begun, &team->lock);
        seen = atomic_load(&team->piece);
        pthread_mutex_unlock(&team->lock);
        if (atomic_load(&team->stop))
            return NULL;
        team->work(team->context, member->worker);
        pthread_mutex_lock(&team->lock);
        if (atomic_fetch_sub(&team->busy, 1) == 1)
            pthread_cond_signal(&team->done);
        pthread_mutex_unlock(&team->lock);
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
    t->members = memory_array((size_t)workers, sizeof(*t->members));
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->begun, NULL);
    pthread_cond_init(&t->done, NULL);
    if (!t->members)
        result = error_out_of_memory(error);
    while (result == VBP_OK && t->started < workers - 1) {
        struct member *member = &t->members[t->started];
        int failure;

        member->team = t;
        member->worker = t->started + 1;
        failure = pthread_create(&member->thread, NULL, member_run, member);
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
        pthread_join(t->members[i].thread, NULL);
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

void team_run(struct team *team, void (*work)(void *context, int worker), void *context)
{
    if (team->started > 0) {
        pthread_mutex_lock(&team->lock);
        team->work = work;
        team->context = context;
        atomic_store(&team->busy, team->started);
        atomic_fetch_add(&team->piece, 1);
        pthread_cond_broadcast(&team->begun);
        pthread_mutex_unlock(&team->lock);
    }
    work(context, 0);
    if (team->started == 0)
        return;
    for (int i = 0; i < PATIENCE && atomic_load(&team->busy) > 0; i++)
        breathe();
    pthread_mutex_lock(&team->lock);
    while (atomic_load(&team->busy) > 0)
        pthread_cond_wait(&team->done, &team->lock);
    pthread_mutex_unlock(&team->lock);
}
