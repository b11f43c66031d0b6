/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/migrate-options.h"

#include <string.h>

#include "protocol/codec.h"

typedef enum
{
  OPTION_FLAG,     /* a bit of VIR_MIGRATE_* */
  OPTION_STRING,   /* a string parameter */
  OPTION_FILE,     /* a string parameter with the content of the named file */
  OPTION_LIST,     /* one string parameter for each word between commas */
  OPTION_INT,      /* an int parameter */
  OPTION_ULLONG,   /* an unsigned long long parameter */
  OPTION_OWN_BOOL, /* handled by this program: a gboolean at `offset` */
  OPTION_OWN_UINT, /* a guint at `offset` */
  OPTION_OWN_STRING,
} OptionKind;

typedef struct
{
  const char *name;
  OptionKind kind;
  unsigned int flag;
  const char *param;
  gsize offset;
  const char *value_name;
  const char *help;
} Option;

#define OWN(member) .offset = G_STRUCT_OFFSET (BalMigrateOptions, member)

/* clang-format off */
static const Option options[] = {
  { "live", OPTION_FLAG, VIR_MIGRATE_LIVE, .help = "Live migration" },
  { "offline", OPTION_FLAG, VIR_MIGRATE_OFFLINE, .help = "Migrate the definition only" },
  { "p2p", OPTION_FLAG, VIR_MIGRATE_PEER2PEER, .help = "Peer-to-peer migration" },
  { "direct", OPTION_OWN_BOOL, OWN (direct), .help = "Direct migration" },
  { "tunnelled", OPTION_FLAG, VIR_MIGRATE_TUNNELLED, .help = "Tunnelled migration" },
  { "persistent", OPTION_FLAG, VIR_MIGRATE_PERSIST_DEST, .help = "Persist the domain there" },
  { "undefinesource", OPTION_FLAG, VIR_MIGRATE_UNDEFINE_SOURCE, .help = "Undefine it here" },
  { "suspend", OPTION_FLAG, VIR_MIGRATE_PAUSED, .help = "Leave it paused at the destination" },
  { "copy-storage-all", OPTION_FLAG, VIR_MIGRATE_NON_SHARED_DISK, .help = "Copy its disks" },
  { "copy-storage-inc", OPTION_FLAG, VIR_MIGRATE_NON_SHARED_INC,
    .help = "Copy its disks' top layers" },
  { "copy-storage-synchronous-writes", OPTION_FLAG, VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES,
    .help = "Write to both disks at once while copying" },
  { "change-protection", OPTION_FLAG, VIR_MIGRATE_CHANGE_PROTECTION,
    .help = "Forbid changes of the domain meanwhile" },
  { "unsafe", OPTION_FLAG, VIR_MIGRATE_UNSAFE, .help = "Migrate even if it may be unsafe" },
  { "verbose", OPTION_OWN_BOOL, OWN (verbose), .help = "Show progress also without a terminal" },
  { "compressed", OPTION_FLAG, VIR_MIGRATE_COMPRESSED, .help = "Compress repeated pages" },
  { "auto-converge", OPTION_FLAG, VIR_MIGRATE_AUTO_CONVERGE, .help = "Throttle to converge" },
  { "rdma-pin-all", OPTION_FLAG, VIR_MIGRATE_RDMA_PIN_ALL, .help = "Pin all memory for RDMA" },
  { "abort-on-error", OPTION_FLAG, VIR_MIGRATE_ABORT_ON_ERROR, .help = "Abort on soft errors" },
  { "postcopy", OPTION_FLAG, VIR_MIGRATE_POSTCOPY, .help = "Enable post-copy" },
  { "postcopy-after-precopy", OPTION_OWN_BOOL, OWN (postcopy_after_precopy),
    .help = "Switch to post-copy after the first pass" },
  { "postcopy-resume", OPTION_FLAG, VIR_MIGRATE_POSTCOPY_RESUME,
    .help = "Resume a failed post-copy migration" },
  { "zerocopy", OPTION_FLAG, VIR_MIGRATE_ZEROCOPY, .help = "Send without copying" },
  { "tls", OPTION_FLAG, VIR_MIGRATE_TLS, .help = "Encrypt with TLS" },
  { "parallel", OPTION_FLAG, VIR_MIGRATE_PARALLEL, .help = "Use several connections" },
  { "migrateuri", OPTION_STRING, .param = VIR_MIGRATE_PARAM_URI, .value_name = "URI",
    .help = "Migration URI" },
  { "graphicsuri", OPTION_STRING, .param = VIR_MIGRATE_PARAM_GRAPHICS_URI, .value_name = "URI",
    .help = "Graphics URI" },
  { "listen-address", OPTION_STRING, .param = VIR_MIGRATE_PARAM_LISTEN_ADDRESS,
    .value_name = "ADDRESS", .help = "Where the destination listens" },
  { "dname", OPTION_OWN_STRING, OWN (destination_name), .value_name = "NAME",
    .help = "The domain's name at the destination" },
  { "timeout", OPTION_OWN_UINT, OWN (timeout_s), .value_name = "SECONDS",
    .help = "Suspend, or switch to post-copy, after this time" },
  { "timeout-suspend", OPTION_OWN_BOOL, OWN (timeout_suspend), .help = "Suspend on time-out" },
  { "timeout-postcopy", OPTION_OWN_BOOL, OWN (timeout_postcopy),
    .help = "Switch to post-copy on time-out" },
  { "xml", OPTION_FILE, .param = VIR_MIGRATE_PARAM_DEST_XML, .value_name = "FILE",
    .help = "Domain XML for the destination" },
  { "persistent-xml", OPTION_FILE, .param = VIR_MIGRATE_PARAM_PERSIST_XML, .value_name = "FILE",
    .help = "Persistent domain XML for the destination" },
  { "migrate-disks", OPTION_LIST, .param = VIR_MIGRATE_PARAM_MIGRATE_DISKS, .value_name = "LIST",
    .help = "Disks to copy" },
  { "disks-port", OPTION_INT, .param = VIR_MIGRATE_PARAM_DISKS_PORT, .value_name = "PORT",
    .help = "Port for the disks" },
  { "disks-uri", OPTION_STRING, .param = VIR_MIGRATE_PARAM_DISKS_URI, .value_name = "URI",
    .help = "URI for the disks" },
  { "comp-methods", OPTION_LIST, .param = VIR_MIGRATE_PARAM_COMPRESSION, .value_name = "LIST",
    .help = "Compression methods" },
  { "comp-mt-level", OPTION_INT, .param = VIR_MIGRATE_PARAM_COMPRESSION_MT_LEVEL,
    .value_name = "N", .help = "Multithread compression level" },
  { "comp-mt-threads", OPTION_INT, .param = VIR_MIGRATE_PARAM_COMPRESSION_MT_THREADS,
    .value_name = "N", .help = "Compression threads" },
  { "comp-mt-dthreads", OPTION_INT, .param = VIR_MIGRATE_PARAM_COMPRESSION_MT_DTHREADS,
    .value_name = "N", .help = "Decompression threads" },
  { "comp-xbzrle-cache", OPTION_ULLONG, .param = VIR_MIGRATE_PARAM_COMPRESSION_XBZRLE_CACHE,
    .value_name = "BYTES", .help = "XBZRLE page cache" },
#ifdef VIR_MIGRATE_PARAM_COMPRESSION_ZLIB_LEVEL
  { "comp-zlib-level", OPTION_INT, .param = VIR_MIGRATE_PARAM_COMPRESSION_ZLIB_LEVEL,
    .value_name = "N", .help = "zlib compression level" },
  { "comp-zstd-level", OPTION_INT, .param = VIR_MIGRATE_PARAM_COMPRESSION_ZSTD_LEVEL,
    .value_name = "N", .help = "zstd compression level" },
#endif
  { "auto-converge-initial", OPTION_INT, .param = VIR_MIGRATE_PARAM_AUTO_CONVERGE_INITIAL,
    .value_name = "PERCENT", .help = "Initial throttling" },
  { "auto-converge-increment", OPTION_INT, .param = VIR_MIGRATE_PARAM_AUTO_CONVERGE_INCREMENT,
    .value_name = "PERCENT", .help = "Throttling increment" },
  { "postcopy-bandwidth", OPTION_ULLONG, .param = VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY,
    .value_name = "MIBPS", .help = "Post-copy bandwidth limit in MiB/s" },
  { "parallel-connections", OPTION_INT, .param = VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS,
    .value_name = "N", .help = "Number of connections" },
  { "bandwidth", OPTION_ULLONG, .param = VIR_MIGRATE_PARAM_BANDWIDTH, .value_name = "MIBPS",
    .help = "Bandwidth limit in MiB/s" },
  { "tls-destination", OPTION_STRING, .param = VIR_MIGRATE_PARAM_TLS_DESTINATION,
    .value_name = "NAME", .help = "Host name that TLS checks" },
  { "domain", OPTION_OWN_STRING, OWN (domain), .value_name = "DOMAIN",
    .help = "The domain's name, id or UUID" },
  { "desturi", OPTION_OWN_STRING, OWN (destination_uri), .value_name = "URI",
    .help = "The destination's libvirt" },
};
/* clang-format on */

