/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domain states: what ballastd does about one domain when, in one table.
 *
 * At most one task is at work on a domain. A release goes on until it is told to stop, because a
 * hold lasts only as long as somebody asks for it.
 *
 * Nothing here fails or does I/O.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  BAL_STATE_IDLE,      /* nothing of it is released, as far as we know */
  BAL_STATE_PLAIN,     /* libvirt migrates it away, and nothing is released for that */
  BAL_STATE_RELEASING, /* libvirt migrates it away, a release is on its way */
  BAL_STATE_RELEASED,  /* the same, and memory is released */
  BAL_STATE_RESTORING, /* what is or may be released is given back, now or as soon as it can be */
  BAL_STATE_ARRIVING,  /* it comes from elsewhere and does not run here yet */
} BalState;
#define BAL_N_STATES (BAL_STATE_ARRIVING + 1)

typedef enum
{
  BAL_EVENT_LEAVING,       /* libvirt has begun to migrate it away from here */
  BAL_EVENT_STAYING,       /* no such job holds it any more: it goes on here */
  BAL_EVENT_FAILED,        /* a migration of it has failed, but its job may last a moment yet */
  BAL_EVENT_GONE,          /* it is off, or elsewhere */
  BAL_EVENT_ARRIVING,      /* libvirt has begun to bring it here */
  BAL_EVENT_ARRIVED,       /* it runs here, having come from elsewhere */
  BAL_EVENT_RESUMED,       /* it runs again, for whatever reason */
  BAL_EVENT_ORPHANED,      /* the journal knows of a release that nobody is at work on */
  BAL_EVENT_RELEASED,      /* the release has what it is going to get */
  BAL_EVENT_RELEASE_ENDED, /* there is no release any more: stopped, lost, or nothing to do */
  BAL_EVENT_NOT_LEAVING,   /* the same, as libvirt does not migrate it when asked */
  BAL_EVENT_RESTORED,      /* nothing is released any more */
  BAL_EVENT_NOT_RESTORED,  /* not now: it is paused, busy, or does not answer */
  BAL_EVENT_RETRY,         /* time to try again */
} BalEvent;
#define BAL_N_EVENTS (BAL_EVENT_RETRY + 1)

typedef enum
{
  BAL_ACTION_NONE,
  BAL_ACTION_RELEASE,      /* start a release */
  BAL_ACTION_STOP_RELEASE, /* tell it to stop; BAL_EVENT_RELEASE_ENDED will say that it has */
  BAL_ACTION_RESTORE,      /* start to give back */
  BAL_ACTION_WAIT,         /* send BAL_EVENT_RETRY in a while */
} BalAction;

const char *bal_state_name (BalState state);

/* The state after @event in *@state, and what is to be done then. */
BalAction bal_state_step (BalState *state, BalEvent event);

G_END_DECLS
