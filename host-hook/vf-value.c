/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/vf-value.h"

#include "host-hook/vf-error.h"
#include "protocol/codec.h"
#include "protocol/limits.h"

#include <string.h>

#define DEVICE_MAX_CHARS 32

/* Digits in front of the point; BAL_VF_BANDWIDTH_MAX_MBPS has seven. */
#define BANDWIDTH_MAX_CHARS 7

G_DEFINE_QUARK (bal_vf_error, bal_vf_error)

static gboolean
fail (GError **error, const char *name, const char *text, const char *expected)
{
  g_autofree char *shown = bal_escape_for_display (text);
  g_set_error (error, BAL_VF_ERROR, BAL_VF_ERROR_INVALID, "%s \"%s\" is not %s", name, shown,
               expected);
  return FALSE;
}

/* --- bandwidth --- */

static gsize
count_digits (const char *text)
{
  return strspn (text, "0123456789");
}

/* The number before @unit in thousandths, @text being digits with or without a fraction. */
static gboolean
parse_thousandths (const char *text, const char **unit, guint64 *out)
{
  gsize n_whole = count_digits (text);
  gsize n_fraction = 0;
  guint64 value = 0;

  if (n_whole == 0 || n_whole > BANDWIDTH_MAX_CHARS)
    return FALSE;
  *unit = text + n_whole;
  if (**unit == '.')
    {
      n_fraction = count_digits (*unit + 1);
      if (n_fraction == 0)
        return FALSE;
      *unit += 1 + n_fraction;
    }
  for (gsize i = 0; i < n_whole; i++)
    value = value * 10 + (guint64)(text[i] - '0');
  for (gsize i = 0; i < MAX (n_fraction, 3); i++)
    {
      guint digit = i < n_fraction ? (guint)(text[n_whole + 1 + i] - '0') : 0;
      if (i < 3)
        value = value * 10 + digit;
      else if (digit != 0)
        return FALSE;
    }
  *out = value;
  return TRUE;
}

static gboolean
scan_bandwidth (const char *text, guint *out_mbps)
{
  const char *unit;
  guint64 thousandths;
  guint64 mbps;

  if (!parse_thousandths (text, &unit, &thousandths))
    return FALSE;
  if (strcmp (unit, "Gbit") == 0)
    mbps = thousandths;
  else if (strcmp (unit, "Mbit") == 0 && thousandths % 1000 == 0)
    mbps = thousandths / 1000;
  else
    return FALSE;
  if (mbps == 0 || mbps > BAL_VF_BANDWIDTH_MAX_MBPS)
    return FALSE;
  *out_mbps = (guint)mbps;
  return TRUE;
}

gboolean
bal_vf_parse_bandwidth (const char *name, const char *text, guint *out_mbps, GError **error)
{
  return scan_bandwidth (text, out_mbps)
         || fail (error, name, text,
                  "a bandwidth such as 500Mbit or 2.5Gbit: from 1Mbit to 1000Gbit, in whole Mbit");
}

char *
bal_vf_format_bandwidth (guint mbps)
{
  return g_strdup_printf ("%uMbit", mbps);
}

/* --- the others --- */

gboolean
bal_vf_parse_mac (const char *name, const char *text, char **out, GError **error)
{
  gboolean ok = strlen (text) == BAL_VF_MAC_SIZE - 1;
  guint sum = 0;

  for (guint i = 0; ok && i < BAL_VF_MAC_SIZE - 1; i++)
    {
      ok = i % 3 == 2 ? text[i] == ':' : g_ascii_isxdigit (text[i]);
      sum += ok && i % 3 != 2 ? (guint)g_ascii_xdigit_value (text[i]) : 0;
    }
  /* The lowest bit of the first octet makes it a group's address. */
  if (!ok || sum == 0 || g_ascii_xdigit_value (text[1]) % 2 != 0)
    return fail (error, name, text, "a unicast MAC address such as 52:54:00:12:34:56");
  *out = g_ascii_strdown (text, -1);
  return TRUE;
}

