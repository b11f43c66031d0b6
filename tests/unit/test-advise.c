/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "advise-case.h"

#include <string.h>

static void
test_content (AdviseCase *self, gconstpointer data)
{
  self->live = self->definition = SERIAL CHANNEL ("connected") NO_BALLOON;
  advise_case_advise (self);
  advise_case_assert_content (self, "hold");

  self->definition = NULL;
  advise_case_advise (self);
  advise_case_assert_content (self, "hold");

  self->live = self->definition = SERIAL CHANNEL ("connected") BALLOON VIRTIO_MEM;
  advise_case_advise (self);
  advise_case_assert_content (self, "virtio-mem,hold");
}

static void
assert_channel (AdviseCase *self, BalAdviceWhen when, const char *command)
{
  const BalAdvice *advice;

  advise_case_advise (self);
  advice = advise_case_require (self, "agent-channel", BAL_ADVICE_LACKS);
  g_assert_true (self->list.items->pdata[0] == advice);
  g_assert_true (bal_advice_list_lacks (&self->list));
  g_assert_cmpint (advice->when, ==, when);
  g_assert_cmpstr (advice->command, ==, command);
  g_assert_cmpuint (advice->device_xml->len, ==, 1);
  g_assert_nonnull (strstr (advice->device_xml->pdata[0], "name='org.ballast.guest_agent.0'"));
}

static void
test_channel (AdviseCase *self, gconstpointer data)
{
  advise_case_silence (self);
  self->live = self->definition = SERIAL BALLOON;
  assert_channel (self, BAL_ADVICE_AT_ONCE, "virsh attach-device 'web 1' FILE --live --config");
  self->definition = NULL;
  assert_channel (self, BAL_ADVICE_AT_ONCE, "virsh attach-device 'web 1' FILE --live");
  self->definition = SERIAL BALLOON CHANNEL ("");
  assert_channel (self, BAL_ADVICE_AT_ONCE, "virsh attach-device 'web 1' FILE --live");

  self->live = self->definition = BALLOON;
  assert_channel (self, BAL_ADVICE_AT_NEXT_START, "virsh attach-device 'web 1' FILE --config");
  self->definition = NULL;
  assert_channel (self, BAL_ADVICE_AT_NEXT_START, NULL);

  self->live = NULL;
  self->definition = BALLOON;
  assert_channel (self, BAL_ADVICE_AT_NEXT_START, "virsh attach-device 'web 1' FILE --config");
  advise_case_assert_mechanisms (self, "balloon");
}

static void
test_channel_at_next_start (AdviseCase *self, gconstpointer data)
{
  const BalAdvice *advice;

  advise_case_silence (self);
  self->live = BALLOON;
  self->definition = BALLOON SERIAL CHANNEL ("");
  advise_case_advise (self);
  advice = advise_case_require (self, "agent-channel", BAL_ADVICE_LACKS);
  g_assert_cmpint (advice->when, ==, BAL_ADVICE_AT_NEXT_START);
  g_assert_null (advice->command);
  g_assert_cmpuint (advice->device_xml->len, ==, 0);
}

/* It works now, and would not after the next start. */
static void
test_channel_that_is_plugged_alone (AdviseCase *self, gconstpointer data)
{
  self->live = SERIAL CHANNEL ("connected") BALLOON;
  self->definition = SERIAL BALLOON;
  assert_channel (self, BAL_ADVICE_AT_NEXT_START, "virsh attach-device 'web 1' FILE --config");
  advise_case_assert_mechanisms (self, "hold");
  g_assert_cmpuint (self->list.items->len, ==, 1);
}

static void
assert_agent (AdviseCase *self, BalAdviceKind kind, const char *said)
{
  const BalAdvice *advice;

  advise_case_advise (self);
  advice = advise_case_require (self, "guest-agent", kind);
  g_assert_cmpint (advice->when, ==, BAL_ADVICE_IN_GUEST);
  g_assert_nonnull (strstr (advice->text, said));
  g_assert_null (advise_case_find (self, "agent-channel", BAL_ADVICE_LACKS));
  advise_case_assert_mechanisms (self, "balloon");
}

static void
test_agent (AdviseCase *self, gconstpointer data)
{
  self->live = self->definition = SERIAL CHANNEL ("connected") BALLOON;
  self->facts.hold_works = FALSE;
  assert_agent (self, BAL_ADVICE_LACKS, "configuration");
  self->facts.agent_answers = FALSE;
  self->facts.agent_problem = g_strdup ("nobody is there");
  assert_agent (self, BAL_ADVICE_LACKS, "nobody is there");
  g_free (self->facts.agent_problem);
  self->facts.source_local = FALSE;
  assert_agent (self, BAL_ADVICE_NOTE, "remote");
  self->facts.running = FALSE;
  assert_agent (self, BAL_ADVICE_NOTE, "does not run");
}

