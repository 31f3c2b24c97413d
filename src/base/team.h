/*
 * A team of threads that do one piece of work together, again and again, quickly: the caller is one
 * of them. Between pieces the others wait, for a moment awake (the next piece of the same frame
 * follows at once), then asleep. They keep off the processor that the caller runs on, where the
 * machine, or what the creator may use of it, has enough others.
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
 * Calls work(context, part) once for each part from 0 to team_workers - 1 and returns when all are
 * done. Whoever is awake takes the next part, the caller too: of a member that is late, because it
 * sleeps or the machine has other work, nobody waits for a part that it has not begun. One caller
 * at a time.
 */
void team_run(struct team *team, void (*work)(void *context, int part), void *context);

#endif
