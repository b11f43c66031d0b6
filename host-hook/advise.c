/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/advise.h"

#include "host-hook/advise-xml.h"

#include <string.h>

/* State of one advising. */
typedef struct
{
  const BalAdviceDomain *domain;
  const BalPolicy *policy;
  BalAdviceList *list;
  const BalDomainXml *now; /* live, or of a domain that is off the definition */
  const BalDomainXml
    *next; /* what starts next: the definition, or of a transient one the live one */
  const char *next_text;
  const char *objection; /* why nothing at all is released; NULL: no reason */
  gboolean holds;        /* a hold works, or for a domain that is off may */
  gboolean plugs;        /* virtio-mem does */
} Advising;

static BalAdvice *
add (Advising *self, const char *topic, BalAdviceKind kind, BalAdviceWhen when, const char *text)
{
  return bal_advice_list_add (self->list, topic, kind, when, text);
}

/* To be typed as it is. virsh takes what begins with a dash for an option. */
static void
set_command (const Advising *self, BalAdvice *advice, const char *verb, const char *more)
{
  static const char *const plain =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._";
  const char *name = self->now->name;
  g_autofree char *quoted =
    name[strspn (name, plain)] == '\0' ? g_strdup (name) : g_shell_quote (name);

  advice->command =
    g_strdup_printf ("virsh %s %s%s%s", verb, name[0] == '-' ? "--domain=" : "", quoted, more);
}

static gboolean
allows (const Advising *self, BalMechanism mechanism)
{
  for (guint i = 0; i < self->policy->mechanisms->len; i++)
    if (g_array_index (self->policy->mechanisms, BalMechanism, i) == mechanism)
      return TRUE;
  return FALSE;
}

/* --- what works --- */

/* What plan.h says of the balloon, of a domain that is off as well. */
static const char *
balloon_obstacle (const Advising *self)
{
  const BalFacts facts = {.has_vfio = self->now->has_vfio,
                          .has_hugepages = self->now->has_hugepages,
                          .has_locked_memory = self->now->has_locked_memory};

  return bal_facts_balloon_obstacle (&facts);
}

static gboolean
works (const Advising *self, BalMechanism mechanism)
{
  const BalFacts *facts = self->domain->facts;
  gboolean has_devices = self->now->virtio_mem->len > 0;

  if (self->objection != NULL || !allows (self, mechanism))
    return FALSE;
  switch (mechanism)
    {
    case BAL_MECHANISM_HOLD:
      return facts == NULL ? self->now->has_agent_channel
                           : facts->agent_answers && facts->hold_works && facts->source_local;
    case BAL_MECHANISM_VIRTIO_MEM:
      return has_devices && (facts == NULL || facts->agent_answers || facts->has_balloon);
    case BAL_MECHANISM_BALLOON:
      return !self->holds && !has_devices && balloon_obstacle (self) == NULL
             && (facts == NULL ? self->now->has_balloon : facts->has_balloon);
    case BAL_MECHANISM_TRIM:
      break;
    }
  return FALSE;
}

static void
list_mechanisms (Advising *self)
{
  for (guint i = 0; i < self->policy->mechanisms->len; i++)
    {
      BalMechanism mechanism = g_array_index (self->policy->mechanisms, BalMechanism, i);

      if (works (self, mechanism))
        g_array_append_val (self->list->mechanisms, mechanism);
    }
}

/* --- the agent --- */

#define CHANNEL_GIVES                                                                              \
  "The guest agent's channel lets ballast-agent tell what is free in the guest and hold it "       \
  "(mechanism hold)"

static void
add_channel (Advising *self, BalAdviceWhen when, const char *text, const char *more)
{
  BalAdvice *advice =
    add (self, "agent-channel", self->plugs ? BAL_ADVICE_POSSIBLE : BAL_ADVICE_LACKS, when, text);

  g_ptr_array_add (advice->device_xml, bal_advise_xml_channel ());
  if (more != NULL)
    set_command (self, advice, "attach-device", more);
}

/* libvirt plugs no controller of that kind. */
static void
advise_channel_of_running (Advising *self)
{
  const BalDomainXml *definition = self->domain->definition;
  gboolean is_defined = definition != NULL && definition->has_agent_channel;

  if (self->domain->live->has_virtio_serial)
    add_channel (self, BAL_ADVICE_AT_ONCE, CHANNEL_GIVES ".",
                 definition == NULL || is_defined ? " FILE --live" : " FILE --live --config");
  else if (is_defined)
    add (self, "agent-channel", BAL_ADVICE_LACKS, BAL_ADVICE_AT_NEXT_START,
         CHANNEL_GIVES "; the domain's definition has it, and no virtio-serial controller is there "
                       "to plug it into now.");
  else
    add_channel (self, BAL_ADVICE_AT_NEXT_START,
                 CHANNEL_GIVES "; the domain has no virtio-serial controller, without which it "
                               "cannot be plugged, and gets one with it.",
                 definition == NULL ? NULL : " FILE --config");
}

