/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/connection.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <string.h>
#include <unistd.h>

#include "host-hook/failure.h"

#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 6

static gpointer
run_events (gpointer data)
{
  while (virEventRunDefaultImpl () == 0)
    ;
  return NULL;
}

static void
ignore_error (void *data, virErrorPtr libvirt_error)
{
}

gboolean
bal_connection_start_events (GError **error)
{
  virSetErrorFunc (NULL, ignore_error);
  if (virInitialize () < 0 || virEventRegisterDefaultImpl () < 0)
    return bal_failure_libvirt (error, BAL_EXIT_FAILED, "Cannot start libvirt's event loop");
  g_thread_unref (g_thread_new ("libvirt-events", run_events, NULL));
  return TRUE;
}

static gboolean
is_local (GUri *uri)
{
  const char *host = uri ? g_uri_get_host (uri) : NULL;

  return uri && (!host || *host == '\0');
}

gboolean
bal_connection_uri_is_local (const char *uri)
{
  const char *wanted = uri ? uri : g_getenv ("LIBVIRT_DEFAULT_URI");
  g_autoptr (GUri) parsed = NULL;

  if (!wanted || *wanted == '\0')
    return TRUE;
  parsed = g_uri_parse (wanted, G_URI_FLAGS_PARSE_RELAXED, NULL);
  return is_local (parsed);
}

/* NB: virReportSystemError() leaves errno in int1: that nobody listens on the socket. */
static gboolean
daemon_is_away (const char *uri)
{
  virErrorPtr failure = virGetLastError ();

  return failure && failure->code == VIR_ERR_SYSTEM_ERROR
         && (failure->int1 == ENOENT || failure->int1 == ECONNREFUSED)
         && bal_connection_uri_is_local (uri);
}

static void
fail_to_connect (const char *uri, GError **error)
{
  const char *what_to_do =
    daemon_is_away (uri) ? "; nothing was touched: start libvirtd or virtqemud" : "";

  g_set_error (error, BAL_FAILURE, BAL_EXIT_NOT_FOUND, "Cannot connect to %s: libvirt says: %s%s",
               uri ? uri : "the default libvirt", virGetLastErrorMessage (), what_to_do);
}

static int
refuse_to_prompt (virConnectCredentialPtr credentials, unsigned int n_credentials, void *data)
{
  return -1;
}

virConnectPtr
bal_connection_open (const char *uri, GError **error)
{
  virConnectAuth auth = *virConnectAuthPtrDefault;
  virConnectPtr connection;

  /* NB: the default one asks /dev/tty then, which from the background stops the process. What is in
   * libvirt's auth.conf is not asked for. */
  if (!isatty (STDIN_FILENO))
    auth.cb = refuse_to_prompt;
  connection = virConnectOpenAuth (uri, &auth, 0);
  if (!connection)
    {
      fail_to_connect (uri, error);
      return NULL;
    }
  /* Refused by drivers that need none, such as a local test driver. */
  virConnectSetKeepAlive (connection, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT);
  return connection;
}

typedef struct
{
  GMutex mutex;
  GCond cond;
  char *uri;
  virConnectPtr connection;
  gboolean done;
  gboolean abandoned; /* nobody waits any more: the thread cleans up */
} Attempt;

static void
attempt_free (Attempt *self)
{
  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->cond);
  g_clear_pointer (&self->connection, virConnectClose);
  g_free (self->uri);
  g_free (self);
}

static gpointer
run_attempt (gpointer data)
{
  Attempt *self = data;
  virConnectPtr connection = bal_connection_open (self->uri, NULL);
  gboolean abandoned;

  g_mutex_lock (&self->mutex);
  self->connection = connection;
  self->done = TRUE;
  abandoned = self->abandoned;
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->mutex);
  if (abandoned)
    attempt_free (self);
  return NULL;
}

virConnectPtr
bal_connection_open_within (const char *uri, guint wait_ms)
{
  gint64 end_us = g_get_monotonic_time () + (gint64)wait_ms * 1000;
  Attempt *self = g_new0 (Attempt, 1);
  virConnectPtr connection = NULL;
  GThread *thread;
  gboolean done;

  g_mutex_init (&self->mutex);
  g_cond_init (&self->cond);
  self->uri = g_strdup (uri);
  thread = g_thread_try_new ("connect", run_attempt, self, NULL);
  if (!thread)
    {
      attempt_free (self);
      return NULL;
    }
  g_thread_unref (thread);
  g_mutex_lock (&self->mutex);
  while (!self->done && g_cond_wait_until (&self->cond, &self->mutex, end_us))
    ;
  done = self->done;
  self->abandoned = !done;
  connection = g_steal_pointer (&self->connection);
  g_mutex_unlock (&self->mutex);
  if (done)
    attempt_free (self);
  return connection;
}

