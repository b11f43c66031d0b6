/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The XML that is advised. */
#include "advise-case.h"

#include <string.h>

#define HOSTDEV(more)                                                                              \
  "<interface type='hostdev' managed='yes'><mac address='52:54:00:11:22:33'/><source>"             \
  "<address type='pci' domain='0' bus='3' slot='16' function='1'/></source>" more "</interface>"

static void
assert_contains (const GPtrArray *elements, guint i, const char *text)
{
  g_assert_cmpuint (i, <, elements->len);
  g_test_message ("%s", (const char *)elements->pdata[i]);
  g_assert_nonnull (strstr (elements->pdata[i], text));
}

static void
test_virtio_mem (AdviseCase *self, gconstpointer data)
{
  const BalAdvice *advice;

  advise_case_silence (self);
  self->live = self->definition = BALLOON;
  advise_case_advise (self);
  advice = advise_case_require (self, "virtio-mem", BAL_ADVICE_POSSIBLE);
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
test_virtio_mem_of_cells (AdviseCase *self, gconstpointer data)
{
  const BalAdvice *advice;

  advise_case_silence (self);
  self->live = self->definition = BALLOON;
  self->top = "<maxMemory slots='8' unit='KiB'>16777216</maxMemory>"
              "<memoryBacking><hugepages><page size='1048576' unit='KiB'/></hugepages>"
              "</memoryBacking><cpu mode='host-passthrough'><topology sockets='2'/><numa>"
              "<cell id='0' cpus='0-1' memory='1310720' unit='KiB' memAccess='shared'/>"
              "<cell id='1' cpus='2-3' memory='7077888' unit='KiB'/></numa></cpu>";
  advise_case_advise (self);
  advice = advise_case_require (self, "virtio-mem", BAL_ADVICE_POSSIBLE);
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
test_virtio_mem_where_it_cannot_be (AdviseCase *self, gconstpointer data)
{
  advise_case_silence (self);
  self->live = self->definition = BALLOON;
  self->top = "<memoryBacking><locked/></memoryBacking>";
  advise_case_advise (self);
  g_assert_null (advise_case_find (self, "virtio-mem", BAL_ADVICE_POSSIBLE));
  advise_case_require (self, "virtio-mem", BAL_ADVICE_NOTE);

  /* All of it is boot RAM's least. */
  self->top = "<cpu><numa><cell id='0' cpus='0-3' memory='1500000' unit='KiB'/></numa></cpu>";
  advise_case_advise (self);
  g_assert_null (advise_case_find (self, "virtio-mem", BAL_ADVICE_POSSIBLE));

  self->top = "";
  self->live = self->definition = BALLOON "<memory model='dimm'/>";
  advise_case_advise (self);
  g_assert_null (advise_case_find (self, "virtio-mem", BAL_ADVICE_POSSIBLE));

  self->live = BALLOON;
  self->definition = BALLOON VIRTIO_MEM;
  advise_case_advise (self);
  g_assert_null (advise_case_require (self, "virtio-mem", BAL_ADVICE_POSSIBLE)->command);
}

/* Then a hold is what it may have besides. */
static void
test_virtio_mem_without_agent (AdviseCase *self, gconstpointer data)
{
  self->live = self->definition = SERIAL BALLOON VIRTIO_MEM;
  self->facts.agent_answers = self->facts.hold_works = FALSE;
  advise_case_advise (self);
  advise_case_assert_mechanisms (self, "virtio-mem");
  advise_case_require (self, "agent-channel", BAL_ADVICE_POSSIBLE);
  g_assert_false (bal_advice_list_lacks (&self->list));

  advise_case_allow_only (self, BAL_MECHANISM_VIRTIO_MEM);
  advise_case_advise (self);
  advise_case_assert_content (self, "virtio-mem");

  self->facts.has_balloon = FALSE;
  advise_case_advise (self);
  advise_case_assert_mechanisms (self, "");
}

/* --- the rest --- */

static void
test_shared_memory (AdviseCase *self, gconstpointer data)
{
  self->live = self->definition = SERIAL CHANNEL ("connected") BALLOON;
  self->top = "<memoryBacking><access mode='shared'/></memoryBacking>";
  advise_case_advise (self);
  advise_case_assert_mechanisms (self, "hold");
  advise_case_require (self, "shared-memory", BAL_ADVICE_NOTE);
}

static void
test_standby (AdviseCase *self, gconstpointer data)
{
  const BalAdvice *advice;

  self->live = self->definition = SERIAL CHANNEL ("connected") NO_BALLOON HOSTDEV ("");
  self->top = "<metadata><vf:ports xmlns:vf='urn:x-ballast:vf:1'><vf:port id='net0' "
              "bandwidth='1Gbit' mac='52:54:00:00:00:01'/></vf:ports></metadata>";
  advise_case_advise (self);
  advice = advise_case_require (self, "vf-standby", BAL_ADVICE_POSSIBLE);
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
  advise_case_advise (self);
  advise_case_assert_content (self, "hold");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADVISE_ADD ("/advise-xml/virtio-mem", test_virtio_mem);
  ADVISE_ADD ("/advise-xml/virtio-mem-of-cells", test_virtio_mem_of_cells);
  ADVISE_ADD ("/advise-xml/virtio-mem-where-it-cannot-be", test_virtio_mem_where_it_cannot_be);
  ADVISE_ADD ("/advise-xml/virtio-mem-without-agent", test_virtio_mem_without_agent);
  ADVISE_ADD ("/advise-xml/shared-memory", test_shared_memory);
  ADVISE_ADD ("/advise-xml/standby", test_standby);
  return g_test_run ();
}