static void
advise_channel (Advising *self)
{
  const BalDomainXml *live = self->domain->live;

  if (!self->now->has_agent_channel && live != NULL)
    advise_channel_of_running (self);
  else if (!self->now->has_agent_channel)
    add_channel (self, BAL_ADVICE_AT_NEXT_START, CHANNEL_GIVES ".", " FILE --config");
  else if (!self->next->has_agent_channel)
    add_channel (self, BAL_ADVICE_AT_NEXT_START,
                 "Only the running domain has the guest agent's channel: in its definition it is "
                 "there for the starts to come.",
                 " FILE --config");
}

static void
advise_agent (Advising *self)
{
  const BalFacts *facts = self->domain->facts;

  if (facts == NULL || !self->now->has_agent_channel || self->holds)
    return;
  if (!facts->running)
    add (self, "guest-agent", BAL_ADVICE_NOTE, BAL_ADVICE_IN_GUEST,
         "The guest does not run at the moment: its agent cannot be asked.");
  else if (!facts->source_local)
    add (self, "guest-agent", BAL_ADVICE_NOTE, BAL_ADVICE_IN_GUEST,
         "The domain's host is a remote one, from which the guest's agent is out of reach: ask "
         "there.");
  else if (!facts->agent_answers)
    {
      BalAdvice *advice = add (self, "guest-agent", BAL_ADVICE_LACKS, BAL_ADVICE_IN_GUEST, NULL);

      advice->text = g_strdup_printf ("Install ballast-agent in the guest, or start it there: %s.",
                                      facts->agent_problem ? facts->agent_problem
                                                           : "the guest agent does not answer");
    }
  else if (!facts->hold_works)
    add (self, "guest-agent", BAL_ADVICE_LACKS, BAL_ADVICE_IN_GUEST,
         "Let the guest agent hold: its configuration in the guest blocks one of the commands that "
         "a hold needs.");
}

/* --- what a guest without agent has instead --- */

#define VIRTIO_MEM_GIVES                                                                           \
  "A virtio-mem device of most of the memory gives it back without an agent, as far as the "       \
  "balloon's statistics tell what is free, and with one besides a hold"

static void
advise_virtio_mem (Advising *self)
{
  g_autoptr (GPtrArray) domain_xml = NULL;
  g_autoptr (GPtrArray) device_xml = NULL;
  BalAdvice *advice;

  if (self->now->virtio_mem->len > 0)
    return;
  if (self->next->virtio_mem->len > 0)
    {
      add (
        self, "virtio-mem", BAL_ADVICE_POSSIBLE, BAL_ADVICE_AT_NEXT_START,
        "The domain's definition has a virtio-mem device, which cannot be plugged while it runs.");
      return;
    }
  if (self->next->has_locked_memory)
    {
      add (self, "virtio-mem", BAL_ADVICE_NOTE, BAL_ADVICE_AT_NEXT_START,
           "virtio-mem cannot be used: the domain's memory is locked.");
      return;
    }
  if (!bal_advise_xml_virtio_mem (self->next_text, &domain_xml, &device_xml))
    return;
  advice = add (self, "virtio-mem", BAL_ADVICE_POSSIBLE, BAL_ADVICE_AT_NEXT_START,
                VIRTIO_MEM_GIVES "; it cannot be plugged without <maxMemory>, and the guest's "
                                 "kernel needs memhp_default_state=online_movable.");
  g_ptr_array_extend_and_steal (advice->domain_xml, g_steal_pointer (&domain_xml));
  g_ptr_array_extend_and_steal (advice->device_xml, g_steal_pointer (&device_xml));
  if (self->domain->definition != NULL)
    set_command (self, advice, "edit", "");
}

/* By its driver's statistics Ballast knows what is free where no agent says it. */
static void
advise_balloon (Advising *self)
{
  const BalFacts *facts = self->domain->facts;
  const char *obstacle = balloon_obstacle (self);
  BalAdvice *advice;

  if (self->next->has_balloon && self->now->has_balloon && facts != NULL && facts->running
      && !facts->has_balloon)
    add (self, "balloon", BAL_ADVICE_POSSIBLE, BAL_ADVICE_IN_GUEST,
         "Load virtio_balloon in the guest: the balloon's driver does not answer, whose statistics "
         "tell what is free where no agent does.");
  if (!self->next->has_balloon)
    {
      advice = add (self, "balloon", BAL_ADVICE_POSSIBLE, BAL_ADVICE_AT_NEXT_START,
                    "A balloon in the place of the <memballoon> that there is tells by its "
                    "statistics what is free where no agent does, and `ballast migrate` releases "
                    "by it where nothing else does, ballastd never.");
      g_ptr_array_add (advice->device_xml, bal_advise_xml_balloon ());
      if (self->domain->definition != NULL)
        set_command (self, advice, "edit", "");
    }
  if (obstacle == NULL || !allows (self, BAL_MECHANISM_BALLOON))
    return;
  advice = add (self, "balloon", BAL_ADVICE_NOTE, BAL_ADVICE_AT_NEXT_START, NULL);
  advice->text = g_strdup_printf ("The balloon is not used to release: %s.", obstacle);
}