void
bal_vf_derive_mac (const char *uuid, const char *port, char out[static BAL_VF_MAC_SIZE])
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  guint8 digest[32];
  gsize length = sizeof digest;

  g_checksum_update (checksum, (const guchar *)uuid, -1);
  g_checksum_update (checksum, (const guchar *)"/", 1);
  g_checksum_update (checksum, (const guchar *)port, -1);
  g_checksum_get_digest (checksum, digest, &length);
  /* 02: unicast, locally administered (IEEE 802). */
  g_snprintf (out, BAL_VF_MAC_SIZE, "02:%02x:%02x:%02x:%02x:%02x", digest[0], digest[1], digest[2],
              digest[3], digest[4]);
}

gboolean
bal_vf_parse_vlan (const char *name, const char *text, guint *out, GError **error)
{
  guint64 vlan;

  if (!g_ascii_string_to_unsigned (text, 10, 1, BAL_VF_VLAN_MAX, &vlan, NULL))
    return fail (error, name, text, "a VLAN from 1 to 4094");
  *out = (guint)vlan;
  return TRUE;
}

gboolean
bal_vf_parse_yes_no (const char *name, const char *text, gboolean *out, GError **error)
{
  if (strcmp (text, "yes") != 0 && strcmp (text, "no") != 0)
    return fail (error, name, text, "yes or no");
  *out = text[0] == 'y';
  return TRUE;
}

gboolean
bal_vf_parse_switch (const char *name, const char *text, BalVfSwitch *out, GError **error)
{
  if (strcmp (text, "on") != 0 && strcmp (text, "off") != 0)
    return fail (error, name, text, "on or off");
  *out = text[1] == 'n' ? BAL_VF_ON : BAL_VF_OFF;
  return TRUE;
}

gboolean
bal_vf_parse_numa (const char *name, const char *text, int *out, GError **error)
{
  guint64 node;

  if (strcmp (text, "domain") == 0)
    *out = -1;
  else if (g_ascii_string_to_unsigned (text, 10, 0, BAL_VF_NUMA_NODE_MAX, &node, NULL))
    *out = (int)node;
  else
    return fail (error, name, text, "a NUMA node's number or \"domain\"");
  return TRUE;
}

static gboolean
is_plain (const char *text, gsize max_chars, const char *others)
{
  gsize length = strlen (text);

  if (length == 0 || length > max_chars)
    return FALSE;
  for (; *text != '\0'; text++)
    if (!g_ascii_isalnum (*text) && strchr (others, *text) == NULL)
      return FALSE;
  return TRUE;
}

gboolean
bal_vf_parse_token (const char *name, const char *text, char **out, GError **error)
{
  if (!is_plain (text, BAL_TOKEN_MAX_CHARS, "._-"))
    return fail (error, name, text, "1 to 64 characters of [A-Za-z0-9._-]");
  *out = g_strdup (text);
  return TRUE;
}

gboolean
bal_vf_parse_device (const char *name, const char *text, char **out, GError **error)
{
  if (!is_plain (text, DEVICE_MAX_CHARS, "._:@-") || strcmp (text, ".") == 0
      || strcmp (text, "..") == 0)
    return fail (error, name, text, "a network interface's name or a PCI address");
  *out = g_strdup (text);
  return TRUE;
}

gboolean
bal_vf_parse_alias (const char *name, const char *text, char **out, GError **error)
{
  if (!g_str_has_prefix (text, "ua-") || !is_plain (text + 3, BAL_TOKEN_MAX_CHARS - 3, "_-"))
    return fail (error, name, text,
                 "a device's alias: ua- and 1 to 61 characters of [A-Za-z0-9_-]");
  *out = g_strdup (text);
  return TRUE;
}

gboolean
bal_vf_parse_uuid (const char *name, const char *text, char **out, GError **error)
{
  if (!g_uuid_string_is_valid (text))
    return fail (error, name, text, "a UUID");
  *out = g_ascii_strdown (text, -1);
  return TRUE;
}
