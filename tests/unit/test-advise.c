/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/advise.h"

#include <string.h>

#define GIB_KIB (1024 * 1024)
#define CHANNEL(state)                                                                             \
  "<channel type='unix'><source mode='bind' path='/s'/>"                                           \
  "<target type='virtio' name='org.ballast.guest_agent.0' state='" state "'/></channel>"
#define SERIAL "<controller type='virtio-serial' index='0'/>"
#define BALLOON "<memballoon model='virtio'/>"
#define NO_BALLOON "<memballoon model='none'/>"
#define VIRTIO_MEM                                                                                 \
  "<memory model='virtio-mem'><target><size unit='KiB'>1048576</size><node>0</node>"               \
  "<block unit='KiB'>2048</block><requested unit='KiB'>1048576</requested></target></memory>"
#define HOSTDEV(more)                                                                              \
  "<interface type='hostdev' managed='yes'><mac address='52:54:00:11:22:33'/><source>"             \
  "<address type='pci' domain='0' bus='3' slot='16' function='1'/></source>" more "</interface>"

/* What is advised about; the facts are those of a guest that runs a working agent. */
typedef struct
{
  const char *live;       /* what is in <devices>; NULL: off */
  const char *definition; /* NULL: transient */
  const char *top;        /* other children of <domain> */
  BalFacts facts;
  BalPolicy policy;
  BalAdviceList list;
} Case;

static void
set_up (Case *self, gconstpointer data)
{
  const BalMechanism all[] = {BAL_MECHANISM_VIRTIO_MEM, BAL_MECHANISM_HOLD, BAL_MECHANISM_BALLOON};

  self->top = "";
  self->facts = (BalFacts){.running = TRUE,
                           .source_local = TRUE,
                           .agent_answers = TRUE,
                           .hold_works = TRUE,
                           .has_balloon = TRUE};
  self->policy.mechanisms = g_array_new (FALSE, FALSE, sizeof (BalMechanism));
  g_array_append_vals (self->policy.mechanisms, all, G_N_ELEMENTS (all));
}

static void
tear_down (Case *self, gconstpointer data)
{
  bal_advice_list_clear (&self->list);
  g_array_unref (self->policy.mechanisms);
}

static void
allow_only (Case *self, BalMechanism mechanism)
{
  g_array_set_size (self->policy.mechanisms, 0);
  g_array_append_val (self->policy.mechanisms, mechanism);
}

/* Nobody tells anything: neither agent nor balloon. */
static void
silence (Case *self)
{
  self->facts.agent_answers = self->facts.hold_works = FALSE;
  self->facts.has_balloon = FALSE;
}

static char *
domain_xml (const Case *self, const char *devices)
{
  return devices == NULL
           ? NULL
           : g_strdup_printf ("<domain type='kvm'><name>web 1</name>"
                              "<uuid>6d1f0c2a-0f9e-4b0e-9c55-0a1b2c3d4e5f</uuid>"
                              "<memory unit='KiB'>%d</memory><vcpu placement='static'>4</vcpu>%s"
                              "<devices>%s</devices></domain>",
                              8 * GIB_KIB, self->top, devices);
}

static const BalDomainXml *
parse (const char *text, BalDomainXml *out)
{
  g_autoptr (GError) error = NULL;

  if (text == NULL)
    return NULL;
  bal_domain_xml_parse (text, out, &error);
  g_assert_no_error (error);
  return out;
}

static void
advise (Case *self)
{
  g_autofree char *live_text = domain_xml (self, self->live);
  g_autofree char *definition_text = domain_xml (self, self->definition);
  g_auto (BalDomainXml) live = {0};
  g_auto (BalDomainXml) definition = {0};
  BalAdviceDomain domain = {.live = parse (live_text, &live),
                            .live_text = live_text,
                            .definition = parse (definition_text, &definition),
                            .definition_text = definition_text,
                            .facts = live_text == NULL ? NULL : &self->facts};

  bal_advice_list_clear (&self->list);
  bal_advice_make (&domain, &self->policy, &self->list);
}

static const BalAdvice *
find (const Case *self, const char *topic, BalAdviceKind kind)
{
  for (guint i = 0; i < self->list.items->len; i++)
    {
      const BalAdvice *advice = self->list.items->pdata[i];
      if (strcmp (advice->topic, topic) == 0 && advice->kind == kind)
        return advice;
    }
  return NULL;
}

static const BalAdvice *
require (const Case *self, const char *topic, BalAdviceKind kind)
{
  const BalAdvice *advice = find (self, topic, kind);

  if (advice == NULL)
    g_error ("no advice about %s", topic);
  return advice;
}