/* --- the rest --- */

static void
advise_standby (Advising *self)
{
  g_autoptr (GPtrArray) domain_xml = NULL;
  g_autoptr (GPtrArray) device_xml = NULL;
  BalAdvice *advice;

  if (!bal_advise_xml_standby (self->next_text, &domain_xml, &device_xml))
    return;
  advice =
    add (self, "vf-standby", BAL_ADVICE_POSSIBLE, BAL_ADVICE_AT_NEXT_START,
         "A virtio interface that stands in for the domain's VF keeps its connections while "
         "it migrates: put your own network in the place of \"default\"; a hostdev interface "
         "or metadata below take the place of the domain's own.");
  g_ptr_array_extend_and_steal (advice->domain_xml, g_steal_pointer (&domain_xml));
  g_ptr_array_extend_and_steal (advice->device_xml, g_steal_pointer (&device_xml));
  if (self->domain->definition != NULL)
    set_command (self, advice, "edit", "");
}

static void
advise_objection (Advising *self)
{
  const BalFacts *facts = self->domain->facts;
  BalAdvice *advice;

  if (self->now->has_encryption)
    {
      add (self, "encryption", BAL_ADVICE_NOTE, BAL_ADVICE_AT_NEXT_START, NULL)->text =
        g_strdup_printf ("Nothing can be released: %s.", self->objection);
      return;
    }
  advice = add (self, "guest-settings", BAL_ADVICE_LACKS, BAL_ADVICE_IN_GUEST, NULL);
  advice->text = g_strdup_printf ("Nothing is taken from a guest like this: %s.",
                                  bal_facts_guest_objection (facts));
}

static void
add_notes (Advising *self)
{
  const BalFacts *facts = self->domain->facts;

  if (facts != NULL && facts->agent_answers && facts->memory.init_on_free == BAL_TRI_YES)
    add (self, "guest-settings", BAL_ADVICE_NOTE, BAL_ADVICE_IN_GUEST,
         "The guest zeroes memory when it frees it (init_on_free): nothing is to be gained.");
  if (self->now->has_shared_memory)
    add (self, "shared-memory", BAL_ADVICE_NOTE, BAL_ADVICE_AT_NEXT_START,
         "The domain's memory is shared, of which a migration fills what was never touched: after "
         "that the gain is an upper bound.");
}

static const char *
find_objection (const Advising *self)
{
  if (self->now->has_encryption)
    return "the guest's memory is encrypted, the host cannot tell what is free";
  return self->domain->facts == NULL ? NULL : bal_facts_guest_objection (self->domain->facts);
}

static void
advise_memory (Advising *self)
{
  if (allows (self, BAL_MECHANISM_HOLD))
    {
      advise_channel (self);
      advise_agent (self);
    }
  if (self->objection != NULL)
    advise_objection (self);
  if (self->holds || self->objection != NULL)
    return;
  if (allows (self, BAL_MECHANISM_VIRTIO_MEM))
    advise_virtio_mem (self);
  if (allows (self, BAL_MECHANISM_VIRTIO_MEM) || allows (self, BAL_MECHANISM_BALLOON))
    advise_balloon (self);
}

void
bal_advice_make (const BalAdviceDomain *domain, const BalPolicy *policy, BalAdviceList *out)
{
  Advising self = {.domain = domain, .policy = policy, .list = out};

  bal_advice_list_init (out);
  self.now = domain->live != NULL ? domain->live : domain->definition;
  g_assert (self.now != NULL);
  self.next = domain->definition != NULL ? domain->definition : domain->live;
  self.next_text = domain->definition != NULL ? domain->definition_text : domain->live_text;
  self.objection = find_objection (&self);
  self.holds = works (&self, BAL_MECHANISM_HOLD);
  self.plugs = works (&self, BAL_MECHANISM_VIRTIO_MEM);
  list_mechanisms (&self);
  if (self.now->has_encryption)
    advise_objection (&self);
  else
    advise_memory (&self);
  add_notes (&self);
  advise_standby (&self);
  bal_advice_list_sort (out);
}
