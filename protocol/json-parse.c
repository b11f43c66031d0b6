/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "protocol/json-parse.h"

#include "protocol/codec.h"
#include "protocol/limits.h"

#include <errno.h>
#include <math.h>
#include <string.h>

typedef struct
{
  const char *begin;
  const char *at;
  const char *end;
  guint depth;
  guint values;
} Parser;

static JsonNode *parse_value (Parser *self, GError **error);

static gboolean
fail_syntax (const Parser *self, GError **error, const char *problem)
{
  g_set_error (error, BAL_CODEC_ERROR, BAL_CODEC_ERROR_SYNTAX,
               "The line is not one JSON object: %s at byte %" G_GSIZE_FORMAT, problem,
               (gsize)(self->at - self->begin));
  return FALSE;
}

static gboolean
fail_limit (const Parser *self, GError **error, const char *problem)
{
  g_set_error (error, BAL_CODEC_ERROR, BAL_CODEC_ERROR_LIMIT,
               "The line passes a limit of the protocol: %s at byte %" G_GSIZE_FORMAT, problem,
               (gsize)(self->at - self->begin));
  return FALSE;
}

/* The next byte, or NUL at the end: the text itself holds no NUL. */
static char
peek (const Parser *self)
{
  if (self->at < self->end)
    return *self->at;
  return '\0';
}

static gboolean
skip_char (Parser *self, char expected)
{
  if (peek (self) != expected)
    return FALSE;
  self->at++;
  return TRUE;
}

static void
skip_space (Parser *self)
{
  while (peek (self) == ' ' || peek (self) == '\t' || peek (self) == '\r' || peek (self) == '\n')
    self->at++;
}

static gboolean
parse_hex4 (Parser *self, gunichar *unit, GError **error)
{
  *unit = 0;
  for (int i = 0; i < 4; i++)
    {
      int digit = g_ascii_xdigit_value (peek (self));

      if (digit < 0)
        return fail_syntax (self, error, "a \\u escape without four hexadecimal digits");
      *unit = *unit * 16 + (gunichar)digit;
      self->at++;
    }
  return TRUE;
}

