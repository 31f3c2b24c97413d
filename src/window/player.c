#include "window/player.h"

#include <math.h>

/* A frame this late means that something stood still: the clock goes on from it, instead of racing
 * after what was missed. Seconds. */
#define STALL_SECONDS 0.2

/* Added to times sought, so that 0.4 + 0.2 finds the frame of time 0.6. Seconds. */
#define ROUNDING_SECONDS 1e-6

void player_init(struct player *player, bool seekable, bool drop_late)
{
    /* The first frame is awaited like the first one after a seek: shown as soon as it comes. */
    *player =
        (struct player){.seekable = seekable, .drop_late = drop_late, .speed = 1, .landing = true};
}

static void anchor(struct player *player, double time, double now)
{
    player->anchor_time = time;
    player->anchor_wall = now;
}

bool player_toggle_pause(struct player *player, double now)
{
    if (player->ended && !player->landing) {
        if (!player_seek_to(player, 0))
            return false;
        player->paused = false;
        return true;
    }
    player->paused = !player->paused;
    if (!player->paused) {
        player->steps = 0;
        /* The time spent paused is no part of the drive. */
        anchor(player, player->current.time, now);
    }
    return true;
}

bool player_step(struct player *player, int64_t frames)
{
    player->paused = true;
    if (frames < 0 && !player->seekable)
        return false;
    if (frames > 0 && player->ended && !player->landing)
        return true;
    /* Steps not yet taken are taken back first. */
    if (frames < 0 && player->steps > 0) {
        int64_t undone = player->steps < -frames ? player->steps : -frames;

        player->steps -= undone;
        frames += undone;
    }
    player->queued_frames += frames;
    return true;
}

bool player_seek_by(struct player *player, double seconds)
{
    if (!player->seekable)
        return false;
    player->queued_seconds += seconds;
    return true;
}

bool player_seek_to(struct player *player, double time)
{
    if (!player->seekable)
        return false;
    player->queued = (struct player_seek){.kind = PLAYER_SEEK_TIME, .time = time};
    player->queued_seconds = 0;
    player->queued_frames = 0;
    return true;
}

static struct player_seek seek_in_seconds(struct player *player, double from)
{
    double time = from + player->queued_seconds;

    player->queued_seconds = 0;
    return (struct player_seek){.kind = PLAYER_SEEK_TIME,
                                .time = time > 0 ? time + ROUNDING_SECONDS : 0};
}

/* Steps forward are frames that come by themselves; steps back are seeks. */
static struct player_seek seek_in_frames(struct player *player)
{
    struct player_seek seek = {.kind = PLAYER_SEEK_NONE};
    int64_t frames = player->queued_frames;

    player->queued_frames = 0;
    if (frames > 0 && !player->ended)
        player->steps += frames;
    if (frames >= 0 || !player->has_current || player->current.number == 0)
        return seek;
    seek.kind = PLAYER_SEEK_NUMBER;
    seek.number = player->current.number + frames;
    if (seek.number < 0)
        seek.number = 0;
    return seek;
}

struct player_seek player_take_seek(struct player *player)
{
    struct player_seek seek = {.kind = PLAYER_SEEK_NONE};
    /* Before the first frame nothing is lost by seeking at once; later a seek first shows where it
     * came to, so that somebody who holds a key down sees the drive go by. */
    bool busy = player->landing && player->has_current;

    if (busy)
        return seek;
    if (player->queued.kind != PLAYER_SEEK_NONE) {
        seek = seek_in_seconds(player, player->queued.time);
        player->queued.kind = PLAYER_SEEK_NONE;
    } else if (player->landing) {
        return seek;
    } else if (player->queued_seconds != 0) {
        seek = seek_in_seconds(player, player->current.time);
        /* Steps on their way to the screen are taken from where the seek comes to. */
        player->queued_frames += player->steps;
    } else if (player->queued_frames != 0) {
        seek = seek_in_frames(player);
    }
    if (seek.kind != PLAYER_SEEK_NONE) {
        player->serial++;
        player->seeks++;
        player->landing = true;
        player->ended = false;
        player->steps = 0;
    }
    return seek;
}

static double due(const struct player *player, const struct player_frame *frame)
{
    return player->anchor_wall + (frame->time - player->anchor_time) / player->speed;
}

/* Shown as soon as it is there: the first frame after a seek, and frames stepped to. */
static bool shown_at_once(const struct player *player)
{
    return player->landing || player->steps > 0;
}

enum player_action player_decide(const struct player *player, const struct player_frame *next,
                                 const struct player_frame *after, double now, double *deadline)
{
    double late;

    *deadline = INFINITY;
    if (!next)
        return PLAYER_WAIT;
    if (next->serial != player->serial)
        return PLAYER_DISCARD;
    if (shown_at_once(player))
        return PLAYER_SHOW;
    if (player->paused)
        return PLAYER_WAIT;
    late = now - due(player, next);
    if (late < 0) {
        *deadline = due(player, next);
        return PLAYER_WAIT;
    }
    /* Without a successor there would be nothing to show instead. */
    if (player->drop_late && late <= STALL_SECONDS && after && after->serial == player->serial &&
        due(player, after) <= now)
        return PLAYER_DROP;
    return PLAYER_SHOW;
}

void player_shown(struct player *player, const struct player_frame *frame, double now)
{
    if (shown_at_once(player) || now - due(player, frame) > STALL_SECONDS)
        anchor(player, frame->time, now);
    if (player->landing)
        player->landing = false;
    else if (player->steps > 0)
        player->steps--;
    player->current = *frame;
    player->has_current = true;
    player->shown++;
}

void player_dropped(struct player *player)
{
    player->dropped++;
}

void player_end(struct player *player)
{
    player->landing = false;
    player->ended = true;
    player->steps = 0;
}
