# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the agent costs its guest: time of a range query, memory, and wakeups while nobody asks."""

import argparse
import json
import os
import re
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bed import Bed, GuestSpec  # noqa: E402
from bed.guest import connect_unix  # noqa: E402

IDLE_S = 10


class Channel:
    """A bare conversation with the agent, without the client that ballast brings."""

    def __init__(self, connected):
        self._socket = connected
        self._socket.settimeout(30)
        self._stream = self._socket.makefile("rb")

    def ask(self, command, **arguments):
        request = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        reply = json.loads(self._stream.readline())
        if "return" not in reply:
            raise RuntimeError(reply)
        return reply["return"]

    def close(self):
        self._stream.close()
        self._socket.close()


def switches(guest, pid):
    status = guest.shell(f"cat /proc/{pid}/status")
    return sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)", status))


def idle_wakeups(guest, pid):
    before = switches(guest, pid)
    time.sleep(IDLE_S)
    return switches(guest, pid) - before


def range_query(channel):
    began = time.monotonic()
    page = channel.ask("guest-get-free-memory-ranges")
    return (time.monotonic() - began) * 1000, page["elapsed-us"] / 1000, len(page["ranges"])


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/agent.py", description=__doc__)
    parser.add_argument("--memory-mib", type=int, default=4096)
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    with Bed() as bed:
        guest = bed.guest(GuestSpec(name="agent", memory_mib=arguments.memory_mib))
        guest.start(bed.src)
        guest.fill(arguments.memory_mib * 3 // 4)
        pid = guest.agent_pid()
        print(f"wakeups in {IDLE_S} s, no host connected: {idle_wakeups(guest, pid)}")
        channel = Channel(connect_unix(guest.agent_socket_path()))
        channel.ask("guest-sync", id=1)
        print(f"wakeups in {IDLE_S} s, a host connected and silent: {idle_wakeups(guest, pid)}")
        queries = [range_query(channel) for _ in range(arguments.runs)]
        channel.close()
        total, inside, count = (statistics.median(column) for column in zip(*queries))
        print(f"range query, {arguments.memory_mib} MiB, median of {arguments.runs}: {total:.0f} ms as the host sees "
              f"it, {inside:.0f} ms in the agent, {count:.0f} ranges (slowest {max(q[0] for q in queries):.0f} ms)")
        rss = re.search(r"VmRSS:\s+(\d+) kB", guest.shell(f"cat /proc/{pid}/status"))
        print(f"agent's RSS: {int(rss[1]) / 1024:.1f} MiB")


if __name__ == "__main__":
    main()