/* "hold,balloon" */
static void
assert_mechanisms (const Case *self, const char *expected)
{
  g_autoptr (GString) names = g_string_new (NULL);

  for (guint i = 0; i < self->list.mechanisms->len; i++)
    g_string_append_printf (names, "%s%s", i == 0 ? "" : ",",
                            bal_mechanism_name (
                              g_array_index (self->list.mechanisms, BalMechanism, i)));
  g_assert_cmpstr (names->str, ==, expected);
}

static void
assert_content (const Case *self, const char *mechanisms)
{
  assert_mechanisms (self, mechanisms);
  g_assert_cmpuint (self->list.items->len, ==, 0);
  g_assert_false (bal_advice_list_lacks (&self->list));
}

static void
test_content (Case *self, gconstpointer data)
{
  self->live = self->definition = SERIAL CHANNEL ("connected") NO_BALLOON;
  advise (self);
  assert_content (self, "hold");

  self->definition = NULL;
  advise (self);
  assert_content (self, "hold");

  self->live = self->definition = SERIAL CHANNEL ("connected") BALLOON VIRTIO_MEM;
  advise (self);
  assert_content (self, "virtio-mem,hold");
}

static void
assert_channel (Case *self, BalAdviceWhen when, const char *command)
{
  const BalAdvice *advice;

  advise (self);
  advice = require (self, "agent-channel", BAL_ADVICE_LACKS);
  g_assert_true (self->list.items->pdata[0] == advice);
  g_assert_true (bal_advice_list_lacks (&self->list));
  g_assert_cmpint (advice->when, ==, when);
  g_assert_cmpstr (advice->command, ==, command);
  g_assert_cmpuint (advice->device_xml->len, ==, 1);
  g_assert_nonnull (strstr (advice->device_xml->pdata[0], "name='org.ballast.guest_agent.0'"));
}

static void
test_channel (Case *self, gconstpointer data)
{
  silence (self);
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
  assert_mechanisms (self, "balloon");
}

static void
test_channel_at_next_start (Case *self, gconstpointer data)
{
  const BalAdvice *advice;

  silence (self);
  self->live = BALLOON;
  self->definition = BALLOON SERIAL CHANNEL ("");
  advise (self);
  advice = require (self, "agent-channel", BAL_ADVICE_LACKS);
  g_assert_cmpint (advice->when, ==, BAL_ADVICE_AT_NEXT_START);
  g_assert_null (advice->command);
  g_assert_cmpuint (advice->device_xml->len, ==, 0);
}

/* It works now, and would not after the next start. */
static void
test_channel_that_is_plugged_alone (Case *self, gconstpointer data)
{
  self->live = SERIAL CHANNEL ("connected") BALLOON;
  self->definition = SERIAL BALLOON;
  assert_channel (self, BAL_ADVICE_AT_NEXT_START, "virsh attach-device 'web 1' FILE --config");
  assert_mechanisms (self, "hold");
  g_assert_cmpuint (self->list.items->len, ==, 1);
}

static void
assert_agent (Case *self, BalAdviceKind kind, const char *said)
{
  const BalAdvice *advice;

  advise (self);
  advice = require (self, "guest-agent", kind);
  g_assert_cmpint (advice->when, ==, BAL_ADVICE_IN_GUEST);
  g_assert_nonnull (strstr (advice->text, said));
  g_assert_null (find (self, "agent-channel", BAL_ADVICE_LACKS));
  assert_mechanisms (self, "balloon");
}

static void
test_agent (Case *self, gconstpointer data)
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
test_guest_that_keeps_its_memory (Case *self, gconstpointer data)
{
  self->live = self->definition = SERIAL CHANNEL ("connected") BALLOON;
  self->facts.memory.overcommit_mode = 2;
  advise (self);
  assert_mechanisms (self, "");
  g_assert_cmpuint (self->list.items->len, ==, 1);
  g_assert_nonnull (
    strstr (require (self, "guest-settings", BAL_ADVICE_LACKS)->text, "vm.overcommit_memory=2"));

  self->facts.memory = (BalMemoryInfo){.init_on_free = BAL_TRI_YES};
  advise (self);
  assert_mechanisms (self, "hold");
  g_assert_nonnull (
    strstr (require (self, "guest-settings", BAL_ADVICE_NOTE)->text, "nothing is to be gained"));
}

static void
test_encryption (Case *self, gconstpointer data)
{
  self->live = self->definition = BALLOON;
  self->top = "<launchSecurity type='sev'/>";
  advise (self);
  assert_mechanisms (self, "");
  g_assert_cmpuint (self->list.items->len, ==, 1);
  require (self, "encryption", BAL_ADVICE_NOTE);
}

