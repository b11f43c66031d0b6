/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vf-service-fake.h"

#include "host-hook/vf-error.h"

#include <string.h>

struct _BalVfService
{
  int unused;
};

static struct
{
  GMutex mutex;
  GCond let_go;
  GPtrArray *lines;
  char *held;
  guint n_services;
  gboolean is_broken;
  gboolean is_idle;
} fake;

void
vf_service_fake_init (void)
{
  fake.lines = g_ptr_array_new_with_free_func (g_free);
  fake.is_broken = fake.is_idle = FALSE;
}

void
vf_service_fake_clear (void)
{
  g_assert_cmpuint (fake.n_services, ==, 0);
  g_clear_pointer (&fake.lines, g_ptr_array_unref);
  g_clear_pointer (&fake.held, g_free);
}

void
vf_service_fake_break (gboolean is_broken)
{
  fake.is_broken = is_broken;
}

void
vf_service_fake_set_idle (gboolean is_idle)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fake.mutex);
  fake.is_idle = is_idle;
}

void
vf_service_fake_hold (const char *line)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fake.mutex);
  g_free (fake.held);
  fake.held = g_strdup (line);
}

void
vf_service_fake_let_go (void)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fake.mutex);
  g_clear_pointer (&fake.held, g_free);
  g_cond_broadcast (&fake.let_go);
}

guint
vf_service_fake_count (const char *line)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fake.mutex);
  guint n = 0;

  for (guint i = 0; i < fake.lines->len; i++)
    n += strcmp (fake.lines->pdata[i], line) == 0;
  return n;
}

guint
vf_service_fake_n (void)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fake.mutex);
  return fake.n_services;
}

/* Consumes @line. */
static void
note (char *line)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fake.mutex);

  g_test_message ("%s", line);
  g_ptr_array_add (fake.lines, line);
  while (g_strcmp0 (fake.held, line) == 0)
    g_cond_wait (&fake.let_go, &fake.mutex);
}

/* A port or a domain's XML that says "refuse" is refused. */
static gboolean
answer (const char *text, GError **error)
{
  if (strstr (text, "refuse") == NULL)
    return TRUE;
  g_set_error_literal (error, BAL_VF_ERROR, BAL_VF_ERROR_REFUSED, "There is nothing left");
  return FALSE;
}

/* --- the service --- */

BalVfService *
bal_vf_service_new (const char *root, const char *config_path, const BalVfNic *nic, GError **error)
{
  note (g_strdup ("new"));
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fake.mutex);

  if (fake.is_broken)
    {
      g_set_error_literal (error, BAL_VF_ERROR, BAL_VF_ERROR_LEDGER, "The ledger is damaged");
      return NULL;
    }
  fake.n_services++;
  return g_new0 (BalVfService, 1);
}

void
bal_vf_service_free (BalVfService *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fake.mutex);
  fake.n_services--;
  g_free (self);
}

gboolean
bal_vf_service_reload (BalVfService *self, GError **error)
{
  note (g_strdup ("reload"));
  return TRUE;
}

void
bal_vf_service_set_connection (BalVfService *self, virConnectPtr connection)
{
  note (g_strdup (connection != NULL ? "up" : "down"));
}

gboolean
bal_vf_service_allocate (BalVfService *self,
                         const BalVfRequest *request,
                         gboolean in_config,
                         JsonObject **port,
                         GError **error)
{
  note (g_strdup_printf ("allocate %s%s", request->port, in_config ? " config" : ""));
  if (!answer (request->port, error))
    return FALSE;
  *port = json_object_new ();
  json_object_set_string_member (*port, "port", request->port);
  return TRUE;
}

gboolean
bal_vf_service_release (
  BalVfService *self, const char *uuid, const char *port, gboolean in_config, GError **error)
{
  note (g_strdup_printf ("release %s%s", port != NULL ? port : "all", in_config ? " config" : ""));
  return answer (port != NULL ? port : "", error);
}

gboolean
bal_vf_service_park (BalVfService *self, const char *uuid, GError **error)
{
  note (g_strdup_printf ("park %s", uuid));
  return TRUE;
}

gboolean
bal_vf_service_unpark (BalVfService *self, const char *uuid, GError **error)
{
  note (g_strdup_printf ("unpark %s", uuid));
  return TRUE;
}

void
bal_vf_service_settle (BalVfService *self, const char *uuid)
{
  note (g_strdup_printf ("settle %s", uuid != NULL ? uuid : "all"));
}

JsonObject *
bal_vf_service_list (BalVfService *self, const char *pf, GError **error)
{
  JsonObject *list = json_object_new ();

  note (g_strdup_printf ("list %s", pf != NULL ? pf : "all"));
  json_object_set_array_member (list, "pfs", json_array_new ());
  return list;
}

gboolean
bal_vf_service_is_idle (BalVfService *self)
{
  g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&fake.mutex);
  return fake.is_idle;
}

gboolean
bal_vf_service_prepare (BalVfService *self, const char *xml, GError **error)
{
  note (g_strdup ("prepare"));
  return answer (xml, error);
}

gboolean
bal_vf_service_arrive (BalVfService *self, const char *xml, char **new_xml, GError **error)
{
  note (g_strdup ("arrive"));
  *new_xml = strstr (xml, "rewrite") != NULL ? g_strdup ("<new/>") : NULL;
  return answer (xml, error);
}

void
bal_vf_service_end (BalVfService *self, const char *uuid)
{
  note (g_strdup_printf ("end %s", uuid));
}
