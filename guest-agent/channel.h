/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Channel: the virtio-serial port to the host, or in tests a unix socket that plays one.
 *
 * A port stays open while hosts come and go. As long as none is there poll() says POLLHUP and
 * read() gives 0 (drivers/char/virtio_console.c), so a poll() loop would spin, and a timer would
 * wake the guest for nothing. The driver wakes its wait queue when the host comes, goes or sends;
 * an edge-triggered epoll turns just these wake-ups into events. The main loop watches the epoll
 * descriptor.
 *
 * One request is answered at a time, and none is read while a reply waits to be written, so a host
 * that does not read costs one reply's memory. A reply still waiting when the host leaves is
 * dropped. Between two requests the main loop runs, so that a flood of them starves nothing else.
 *
 * NB: a new host's first bytes may arrive before the driver knows of the host, because its control
 * messages go through a work queue and data does not: until then poll() says POLLHUP and write()
 * EAGAIN. So requests are served in that state too, and the newest reply is kept until the host is
 * there.
 *
 * A unix socket is connected to; when its peer closes, the channel connects anew, as if the port's
 * host had left.
 *
 * Ownership: bal_channel_free() closes it. Failure: G_FILE_ERROR when it cannot be opened; later
 * failures go to the `gone` function.
 */
#pragma once

#include "protocol/codec.h"

G_BEGIN_DECLS

typedef struct _BalChannel BalChannel;

typedef struct
{
  /* Gives the reply to a line; @line is NULL for one that was too long. */
  char *(*answer) (const char *line,
                   gsize length_bytes,
                   gsize *reply_length_bytes,
                   gpointer user_data);
  /* The channel is lost for good: the port was unplugged, or the socket's peer is away. Called
   * once; it may not free the channel. */
  void (*gone) (gpointer user_data);
  gpointer user_data;
} BalChannelClient;

BalChannel *bal_channel_open (const char *path, const BalChannelClient *client, GError **error);
void bal_channel_free (BalChannel *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BalChannel, bal_channel_free)

G_END_DECLS
