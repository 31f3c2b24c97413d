/*
 * When which frame is shown: pause, steps, seeks, late frames, the end of the drive. Knows neither
 * window nor threads; the caller says what time it is and does what the player decides:
 *
 *     seek   = player_take_seek()          -> pipeline_seek_...(), forget the frames taken before
 *     action = player_decide(next, after)  -> show or drop `next`, or sleep until the deadline
 *
 * Times of the wall clock ("now") are seconds of any clock that does not jump; times of frames are
 * seconds from the first frame.
 */
#ifndef VBP_WINDOW_PLAYER_H
#define VBP_WINDOW_PLAYER_H

#include <stdbool.h>
#include <stdint.h>

struct player_frame {
    int64_t number; /* position in the drive, from 0 */
    int64_t serial; /* count of seeks before it was asked for */
    double time;    /* presentation time */
};

enum player_action {
    PLAYER_WAIT,   /* nothing to do before the deadline, or before something new happens */
    PLAYER_SHOW,   /* show the next frame now, then call player_shown */
    PLAYER_DROP,   /* it is late and a later one is due too: leave it out (counted) */
    PLAYER_DISCARD /* it was asked for before the newest seek: leave it out (not counted) */
};

enum player_seek_kind { PLAYER_SEEK_NONE, PLAYER_SEEK_TIME, PLAYER_SEEK_NUMBER };

struct player_seek {
    enum player_seek_kind kind;
    double time;    /* PLAYER_SEEK_TIME */
    int64_t number; /* PLAYER_SEEK_NUMBER */
};

struct player {
    /* Set by player_init. */
    bool seekable;
    bool drop_late;

    /* What the user wants. */
    bool paused;
    double speed; /* seconds of the drive per second of the wall clock */

    /* Where the drive is. */
    bool has_current;
    struct player_frame current; /* on screen */
    bool ended;                  /* current is the last frame there is */
    double anchor_wall;          /* the frame of time anchor_time was due at anchor_wall */
    double anchor_time;

    /* Seeks: one is carried out at a time; what comes meanwhile is summed up here. */
    int64_t serial;            /* of the newest seek; only frames of this serial are shown */
    bool landing;              /* its first frame has not been shown yet */
    struct player_seek queued; /* an absolute seek asked for meanwhile */
    double queued_seconds;     /* relative seeks, from there or from where the drive then is */
    int64_t queued_frames;     /* steps, forward and back, after all that */
    int64_t steps;             /* frames still to be shown although paused */

    /* Counts for statistics. */
    int64_t shown, dropped, seeks;
};

/* A player that waits for the first frame. seekable: player_take_seek may ask for seeks. */
void player_init(struct player *player, bool seekable, bool drop_late);

/*
 * Pauses or goes on; at the end of the drive starts again from the beginning. False: it cannot,
 * since the source cannot be sought.
 */
bool player_toggle_pause(struct player *player, double now);

/* Pauses `frames` frames further on (negative: back). False: back, but the source has no seeks. */
bool player_step(struct player *player, int64_t frames);

/*
 * Seeks, in seconds of the drive. Relative ones add up as long as one is under way, absolute ones
 * replace everything. False: the source cannot be sought.
 */
bool player_seek_by(struct player *player, double seconds);
bool player_seek_to(struct player *player, double time);

/* The seek to be carried out now, if any: frames that were taken before are stale from here on. */
struct player_seek player_take_seek(struct player *player);

/*
 * What is to be done with the next frame (NULL: there is none yet); `after` is the one that follows
 * it, where it is known. For PLAYER_WAIT *deadline is when to ask again; INFINITY: not before
 * something new happens.
 */
enum player_action player_decide(const struct player *player, const struct player_frame *next,
                                 const struct player_frame *after, double now, double *deadline);

/* The frame goes on screen, or is left out. */
void player_shown(struct player *player, const struct player_frame *frame, double now);
void player_dropped(struct player *player);

/* There are no more frames after those already shown. */
void player_end(struct player *player);

#endif
