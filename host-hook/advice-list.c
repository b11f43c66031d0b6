/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host-hook/advice-list.h"

static void
advice_free (gpointer data)
{
  BalAdvice *self = data;

  g_free (self->text);
  g_free (self->command);
  g_ptr_array_unref (self->device_xml);
  g_ptr_array_unref (self->domain_xml);
  g_free (self);
}

void
bal_advice_list_init (BalAdviceList *self)
{
  *self = (BalAdviceList){.mechanisms = g_array_new (FALSE, FALSE, sizeof (BalMechanism)),
                          .items = g_ptr_array_new_with_free_func (advice_free)};
}

void
bal_advice_list_clear (BalAdviceList *self)
{
  g_clear_pointer (&self->mechanisms, g_array_unref);
  g_clear_pointer (&self->items, g_ptr_array_unref);
}

gboolean
bal_advice_list_lacks (const BalAdviceList *self)
{
  for (guint i = 0; i < self->items->len; i++)
    if (((const BalAdvice *)self->items->pdata[i])->kind == BAL_ADVICE_LACKS)
      return TRUE;
  return FALSE;
}

const char *
bal_advice_kind_name (BalAdviceKind kind)
{
  switch (kind)
    {
    case BAL_ADVICE_LACKS:
      return "lacks";
    case BAL_ADVICE_POSSIBLE:
      return "possible";
    case BAL_ADVICE_NOTE:
      return "note";
    }
  g_assert_not_reached ();
}

const char *
bal_advice_when_name (BalAdviceWhen when)
{
  switch (when)
    {
    case BAL_ADVICE_AT_ONCE:
      return "at-once";
    case BAL_ADVICE_AT_NEXT_START:
      return "next-start";
    case BAL_ADVICE_IN_GUEST:
      return "in-guest";
    }
  g_assert_not_reached ();
}

BalAdvice *
bal_advice_list_add (
  BalAdviceList *self, const char *topic, BalAdviceKind kind, BalAdviceWhen when, const char *text)
{
  BalAdvice *advice = g_new0 (BalAdvice, 1);

  *advice = (BalAdvice){.topic = topic,
                        .kind = kind,
                        .when = when,
                        .text = g_strdup (text),
                        .device_xml = g_ptr_array_new_with_free_func (g_free),
                        .domain_xml = g_ptr_array_new_with_free_func (g_free)};
  g_ptr_array_add (self->items, advice);
  return advice;
}

static gint
compare (gconstpointer a, gconstpointer b)
{
  const BalAdvice *const *first = a;
  const BalAdvice *const *second = b;

  return (gint)(*first)->kind - (gint)(*second)->kind;
}

void
bal_advice_list_sort (BalAdviceList *self)
{
  g_ptr_array_sort (self->items, compare);
}