/* Behind "\u": one UTF-16 unit, or two that make a surrogate pair. */
static gboolean
parse_unicode_escape (Parser *self, GString *out, GError **error)
{
  gunichar unit;
  gunichar low;

  if (!parse_hex4 (self, &unit, error))
    return FALSE;
  if (unit == 0)
    return fail_syntax (self, error, "an escaped NUL");
  if (unit >= 0xdc00 && unit <= 0xdfff)
    return fail_syntax (self, error, "half of a surrogate pair");
  if (unit >= 0xd800 && unit <= 0xdbff)
    {
      if (!skip_char (self, '\\') || !skip_char (self, 'u'))
        return fail_syntax (self, error, "half of a surrogate pair");
      if (!parse_hex4 (self, &low, error))
        return FALSE;
      if (low < 0xdc00 || low > 0xdfff)
        return fail_syntax (self, error, "half of a surrogate pair");
      unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
  g_string_append_unichar (out, unit);
  return TRUE;
}

static gboolean
parse_escape (Parser *self, GString *out, GError **error)
{
  static const char from[] = "\"\\/bfnrt";
  static const char to[] = "\"\\/\b\f\n\r\t";
  const char *found;

  if (skip_char (self, 'u'))
    return parse_unicode_escape (self, out, error);
  found = peek (self) != '\0' ? strchr (from, peek (self)) : NULL;
  if (found == NULL)
    return fail_syntax (self, error, "an unknown escape");
  g_string_append_c (out, to[found - from]);
  self->at++;
  return TRUE;
}

static char *
parse_string (Parser *self, GError **error)
{
  g_autoptr (GString) out = g_string_new (NULL);

  if (!skip_char (self, '"'))
    {
      fail_syntax (self, error, "no string");
      return NULL;
    }
  while (!skip_char (self, '"'))
    {
      const char *plain = self->at;

      while (self->at < self->end && (guchar)*self->at >= 0x20 && *self->at != '"'
             && *self->at != '\\')
        self->at++;
      g_string_append_len (out, plain, self->at - plain);
      if (skip_char (self, '\\'))
        {
          if (!parse_escape (self, out, error))
            return NULL;
        }
      else if (peek (self) != '"')
        {
          fail_syntax (self, error, "a string without end, or a control character in it");
          return NULL;
        }
    }
  return g_string_free (g_steal_pointer (&out), FALSE);
}

/* Steps over digits; FALSE without any. */
static gboolean
skip_digits (Parser *self)
{
  const char *first = self->at;

  while (g_ascii_isdigit (peek (self)))
    self->at++;
  return self->at > first;
}

/* Steps over a number's text. A number with a fraction or an exponent is not an integer, even if
 * its value is whole. */
static gboolean
skip_number (Parser *self, gboolean *is_integer, GError **error)
{
  *is_integer = TRUE;
  skip_char (self, '-');
  if (!skip_char (self, '0') && !skip_digits (self))
    return fail_syntax (self, error, "no value");
  if (skip_char (self, '.'))
    {
      *is_integer = FALSE;
      if (!skip_digits (self))
        return fail_syntax (self, error, "a fraction without digits");
    }
  if (peek (self) == 'e' || peek (self) == 'E')
    {
      *is_integer = FALSE;
      self->at++;
      if (peek (self) == '+' || peek (self) == '-')
        self->at++;
      if (!skip_digits (self))
        return fail_syntax (self, error, "an exponent without digits");
    }
  return TRUE;
}

static JsonNode *
parse_number (Parser *self, GError **error)
{
  const char *first = self->at;
  g_autofree char *text = NULL;
  gboolean is_integer;
  gint64 integer;
  double real;

  if (!skip_number (self, &is_integer, error))
    return NULL;
  text = g_strndup (first, (gsize)(self->at - first));
  if (is_integer)
    {
      errno = 0;
      integer = g_ascii_strtoll (text, NULL, 10);
      if (errno == 0)
        return json_node_init_int (json_node_alloc (), integer);
      fail_limit (self, error, "an integer of more than 64 bits");
      return NULL;
    }
  real = g_ascii_strtod (text, NULL);
  if (isfinite (real))
    return json_node_init_double (json_node_alloc (), real);
  fail_limit (self, error, "a number too large");
  return NULL;
}

static gboolean
skip_word (Parser *self, const char *word)
{
  const char *first = self->at;

  for (; *word != '\0'; word++)
    if (!skip_char (self, *word))
      {
        self->at = first;
        return FALSE;
      }
  return TRUE;
}

static gboolean
parse_member (Parser *self, JsonObject *object, GError **error)
{
  g_autofree char *name = NULL;
  JsonNode *value;

  skip_space (self);
  name = parse_string (self, error);
  if (name == NULL)
    return FALSE;
  if (json_object_has_member (object, name))
    return fail_syntax (self, error, "a second member with one name");
  if (json_object_get_size (object) >= BAL_JSON_MEMBERS_MAX)
    return fail_limit (self, error, "an object with too many members");
  skip_space (self);
  if (!skip_char (self, ':'))
    return fail_syntax (self, error, "no colon");
  value = parse_value (self, error);
  if (value == NULL)
    return FALSE;
  json_object_set_member (object, name, value);
  return TRUE;
}

static JsonObject *
parse_members (Parser *self, GError **error)
{
  g_autoptr (JsonObject) object = json_object_new ();

  skip_space (self);
  if (skip_char (self, '}'))
    return g_steal_pointer (&object);
  do
    {
      if (!parse_member (self, object, error))
        return NULL;
      skip_space (self);
    }
  while (skip_char (self, ','));
  if (skip_char (self, '}'))
    return g_steal_pointer (&object);
  fail_syntax (self, error, "an object without end");
  return NULL;
}

static JsonArray *
parse_elements (Parser *self, GError **error)
{
  g_autoptr (JsonArray) array = json_array_new ();

  skip_space (self);
  if (skip_char (self, ']'))
    return g_steal_pointer (&array);
  do
    {
      JsonNode *value = parse_value (self, error);

      if (value == NULL)
        return NULL;
      json_array_add_element (array, value);
      skip_space (self);
    }
  while (skip_char (self, ','));
  if (skip_char (self, ']'))
    return g_steal_pointer (&array);
  fail_syntax (self, error, "an array without end");
  return NULL;
}

/* Behind '{' or '['. */
static JsonNode *
parse_container (Parser *self, gboolean is_object, GError **error)
{
  g_autoptr (JsonObject) object = NULL;
  g_autoptr (JsonArray) array = NULL;

  if (self->depth >= BAL_JSON_DEPTH_MAX)
    {
      fail_limit (self, error, "nesting too deep");
      return NULL;
    }
  self->depth++;
  if (is_object)
    object = parse_members (self, error);
  else
    array = parse_elements (self, error);
  self->depth--;
  if (object != NULL)
    return json_node_init_object (json_node_alloc (), object);
  if (array != NULL)
    return json_node_init_array (json_node_alloc (), array);
  return NULL;
}

static JsonNode *
parse_value (Parser *self, GError **error)
{
  g_autofree char *string = NULL;

  if (self->values++ >= BAL_JSON_VALUES_MAX)
    {
      fail_limit (self, error, "too many values");
      return NULL;
    }
  skip_space (self);
  if (skip_char (self, '{'))
    return parse_container (self, TRUE, error);
  if (skip_char (self, '['))
    return parse_container (self, FALSE, error);
  if (skip_word (self, "true"))
    return json_node_init_boolean (json_node_alloc (), TRUE);
  if (skip_word (self, "false"))
    return json_node_init_boolean (json_node_alloc (), FALSE);
  if (skip_word (self, "null"))
    return json_node_init_null (json_node_alloc ());
  if (peek (self) != '"')
    return parse_number (self, error);
  string = parse_string (self, error);
  if (string == NULL)
    return NULL;
  return json_node_init_string (json_node_alloc (), string);
}

JsonObject *
bal_json_parse_object (const char *text, gsize length_bytes, GError **error)
{
  Parser parser = {.begin = text, .at = text, .end = text + length_bytes};
  g_autoptr (JsonNode) root = NULL;

  /* With a length, this refuses NUL too. */
  if (!g_utf8_validate (text, (gssize)length_bytes, &parser.at))
    {
      fail_syntax (&parser, error, "a NUL or invalid UTF-8");
      return NULL;
    }
  parser.at = text;
  skip_space (&parser);
  if (peek (&parser) != '{')
    {
      fail_syntax (&parser, error, "no '{'");
      return NULL;
    }
  root = parse_value (&parser, error);
  if (root == NULL)
    return NULL;
  skip_space (&parser);
  if (parser.at < parser.end)
    {
      fail_syntax (&parser, error, "text behind the object");
      return NULL;
    }
  return json_node_dup_object (root);
}
