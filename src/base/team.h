/*
 * A team of threads that do one piece of work together, again and again, quickly: the caller is one
 * of them. Between pieces the others wait, for a moment awake (the next piece of the same frame
 * follows at once), then asleep.
 */
#ifndef VBP_BASE_TEAM_H
#define VBP_BASE_TEAM_H

#include "base/error.h"

struct team;

/* workers >= 1, the caller included. *team is NULL after a failure. */
int team_create(struct team **team, int workers, VbpError *error);
void team_destroy(struct team **team);

int team_workers(const struct team *team);

/*
 * Calls work(context, worker) once for each worker from 0 on, all at the same time, 0 in the
 * calling thread, and returns when all are done. One caller at a time.
 */
void team_run(struct team *team, void (*work)(void *context, int worker), void *context);

#endif
