/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/daemon-message.h"
#include "json-literal.h"
#include "protocol/messages.h"

#define UUID "6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f"

/* What ballastd understands of what a client builds. */
static void
pass (const BalVfCall *call, BalDaemonCall *out)
{
  g_autoptr (GBytes) request = bal_daemon_build_vf (call);
  g_autoptr (BalDaemonIntake) intake = bal_daemon_intake_new ();
  g_autoptr (GError) error = NULL;
  gsize length;
  const void *bytes = g_bytes_get_data (request, &length);

  bal_daemon_intake_feed (intake, bytes, length, &error);
  g_assert_no_error (error);
  g_assert_true (bal_daemon_intake_take (intake, out));
  g_assert_cmpint (out->command, ==, BAL_DAEMON_COMMAND_VF);
  g_assert_cmpint (out->vf.command, ==, call->command);
}

static void
test_round_trip (void)
{
  for (guint with = 0; with < 2; with++)
    for (guint i = 0; i < BAL_VF_COMMANDS; i++)
      {
        g_auto (BalVfCall) call = {0};
        g_auto (BalDaemonCall) out = {0};

        bal_vf_call_init (&call, (BalVfCommand)i);
        if (i == BAL_VF_COMMAND_LIST && with)
          call.pf = g_strdup ("enp3s0f0");
        if (i == BAL_VF_COMMAND_RELEASE || i >= BAL_VF_COMMAND_DETACH)
          call.uuid = g_strdup (UUID);
        if (i == BAL_VF_COMMAND_RELEASE && with)
          call.port = g_strdup ("net0");
        call.in_config = with && (i == BAL_VF_COMMAND_RELEASE || i == BAL_VF_COMMAND_ALLOCATE);
        if (i == BAL_VF_COMMAND_ALLOCATE)
          {
            call.request.uuid = g_strdup (UUID);
            call.request.port = g_strdup ("net0");
            call.request.bandwidth_mbps = 1000;
            call.request.mac = g_strdup ("52:54:00:12:34:56");
            call.request.pf = g_strdup (with ? "enp3s0f0" : NULL);
          }
        pass (&call, &out);
        g_assert_cmpstr (out.vf.pf, ==, call.pf);
        g_assert_cmpstr (out.vf.uuid, ==, call.uuid);
        g_assert_cmpstr (out.vf.port, ==, call.port);
        g_assert_cmpint (out.vf.in_config, ==, call.in_config);
        g_assert_true (bal_vf_request_equal (&out.vf.request, &call.request));
      }
}

static void
assert_refused (const char *line)
{
  g_autoptr (BalDaemonIntake) intake = bal_daemon_intake_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *quoted = g_strdelimit (g_strconcat (line, "\n", NULL), "'", '"');

  g_test_message ("%s", line);
  g_assert_false (bal_daemon_intake_feed (intake, quoted, strlen (quoted), &error));
  g_assert_error (error, BAL_VF_ERROR, BAL_VF_ERROR_INVALID);
}

static void
test_refused (void)
{
  assert_refused ("{'execute':'vf-list','arguments':{'nic':'eth0'}}");
  assert_refused ("{'execute':'vf-list','arguments':{'pf':'a/b'}}");
  assert_refused ("{'execute':'vf-list','arguments':{'pf':1}}");
  assert_refused ("{'execute':'vf-allocate'}");
  assert_refused ("{'execute':'vf-allocate','arguments':{'domain':'" UUID "','port':'net0'}}");
  assert_refused ("{'execute':'vf-allocate','arguments':{'domain':'" UUID "','port':'net0',"
                  "'bandwidth':'1Gbit','config':1}}");
  assert_refused ("{'execute':'vf-allocate','arguments':{'domain':'" UUID "','port':'net0',"
                  "'bandwidth':'1Gbit','required':true}}");
  assert_refused ("{'execute':'vf-release'}");
  assert_refused ("{'execute':'vf-release','arguments':{'domain':'vm1'}}");
  assert_refused ("{'execute':'vf-release','arguments':{'domain':'" UUID "','all':true}}");
  assert_refused ("{'execute':'vf-release','arguments':{'domain':'" UUID "','port':''}}");
  assert_refused ("{'execute':'vf-reconcile','arguments':{'domain':'" UUID "'}}");
  assert_refused ("{'execute':'vf-detach'}");
  assert_refused ("{'execute':'vf-attach','arguments':{'domain':'" UUID "','port':'net0'}}");
}

static void
test_error_classes (void)
{
  for (int code = BAL_VF_ERROR_INVALID; code <= BAL_VF_ERROR_LEDGER; code++)
    {
      const char *error_class = bal_vf_error_class ((BalVfError)code);
      g_autoptr (GBytes) reply = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree char *sentence = g_strnfill (2000, 'x');
      gsize length;
      const char *line;

      if (code == BAL_VF_ERROR_NETLINK)
        {
          g_assert_null (error_class);
          continue;
        }
      reply = bal_daemon_build_error (error_class, sentence);
      line = g_bytes_get_data (reply, &length);
      g_assert_null (bal_daemon_parse_reply (line, length - 1, &error));
      g_assert_error (error, BAL_VF_ERROR, code);
      g_assert_cmpstr (error->message, ==, sentence);
    }
}

/* A class that this version does not know is an error all the same; what a sentence holds cannot
 * reach a terminal. */
static void
test_other_errors (void)
{
  static const char *const lines[] = {
    "{\"error\":{\"class\":\"VfLater\",\"desc\":\"no\"}}",
    "{\"error\":{\"class\":\"VfRefused\",\"desc\":\"\\u001b[2J\"}}",
    "{\"error\":{\"class\":\"VfRefused\"}}",
    "{\"error\":{\"class\":1,\"desc\":\"\"}}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_null (bal_daemon_parse_reply (lines[i], strlen (lines[i]), &error));
      g_assert_nonnull (error);
      g_assert_null (strchr (error->message, '\033'));
      g_assert_cmpint (error->domain == BAL_VF_ERROR, ==, i == 1);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/daemon-message-vf/round-trip", test_round_trip);
  g_test_add_func ("/daemon-message-vf/refused", test_refused);
  g_test_add_func ("/daemon-message-vf/error-classes", test_error_classes);
  g_test_add_func ("/daemon-message-vf/other-errors", test_other_errors);
  return g_test_run ();
}