static const Option *
find_option (const char *dashed_name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (options); i++)
    if (strcmp (dashed_name + strlen ("--"), options[i].name) == 0)
      return &options[i];
  g_assert_not_reached ();
}

static gboolean
bad_value (GError **error, const char *name, const char *value)
{
  g_autofree char *shown = bal_escape_for_display (value);

  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
               "Option --%s does not take the value \"%s\"", name, shown);
  return FALSE;
}

static void
add_string (BalMigrateOptions *self, const char *param, const char *value)
{
  /* Fails only for a name or value that libvirt's headers rule out. */
  g_assert_cmpint (virTypedParamsAddString (&self->params, &self->n_params, &self->params_allocated,
                                            param, value),
                   ==, 0);
}

static gboolean
add_file (BalMigrateOptions *self, const Option *option, const char *path, GError **error)
{
  g_autofree char *content = NULL;
  g_autoptr (GError) failure = NULL;

  if (!g_file_get_contents (path, &content, NULL, &failure))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   "Cannot read the file of --%s: %s", option->name, failure->message);
      return FALSE;
    }
  add_string (self, option->param, content);
  return TRUE;
}

static gboolean
add_list (BalMigrateOptions *self, const Option *option, const char *value, GError **error)
{
  g_auto (GStrv) words = g_strsplit (value, ",", -1);

  for (guint i = 0; words[i]; i++)
    {
      if (words[i][0] == '\0')
        return bad_value (error, option->name, value);
      add_string (self, option->param, words[i]);
    }
  return TRUE;
}