static GUri *
connection_uri (virConnectPtr connection)
{
  g_autofree char *text = virConnectGetURI (connection);

  return text ? g_uri_parse (text, G_URI_FLAGS_PARSE_RELAXED, NULL) : NULL;
}

gboolean
bal_connection_is_local (virConnectPtr connection)
{
  g_autoptr (GUri) uri = connection_uri (connection);

  return is_local (uri);
}

gboolean
bal_connection_is_session (virConnectPtr connection)
{
  g_autoptr (GUri) uri = connection_uri (connection);

  return uri && g_str_has_suffix (g_uri_get_path (uri), "/session");
}

virDomainPtr
bal_domain_find (virConnectPtr connection, const char *name, GError **error)
{
  virDomainPtr domain = NULL;
  guint64 id;

  if (g_ascii_string_to_unsigned (name, 10, 0, G_MAXINT, &id, NULL))
    domain = virDomainLookupByID (connection, (int)id);
  if (!domain && g_uuid_string_is_valid (name))
    domain = virDomainLookupByUUIDString (connection, name);
  if (!domain)
    domain = virDomainLookupByName (connection, name);
  if (!domain)
    bal_failure_libvirt (error, BAL_EXIT_NOT_FOUND,
                         "There is no domain \"%s\"%s, nothing was touched", name,
                         geteuid () == 0 ? "" : " for this user (run this as root)");
  return domain;
}

gboolean
bal_domain_require_active (virDomainPtr domain, GError **error)
{
  if (virDomainIsActive (domain) == 1)
    return TRUE;
  g_set_error (error, BAL_FAILURE, BAL_EXIT_NOT_FOUND,
               "Domain \"%s\" does not run, nothing was touched", virDomainGetName (domain));
  return FALSE;
}

gboolean
bal_domain_read (virDomainPtr domain, BalDomainXml *out, char **xml, GError **error)
{
  g_autofree char *text = virDomainGetXMLDesc (domain, 0);

  if (!text)
    return bal_failure_libvirt (error, BAL_EXIT_FAILED, "Cannot read the XML of domain \"%s\"",
                                virDomainGetName (domain));
  if (!bal_domain_xml_parse (text, out, error))
    return FALSE;
  if (xml)
    *xml = g_steal_pointer (&text);
  return TRUE;
}

/* NB: at a destination that is still in libvirt's Finish phase the question itself is refused. */
static BalDomainState
state_of_job (virDomainPtr domain)
{
  virDomainJobInfo job = {0};

  if (virDomainGetJobInfo (domain, &job) == 0)
    return job.type == VIR_DOMAIN_JOB_NONE ? BAL_DOMAIN_RUNNING : BAL_DOMAIN_BUSY;
  switch (virGetLastErrorCode ())
    {
    case VIR_ERR_OPERATION_INVALID:
    case VIR_ERR_OPERATION_UNSUPPORTED:
      return BAL_DOMAIN_BUSY;
    default:
      return BAL_DOMAIN_UNKNOWN;
    }
}

BalDomainState
bal_domain_state_of_active (virDomainPtr domain)
{
  BalDomainState by_job;
  int state, reason;

  if (virDomainGetState (domain, &state, &reason, 0) < 0)
    return BAL_DOMAIN_UNKNOWN;
  if (state == VIR_DOMAIN_SHUTOFF || state == VIR_DOMAIN_CRASHED)
    return BAL_DOMAIN_GONE;
  if (state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_POSTCOPY_FAILED)
    return BAL_DOMAIN_POSTCOPY_FAILED;
  by_job = state_of_job (domain);
  if (by_job != BAL_DOMAIN_RUNNING)
    return by_job;
  return state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED ? BAL_DOMAIN_RUNNING
                                                                    : BAL_DOMAIN_PAUSED;
}

BalDomainState
bal_domain_state (virConnectPtr connection, const char *uuid)
{
  g_autoptr (virDomain) domain = NULL;

  if (!connection)
    return BAL_DOMAIN_UNKNOWN;
  domain = virDomainLookupByUUIDString (connection, uuid);
  if (!domain)
    return virGetLastErrorCode () == VIR_ERR_NO_DOMAIN ? BAL_DOMAIN_GONE : BAL_DOMAIN_UNKNOWN;
  return bal_domain_state_of_active (domain);
}