static void
test_guest_that_keeps_its_memory (AdviseCase *self, gconstpointer data)
{
  self->live = self->definition = SERIAL CHANNEL ("connected") BALLOON;
  self->facts.memory.overcommit_mode = 2;
  advise_case_advise (self);
  advise_case_assert_mechanisms (self, "");
  g_assert_cmpuint (self->list.items->len, ==, 1);
  g_assert_nonnull (strstr (advise_case_require (self, "guest-settings", BAL_ADVICE_LACKS)->text,
                            "vm.overcommit_memory=2"));

  self->facts.memory = (BalMemoryInfo){.init_on_free = BAL_TRI_YES};
  advise_case_advise (self);
  advise_case_assert_mechanisms (self, "hold");
  g_assert_nonnull (strstr (advise_case_require (self, "guest-settings", BAL_ADVICE_NOTE)->text,
                            "nothing is to be gained"));
}

static void
test_encryption (AdviseCase *self, gconstpointer data)
{
  self->live = self->definition = BALLOON;
  self->top = "<launchSecurity type='sev'/>";
  advise_case_advise (self);
  advise_case_assert_mechanisms (self, "");
  g_assert_cmpuint (self->list.items->len, ==, 1);
  advise_case_require (self, "encryption", BAL_ADVICE_NOTE);
}

static void
test_balloon (AdviseCase *self, gconstpointer data)
{
  static const struct
  {
    const char *devices;
    const char *top;
    const char *said;
  } obstacles[] = {
    {BALLOON "<hostdev type='pci'/>", "", "VFIO"},
    {BALLOON, "<memoryBacking><hugepages/></memoryBacking>", "huge page"},
    {BALLOON, "<memoryBacking><locked/></memoryBacking>", "locked"},
  };

  self->facts.agent_answers = self->facts.hold_works = FALSE;
  self->live = self->definition = BALLOON;
  advise_case_advise (self);
  advise_case_assert_mechanisms (self, "balloon");
  g_assert_null (advise_case_find (self, "balloon", BAL_ADVICE_NOTE));
  g_assert_null (advise_case_find (self, "balloon", BAL_ADVICE_POSSIBLE));
  for (guint i = 0; i < G_N_ELEMENTS (obstacles); i++)
    {
      self->live = self->definition = obstacles[i].devices;
      self->top = obstacles[i].top;
      advise_case_advise (self);
      advise_case_assert_mechanisms (self, "");
      g_assert_nonnull (
        strstr (advise_case_require (self, "balloon", BAL_ADVICE_NOTE)->text, obstacles[i].said));
    }
  advise_case_allow_only (self, BAL_MECHANISM_VIRTIO_MEM);
  advise_case_advise (self);
  g_assert_null (advise_case_find (self, "balloon", BAL_ADVICE_NOTE));
}

static void
test_balloon_that_is_not_there (AdviseCase *self, gconstpointer data)
{
  const BalAdvice *advice;

  advise_case_silence (self);
  self->live = self->definition = NO_BALLOON;
  advise_case_advise (self);
  advice = advise_case_require (self, "balloon", BAL_ADVICE_POSSIBLE);
  g_assert_cmpint (advice->when, ==, BAL_ADVICE_AT_NEXT_START);
  g_assert_nonnull (strstr (advice->device_xml->pdata[0], "<memballoon model='virtio'>"));

  self->live = self->definition = BALLOON;
  advise_case_advise (self);
  advice = advise_case_require (self, "balloon", BAL_ADVICE_POSSIBLE);
  g_assert_cmpint (advice->when, ==, BAL_ADVICE_IN_GUEST);
  g_assert_cmpuint (advice->device_xml->len, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADVISE_ADD ("/advise/content", test_content);
  ADVISE_ADD ("/advise/channel", test_channel);
  ADVISE_ADD ("/advise/channel-at-next-start", test_channel_at_next_start);
  ADVISE_ADD ("/advise/channel-that-is-plugged-alone", test_channel_that_is_plugged_alone);
  ADVISE_ADD ("/advise/agent", test_agent);
  ADVISE_ADD ("/advise/guest-that-keeps-its-memory", test_guest_that_keeps_its_memory);
  ADVISE_ADD ("/advise/encryption", test_encryption);
  ADVISE_ADD ("/advise/balloon", test_balloon);
  ADVISE_ADD ("/advise/balloon-that-is-not-there", test_balloon_that_is_not_there);
  return g_test_run ();
}