static gboolean
add_number (BalMigrateOptions *self, const Option *option, const char *value, GError **error)
{
  guint64 max = option->kind == OPTION_ULLONG ? G_MAXINT64 : G_MAXINT;
  guint64 number;

  if (!g_ascii_string_to_unsigned (value, 10, 0, max, &number, NULL))
    return bad_value (error, option->name, value);
  if (option->kind == OPTION_OWN_UINT)
    *(guint *)G_STRUCT_MEMBER_P (self, option->offset) = (guint)number;
  else if (option->kind == OPTION_INT)
    virTypedParamsAddInt (&self->params, &self->n_params, &self->params_allocated, option->param,
                          (int)number);
  else
    virTypedParamsAddULLong (&self->params, &self->n_params, &self->params_allocated, option->param,
                             number);
  return TRUE;
}

static gboolean
take_option (const char *name, const char *value, gpointer data, GError **error)
{
  BalMigrateOptions *self = data;
  const Option *option = find_option (name);

  switch (option->kind)
    {
    case OPTION_FLAG:
      self->flags |= option->flag;
      return TRUE;
    case OPTION_OWN_BOOL:
      *(gboolean *)G_STRUCT_MEMBER_P (self, option->offset) = TRUE;
      return TRUE;
    case OPTION_OWN_STRING:
      g_free (*(char **)G_STRUCT_MEMBER_P (self, option->offset));
      *(char **)G_STRUCT_MEMBER_P (self, option->offset) = g_strdup (value);
      return TRUE;
    case OPTION_STRING:
      add_string (self, option->param, value);
      return TRUE;
    case OPTION_FILE:
      self->has_destination_xml |= strcmp (option->name, "xml") == 0;
      return add_file (self, option, value, error);
    case OPTION_LIST:
      return add_list (self, option, value, error);
    case OPTION_INT:
    case OPTION_ULLONG:
    case OPTION_OWN_UINT:
      return add_number (self, option, value, error);
    }
  g_assert_not_reached ();
}

