/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several threads at once, each with a domain of its own. */
#include "vf-service-fixture.h"

typedef struct
{
  VfServiceCase *test;
  guint domain;
} Worker;

static gpointer
work (gpointer data)
{
  Worker *self = data;
  BalVfService *service = self->test->service;
  const char *ports = "<vf:port id='net0' bandwidth='200Mbit' pf='eth3'/>";
  g_autofree char *uuid = g_strdup_printf ("6d1f0c2a-0f9e-4b0e-9c55-%012x", self->domain);
  g_autofree char *xml =
    g_strdup_printf ("<domain><uuid>%s</uuid><metadata><vf:ports xmlns:vf='urn:x-ballast:vf:1'>%s"
                     "</vf:ports></metadata></domain>",
                     uuid, ports);

  for (guint i = 0; i < 40; i++)
    {
      bal_vf_service_prepare (service, xml, NULL);
      bal_vf_service_settle (service, i % 2 == 0 ? NULL : uuid);
      bal_vf_service_end (service, uuid);
    }
  return NULL;
}

static void
test_threads (VfServiceCase *self, gconstpointer data)
{
  GThread *threads[6];
  Worker workers[G_N_ELEMENTS (threads)];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    {
      workers[i] = (Worker){self, 10 + i};
      threads[i] = g_thread_new ("work", work, &workers[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_true (bal_vf_service_is_idle (self->service));
  g_assert_true (vf_service_is_clean (self));
  g_assert_cmpuint (g_hash_table_size (self->service->claims), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  VF_SERVICE_ADD ("/vf-service-threads/threads", test_threads);
  return g_test_run ();
}
