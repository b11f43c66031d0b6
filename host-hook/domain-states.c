/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/domain-states.h"

typedef struct
{
  BalState next;
  BalAction action;
} Step;

/* clang-format off */
#define STAY(state)          {BAL_STATE_##state, BAL_ACTION_NONE}
#define GO(state)            {BAL_STATE_##state, BAL_ACTION_NONE}
#define STEP(state, action)  {BAL_STATE_##state, BAL_ACTION_##action}

static const Step table[BAL_N_EVENTS][BAL_N_STATES] = {
  /*                            idle                       plain                      releasing                       released                        restoring                  arriving */
  [BAL_EVENT_LEAVING]        = {STEP (RELEASING, RELEASE), STAY (PLAIN),              STAY (RELEASING),                STAY (RELEASED),                 STAY (RESTORING),           STEP (RELEASING, RELEASE)},
  [BAL_EVENT_STAYING]        = {STAY (IDLE),               GO (IDLE),                 STEP (RESTORING, STOP_RELEASE),  STEP (RESTORING, STOP_RELEASE),  STAY (RESTORING),           STAY (ARRIVING)},
  [BAL_EVENT_FAILED]         = {STAY (IDLE),               STAY (PLAIN),              STEP (RESTORING, STOP_RELEASE),  STEP (RESTORING, STOP_RELEASE),  STAY (RESTORING),           STAY (ARRIVING)},
  [BAL_EVENT_GONE]           = {STAY (IDLE),               GO (IDLE),                 STEP (RESTORING, STOP_RELEASE),  STEP (RESTORING, STOP_RELEASE),  STAY (RESTORING),           GO (IDLE)},
  [BAL_EVENT_ARRIVING]       = {GO (ARRIVING),             STAY (PLAIN),              STAY (RELEASING),                STAY (RELEASED),                 STAY (RESTORING),           STAY (ARRIVING)},
  [BAL_EVENT_ARRIVED]        = {STEP (RESTORING, RESTORE), STEP (RESTORING, RESTORE), STEP (RESTORING, STOP_RELEASE),  STEP (RESTORING, STOP_RELEASE),  STAY (RESTORING),           STEP (RESTORING, RESTORE)},
  [BAL_EVENT_RESUMED]        = {STAY (IDLE),               STAY (PLAIN),              STAY (RELEASING),                STAY (RELEASED),                 STAY (RESTORING),           STEP (RESTORING, RESTORE)},
  [BAL_EVENT_ORPHANED]       = {STEP (RESTORING, RESTORE), STEP (RESTORING, RESTORE), STAY (RELEASING),                STAY (RELEASED),                 STAY (RESTORING),           STAY (ARRIVING)},
  [BAL_EVENT_RELEASED]       = {STAY (IDLE),               STAY (PLAIN),              GO (RELEASED),                   STAY (RELEASED),                 STAY (RESTORING),           STAY (ARRIVING)},
  [BAL_EVENT_RELEASE_ENDED]  = {STAY (IDLE),               STAY (PLAIN),              GO (PLAIN),                      STEP (RESTORING, RESTORE),       STEP (RESTORING, RESTORE),  STAY (ARRIVING)},
  [BAL_EVENT_NOT_LEAVING]    = {STAY (IDLE),               STAY (PLAIN),              GO (IDLE),                       STEP (RESTORING, RESTORE),       STEP (RESTORING, RESTORE),  STAY (ARRIVING)},
  [BAL_EVENT_RESTORED]       = {STAY (IDLE),               STAY (PLAIN),              STAY (RELEASING),                STAY (RELEASED),                 GO (IDLE),                  STAY (ARRIVING)},
  [BAL_EVENT_NOT_RESTORED]   = {STAY (IDLE),               STAY (PLAIN),              STAY (RELEASING),                STAY (RELEASED),                 STEP (RESTORING, WAIT),     STAY (ARRIVING)},
  [BAL_EVENT_RETRY]          = {STAY (IDLE),               STAY (PLAIN),              STAY (RELEASING),                STAY (RELEASED),                 STEP (RESTORING, RESTORE),  STAY (ARRIVING)},
};
/* clang-format on */

const char *
bal_state_name (BalState state)
{
  static const char *const names[BAL_N_STATES] = {"idle",     "plain",     "releasing",
                                                  "released", "restoring", "arriving"};

  return names[state];
}

BalAction
bal_state_step (BalState *state, BalEvent event)
{
  const Step *step = &table[event][*state];

  *state = step->next;
  return step->action;
}