GOptionGroup *
bal_migrate_options_group (BalMigrateOptions *out)
{
  g_autofree GOptionEntry *entries = g_new0 (GOptionEntry, G_N_ELEMENTS (options) + 1);
  GOptionGroup *group;

  /* NB: libvirt's functions for parameters corrupt memory in a process that did not call this. */
  virInitialize ();
  for (gsize i = 0; i < G_N_ELEMENTS (options); i++)
    entries[i] = (GOptionEntry){.long_name = options[i].name,
                                .flags = options[i].value_name ? 0 : G_OPTION_FLAG_NO_ARG,
                                .arg = G_OPTION_ARG_CALLBACK,
                                .arg_data = (gpointer)take_option,
                                .description = options[i].help,
                                .arg_description = options[i].value_name};
  group = g_option_group_new ("migrate", "virsh migrate's options:", "Show virsh migrate's options",
                              out, NULL);
  g_option_group_add_entries (group, entries);
  return group;
}

void
bal_migrate_options_clear (BalMigrateOptions *self)
{
  g_free (self->domain);
  g_free (self->destination_uri);
  g_free (self->destination_name);
  virTypedParamsFree (self->params, self->n_params);
  *self = (BalMigrateOptions){0};
}

static gboolean
usage_error (GError **error, const char *sentence)
{
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "%s; nothing was touched", sentence);
  return FALSE;
}

static gboolean
check_combinations (const BalMigrateOptions *self, GError **error)
{
  if (!self->domain || !self->destination_uri)
    return usage_error (error, "A domain and a destination URI are needed");
  if (self->timeout_suspend && self->timeout_postcopy)
    return usage_error (error, "--timeout-suspend and --timeout-postcopy exclude each other");
  if ((self->timeout_suspend || self->timeout_postcopy) && self->timeout_s == 0)
    return usage_error (error, "--timeout-suspend and --timeout-postcopy need --timeout");
  if (self->timeout_s && !(self->flags & VIR_MIGRATE_LIVE))
    return usage_error (error, "--timeout needs --live");
  if (self->timeout_postcopy && !(self->flags & VIR_MIGRATE_POSTCOPY))
    return usage_error (error, "--timeout-postcopy needs --postcopy");
  if (self->postcopy_after_precopy && !(self->flags & VIR_MIGRATE_POSTCOPY))
    return usage_error (error, "--postcopy-after-precopy needs --postcopy");
  if ((self->flags & VIR_MIGRATE_TUNNELLED) && !(self->flags & VIR_MIGRATE_PEER2PEER))
    return usage_error (error, "--tunnelled needs --p2p");
  return TRUE;
}

gboolean
bal_migrate_options_finish (BalMigrateOptions *self, char **arguments, GError **error)
{
  const char *const order[] = {"--domain",      "--desturi",        "--migrateuri",
                               "--graphicsuri", "--listen-address", "--dname"};
  guint next = 0;

  if (self->domain)
    next = 1;
  if (self->domain && self->destination_uri)
    next = 2;
  for (guint i = 0; arguments && arguments[i]; i++, next++)
    {
      if (next >= G_N_ELEMENTS (order))
        return usage_error (error, "There are more arguments than virsh migrate takes");
      if (!take_option (order[next], arguments[i], self, error))
        return FALSE;
    }
  if (!check_combinations (self, error))
    return FALSE;

  self->timeout_action = self->timeout_postcopy ? BAL_TIMEOUT_POSTCOPY : BAL_TIMEOUT_SUSPEND;
  if (self->destination_name)
    add_string (self, VIR_MIGRATE_PARAM_DEST_NAME, self->destination_name);
  return TRUE;
}
