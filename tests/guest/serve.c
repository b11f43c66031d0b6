/* SPDX-License-Identifier: LGPL-2.1-or-later */

#define _GNU_SOURCE
#include "guest-tool.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_BYTES ((size_t)64 * 1024)
#define OUTPUT_BYTES ((size_t)8 * 1024 * 1024)

/* A reply nobody reads is dropped after this long. */
#define WRITE_TIMEOUT_MS 5000

/* While the host is away poll() returns POLLHUP at once, so wait by the clock. */
#define AWAY_POLL_MS 50

struct server
{
  int port_fd;
  char line[LINE_BYTES];
  size_t used;
  char id[64];
  pid_t child; /* 0 when no command runs */
  int child_fd;
  int output_fd;
};

static const char base64_digits[] =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static size_t
base64_encode (const unsigned char *in, size_t length, char *out)
{
  size_t o = 0;

  for (size_t i = 0; i < length; i += 3)
    {
      uint32_t group = (uint32_t)in[i] << 16;

      if (i + 1 < length)
        group |= (uint32_t)in[i + 1] << 8;
      if (i + 2 < length)
        group |= in[i + 2];
      out[o++] = base64_digits[group >> 18];
      out[o++] = base64_digits[group >> 12 & 63];
      out[o++] = i + 1 < length ? base64_digits[group >> 6 & 63] : '=';
      out[o++] = i + 2 < length ? base64_digits[group & 63] : '=';
    }
  return o;
}

/* Decodes in place and terminates with NUL; false when a character is none of base64's. */
static bool
base64_decode (char *text)
{
  uint32_t group = 0;
  int bits = 0;
  char *out = text;

  for (const char *in = text; *in && *in != '='; in++)
    {
      const char *digit = strchr (base64_digits, *in);

      if (!digit)
        return false;
      group = group << 6 | (uint32_t)(digit - base64_digits);
      bits += 6;
      if (bits >= 8)
        {
          bits -= 8;
          *out++ = (char)(group >> bits & 0xff);
        }
    }
  *out = '\0';
  return true;
}

/* Opens the port by its name; returns -1 while there is none. */
static int
open_port (const char *port_name)
{
  glob_t names;
  int fd = -1;

  if (glob ("/sys/class/virtio-ports/*/name", 0, NULL, &names) != 0)
    return -1;
  for (size_t i = 0; i < names.gl_pathc && fd < 0; i++)
    {
      char name[128] = "";
      char device[128];
      char *slash;
      FILE *file = fopen (names.gl_pathv[i], "re");

      if (!file)
        continue;
      if (fscanf (file, "%127s", name) == 1 && strcmp (name, port_name) == 0)
        {
          slash = strrchr (names.gl_pathv[i], '/');
          *slash = '\0';
          snprintf (device, sizeof device, "/dev%s", strrchr (names.gl_pathv[i], '/'));
          fd = open (device, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        }
      fclose (file);
    }
  globfree (&names);
  return fd;
}

static void
write_reply (struct server *s, const char *text, size_t length)
{
  struct pollfd port = {.fd = s->port_fd, .events = POLLOUT};

  while (length > 0)
    {
      ssize_t written = write (s->port_fd, text, length);

      if (written > 0)
        {
          text += written;
          length -= (size_t)written;
        }
      else if (written < 0 && errno != EAGAIN && errno != EINTR)
        return;
      else if (poll (&port, 1, WRITE_TIMEOUT_MS) <= 0 || port.revents & POLLHUP)
        return;
    }
}

static void
forget_child (struct server *s)
{
  close (s->child_fd);
  close (s->output_fd);
  s->child = 0;
}

static void
finish_command (struct server *s)
{
  int wait_status = 0;
  int status;
  off_t size = lseek (s->output_fd, 0, SEEK_END);
  size_t length = size < 0 ? 0 : (size_t)size > OUTPUT_BYTES ? OUTPUT_BYTES : (size_t)size;
  unsigned char *output = malloc (length + 1);
  char *reply = malloc (sizeof s->id + 32 + (length + 2) / 3 * 4);
  size_t used;

  waitpid (s->child, &wait_status, 0);
  status = WIFEXITED (wait_status) ? WEXITSTATUS (wait_status) : 128 + WTERMSIG (wait_status);
  if (output && reply && pread (s->output_fd, output, length, 0) == (ssize_t)length)
    {
      used = (size_t)sprintf (reply, "%s %d ", s->id, status);
      used += base64_encode (output, length, reply + used);
      reply[used++] = '\n';
      write_reply (s, reply, used);
    }
  free (output);
  free (reply);
  forget_child (s);
}

static void
kill_command (struct server *s)
{
  kill (-s->child, SIGKILL);
  waitpid (s->child, NULL, 0);
  forget_child (s);
}

/* Output goes to a memfd rather than a pipe: a background process that keeps it open does
 * not keep the command from being finished. */
static void
start_command (struct server *s, const char *command)
{
  s->output_fd = memfd_create ("output", MFD_CLOEXEC);
  if (s->output_fd < 0)
    return;
  s->child = fork ();
  if (s->child == 0)
    {
      int null_fd = open ("/dev/null", O_RDONLY);

      setpgid (0, 0);
      dup2 (null_fd, 0);
      dup2 (s->output_fd, 1);
      dup2 (s->output_fd, 2);
      /* memfds have one file position for all of them, but only with O_APPEND do writers
       * that opened it again (/dev/stderr) not overwrite each other. */
      fcntl (1, F_SETFL, O_APPEND);
      execl ("/bin/sh", "sh", "-c", command, (char *)NULL);
      _exit (127);
    }
  if (s->child < 0)
    {
      close (s->output_fd);
      s->child = 0;
      return;
    }
  setpgid (s->child, s->child);
  s->child_fd = (int)syscall (SYS_pidfd_open, s->child, 0);
}

static void
handle_line (struct server *s, char *line)
{
  char *command = strchr (line, ' ');

  if (!command || (size_t)(command - line) >= sizeof s->id)
    return;
  *command++ = '\0';
  if (!base64_decode (command))
    return;
  if (s->child)
    kill_command (s);
  strcpy (s->id, line);
  start_command (s, command);
}

/* Returns false when the host is away. */
static bool
read_requests (struct server *s)
{
  for (;;)
    {
      char *end;
      ssize_t got = read (s->port_fd, s->line + s->used, LINE_BYTES - s->used);

      if (got == 0)
        {
          s->used = 0;
          return false;
        }
      if (got < 0)
        return true;

      s->used += (size_t)got;
      while ((end = memchr (s->line, '\n', s->used)))
        {
          size_t length = (size_t)(end - s->line) + 1;

          *end = '\0';
          handle_line (s, s->line);
          memmove (s->line, s->line + length, s->used - length);
          s->used -= length;
        }
      if (s->used == LINE_BYTES)
        s->used = 0;
    }
}

int
serve (const char *port_name)
{
  static struct server s;

  while ((s.port_fd = open_port (port_name)) < 0)
    poll (NULL, 0, AWAY_POLL_MS);

  for (;;)
    {
      bool present = read_requests (&s);
      struct pollfd fds[2] = {
        {.fd = s.child ? s.child_fd : -1, .events = POLLIN},
        {.fd = present ? s.port_fd : -1, .events = POLLIN},
      };

      poll (fds, 2, present ? -1 : AWAY_POLL_MS);
      if (s.child && fds[0].revents)
        finish_command (&s);
    }
}