static void
test_balloon (Case *self, gconstpointer data)
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
  advise (self);
  assert_mechanisms (self, "balloon");
  g_assert_null (find (self, "balloon", BAL_ADVICE_NOTE));
  g_assert_null (find (self, "balloon", BAL_ADVICE_POSSIBLE));
  for (guint i = 0; i < G_N_ELEMENTS (obstacles); i++)
    {
      self->live = self->definition = obstacles[i].devices;
      self->top = obstacles[i].top;
      advise (self);
      assert_mechanisms (self, "");
      g_assert_nonnull (
        strstr (require (self, "balloon", BAL_ADVICE_NOTE)->text, obstacles[i].said));
    }
  allow_only (self, BAL_MECHANISM_VIRTIO_MEM);
  advise (self);
  g_assert_null (find (self, "balloon", BAL_ADVICE_NOTE));
}

static void
test_balloon_that_is_not_there (Case *self, gconstpointer data)
{
  const BalAdvice *advice;

  silence (self);
  self->live = self->definition = NO_BALLOON;
  advise (self);
  advice = require (self, "balloon", BAL_ADVICE_POSSIBLE);
  g_assert_cmpint (advice->when, ==, BAL_ADVICE_AT_NEXT_START);
  g_assert_nonnull (strstr (advice->device_xml->pdata[0], "<memballoon model='virtio'>"));

  self->live = self->definition = BALLOON;
  advise (self);
  advice = require (self, "balloon", BAL_ADVICE_POSSIBLE);
  g_assert_cmpint (advice->when, ==, BAL_ADVICE_IN_GUEST);
  g_assert_cmpuint (advice->device_xml->len, ==, 0);
}

/* --- virtio-mem --- */

static void
assert_contains (const GPtrArray *elements, guint i, const char *text)
{
  g_assert_cmpuint (i, <, elements->len);
  g_test_message ("%s", (const char *)elements->pdata[i]);
  g_assert_nonnull (strstr (elements->pdata[i], text));
}

static void
test_virtio_mem (Case *self, gconstpointer data)
{
  const BalAdvice *advice;

  silence (self);
  self->live = self->definition = BALLOON;
  advise (self);
  advice = require (self, "virtio-mem", BAL_ADVICE_POSSIBLE);
  g_assert_cmpint (advice->when, ==, BAL_ADVICE_AT_NEXT_START);
  g_assert_cmpstr (advice->command, ==, "virsh edit 'web 1'");
  g_assert_cmpuint (advice->domain_xml->len, ==, 3);
  assert_contains (advice->domain_xml, 0, "<maxMemory slots='1' unit='KiB'>8388608</maxMemory>");
  assert_contains (advice->domain_xml, 1, "<currentMemory unit='KiB'>8388608</currentMemory>");
  assert_contains (advice->domain_xml, 2, "<cell id=\"0\" cpus=\"0-3\" memory=\"2097152\"");
  g_assert_cmpuint (advice->device_xml->len, ==, 1);
  assert_contains (advice->device_xml, 0, "<size unit='KiB'>6291456</size>");
  assert_contains (advice->device_xml, 0, "<requested unit='KiB'>6291456</requested>");
  assert_contains (advice->device_xml, 0, "<block unit='KiB'>2048</block>");
}

static void
test_virtio_mem_of_cells (Case *self, gconstpointer data)
{
  const BalAdvice *advice;

  silence (self);
  self->live = self->definition = BALLOON;
  self->top = "<maxMemory slots='8' unit='KiB'>16777216</maxMemory>"
              "<memoryBacking><hugepages><page size='1048576' unit='KiB'/></hugepages>"
              "</memoryBacking><cpu mode='host-passthrough'><topology sockets='2'/><numa>"
              "<cell id='0' cpus='0-1' memory='1310720' unit='KiB' memAccess='shared'/>"
              "<cell id='1' cpus='2-3' memory='7077888' unit='KiB'/></numa></cpu>";
  advise (self);
  advice = require (self, "virtio-mem", BAL_ADVICE_POSSIBLE);
  assert_contains (advice->domain_xml, 0, "<maxMemory slots='8' unit='KiB'>16777216</maxMemory>");
  assert_contains (advice->domain_xml, 2, "memory=\"1310720\" unit=\"KiB\" memAccess=\"shared\"");
  assert_contains (advice->domain_xml, 2, "cpus=\"2-3\" memory=\"1835008\"");
  assert_contains (advice->domain_xml, 2, "<topology sockets=\"2\"/>");
  g_assert_cmpuint (advice->device_xml->len, ==, 1);
  assert_contains (advice->device_xml, 0, "<size unit='KiB'>5242880</size>");
  assert_contains (advice->device_xml, 0, "<block unit='KiB'>1048576</block>");
  assert_contains (advice->device_xml, 0, "<node>1</node>");
}

