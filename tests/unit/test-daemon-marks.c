/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Marks that are freed while their thread is at work. libvirt is the test's. */
#include "host-hook/daemon-marks.h"

static struct
{
  GMutex mutex;
  GCond cond;
  gboolean is_asked;  /* the thread waits for libvirt */
  gboolean may_go_on; /* libvirt answers */
  gint n_references;  /* of the connection */
  guint n_told;
} state;

int __wrap_virConnectRef (virConnectPtr connection);
int __wrap_virConnectClose (virConnectPtr connection);
virDomainPtr __wrap_virDomainLookupByUUIDString (virConnectPtr connection, const char *uuid);

int
__wrap_virConnectRef (virConnectPtr connection)
{
  g_atomic_int_inc (&state.n_references);
  return 0;
}

int
__wrap_virConnectClose (virConnectPtr connection)
{
  return g_atomic_int_dec_and_test (&state.n_references) ? 0 : 1;
}

virDomainPtr
__wrap_virDomainLookupByUUIDString (virConnectPtr connection, const char *uuid)
{
  g_mutex_lock (&state.mutex);
  state.is_asked = TRUE;
  g_main_context_wakeup (NULL);
  while (!state.may_go_on)
    g_cond_wait (&state.cond, &state.mutex);
  g_mutex_unlock (&state.mutex);
  return NULL;
}

static void
on_marked (const char *uuid, gpointer user_data)
{
  state.n_told++;
}

static gboolean
is_asked (void)
{
  g_mutex_lock (&state.mutex);
  gboolean result = state.is_asked;
  g_mutex_unlock (&state.mutex);
  return result;
}

static void
go_on (void)
{
  g_mutex_lock (&state.mutex);
  state.may_go_on = TRUE;
  g_cond_broadcast (&state.cond);
  g_mutex_unlock (&state.mutex);
}

/* Two marks of which the second one waits for the first. */
static BalMarks *
begin (void)
{
  BalMarks *marks = bal_marks_new (on_marked, NULL);

  state.is_asked = state.may_go_on = FALSE;
  state.n_told = 0;
  bal_marks_add (marks, NULL, "first");
  bal_marks_add (marks, NULL, "second");
  while (!is_asked ())
    g_main_context_iteration (NULL, TRUE);
  return marks;
}

static void
wait_until_over (void)
{
  go_on ();
  while (g_atomic_int_get (&state.n_references) > 0)
    g_main_context_iteration (NULL, TRUE);
}

static void
test_all_are_told (void)
{
  BalMarks *marks = begin ();

  wait_until_over ();
  g_assert_cmpuint (state.n_told, ==, 2);
  bal_marks_free (marks);
}

static void
test_freed_in_the_middle (void)
{
  bal_marks_free (begin ());
  wait_until_over ();
  g_assert_cmpuint (state.n_told, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/daemon-marks/all-are-told", test_all_are_told);
  g_test_add_func ("/daemon-marks/freed-in-the-middle", test_freed_in_the_middle);
  return g_test_run ();
}
