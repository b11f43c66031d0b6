/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/facts.h"

static void
virtio_mem_facts_clear (gpointer data)
{
  BalVirtioMemFacts *device = data;

  g_free (device->alias);
}

GArray *
bal_virtio_mem_facts_new (void)
{
  GArray *devices = g_array_new (FALSE, TRUE, sizeof (BalVirtioMemFacts));

  g_array_set_clear_func (devices, virtio_mem_facts_clear);
  return devices;
}

void
bal_facts_clear (BalFacts *self)
{
  g_free (self->agent_problem);
  bal_memory_info_clear (&self->memory);
  g_clear_pointer (&self->virtio_mem, g_array_unref);
  *self = (BalFacts){0};
}

/* Less memory in sight makes a guest with strict overcommit refuse allocations, and one that panics
 * when memory runs out has no second chance: such guests keep what they have. */
const char *
bal_facts_guest_objection (const BalFacts *facts)
{
  if (!facts->agent_answers)
    return NULL;
  if (facts->memory.overcommit_mode == 2)
    return "the guest runs with vm.overcommit_memory=2";
  if (facts->memory.panic_on_oom != 0)
    return "the guest runs with vm.panic_on_oom";
  if (facts->memory.oom_kill_allocating_task)
    return "the guest runs with vm.oom_kill_allocating_task";
  return NULL;
}

/* madvise() refuses locked pages. */
const char *
bal_facts_balloon_obstacle (const BalFacts *facts)
{
  if (facts->has_vfio)
    return "a device is passed through (VFIO), so QEMU ignores the balloon";
  if (facts->has_hugepages)
    return "the balloon frees nothing of huge page backing";
  if (facts->has_locked_memory)
    return "the domain's memory is locked, the balloon frees nothing of it";
  return NULL;
}