static void
test_virtio_mem_where_it_cannot_be (Case *self, gconstpointer data)
{
  silence (self);
  self->live = self->definition = BALLOON;
  self->top = "<memoryBacking><locked/></memoryBacking>";
  advise (self);
  g_assert_null (find (self, "virtio-mem", BAL_ADVICE_POSSIBLE));
  require (self, "virtio-mem", BAL_ADVICE_NOTE);

  /* All of it is boot RAM's least. */
  self->top = "<cpu><numa><cell id='0' cpus='0-3' memory='1500000' unit='KiB'/></numa></cpu>";
  advise (self);
  g_assert_null (find (self, "virtio-mem", BAL_ADVICE_POSSIBLE));

  self->top = "";
  self->live = self->definition = BALLOON "<memory model='dimm'/>";
  advise (self);
  g_assert_null (find (self, "virtio-mem", BAL_ADVICE_POSSIBLE));

  self->live = BALLOON;
  self->definition = BALLOON VIRTIO_MEM;
  advise (self);
  g_assert_null (require (self, "virtio-mem", BAL_ADVICE_POSSIBLE)->command);
}

/* Then a hold is what it may have besides. */
static void
test_virtio_mem_without_agent (Case *self, gconstpointer data)
{
  self->live = self->definition = SERIAL BALLOON VIRTIO_MEM;
  self->facts.agent_answers = self->facts.hold_works = FALSE;
  advise (self);
  assert_mechanisms (self, "virtio-mem");
  require (self, "agent-channel", BAL_ADVICE_POSSIBLE);
  g_assert_false (bal_advice_list_lacks (&self->list));

  allow_only (self, BAL_MECHANISM_VIRTIO_MEM);
  advise (self);
  assert_content (self, "virtio-mem");

  self->facts.has_balloon = FALSE;
  advise (self);
  assert_mechanisms (self, "");
}

/* --- the rest --- */

static void
test_shared_memory (Case *self, gconstpointer data)
{
  self->live = self->definition = SERIAL CHANNEL ("connected") BALLOON;
  self->top = "<memoryBacking><access mode='shared'/></memoryBacking>";
  advise (self);
  assert_mechanisms (self, "hold");
  require (self, "shared-memory", BAL_ADVICE_NOTE);
}

static void
test_standby (Case *self, gconstpointer data)
{
  const BalAdvice *advice;

  self->live = self->definition = SERIAL CHANNEL ("connected") NO_BALLOON HOSTDEV ("");
  self->top = "<metadata><vf:ports xmlns:vf='urn:x-ballast:vf:1'><vf:port id='net0' "
              "bandwidth='1Gbit' mac='52:54:00:00:00:01'/></vf:ports></metadata>";
  advise (self);
  advice = require (self, "vf-standby", BAL_ADVICE_POSSIBLE);
  g_assert_cmpuint (advice->device_xml->len, ==, 3);
  assert_contains (advice->device_xml, 0, "<alias name='ua-standby-525400112233'/>");
  assert_contains (advice->device_xml, 1,
                   "<teaming type=\"transient\" persistent=\"ua-standby-525400112233\"/>");
  assert_contains (advice->device_xml, 1, "slot=\"16\"");
  assert_contains (advice->device_xml, 2, "<mac address='52:54:00:00:00:01'/>");
  g_assert_cmpuint (advice->domain_xml->len, ==, 1);
  assert_contains (advice->domain_xml, 0, "standby=\"ua-standby-525400000001\"");

  self->live = self->definition = SERIAL CHANNEL ("connected")
    NO_BALLOON HOSTDEV ("<teaming type='transient' persistent='ua-a'/>");
  self->top = "<metadata><vf:ports xmlns:vf='urn:x-ballast:vf:1'><vf:port id='net0' "
              "bandwidth='1Gbit' mac='52:54:00:00:00:01' standby='ua-a'/></vf:ports></metadata>";
  advise (self);
  assert_content (self, "hold");
}

#define ADD(name, function) g_test_add ("/advise/" name, Case, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("content", test_content);
  ADD ("channel", test_channel);
  ADD ("channel-at-next-start", test_channel_at_next_start);
  ADD ("channel-that-is-plugged-alone", test_channel_that_is_plugged_alone);
  ADD ("agent", test_agent);
  ADD ("guest-that-keeps-its-memory", test_guest_that_keeps_its_memory);
  ADD ("encryption", test_encryption);
  ADD ("balloon", test_balloon);
  ADD ("balloon-that-is-not-there", test_balloon_that_is_not_there);
  ADD ("virtio-mem", test_virtio_mem);
  ADD ("virtio-mem-of-cells", test_virtio_mem_of_cells);
  ADD ("virtio-mem-where-it-cannot-be", test_virtio_mem_where_it_cannot_be);
  ADD ("virtio-mem-without-agent", test_virtio_mem_without_agent);
  ADD ("shared-memory", test_shared_memory);
  ADD ("standby", test_standby);
  return g_test_run ();
}
