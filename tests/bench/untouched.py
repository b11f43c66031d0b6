# SPDX-License-Identifier: LGPL-2.1-or-later
"""What Ballast costs where there is nothing to gain: an untouched guest, moved back and forth plainly
and by ballast in turn, as it is after its first boot, after a migration and after a cancelled one."""

import argparse
import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bed import Bed, GuestSpec  # noqa: E402
from bed.host import wait_until  # noqa: E402
from bench.matrix import GIGABIT_MIBPS  # noqa: E402
from integration.support import MIB, agent_connected  # noqa: E402


def options():
    return ["--live", "--unsafe", "--bandwidth", str(GIGABIT_MIBPS)]


def move(bed, guest, by_ballast):
    """Moves the guest to the other host; (seconds, bytes on the wire, report or None)."""
    source, target = guest.host, bed.other(guest.host)
    direction = 0 if source is bed.src else 1
    wire = bed.wire_bytes()[direction]
    report = None
    began = time.monotonic()
    if by_ballast:
        report = json.loads(source.ballast("migrate", *options(), "--json", guest.name, target.uri,
                                           timeout=600).stdout)
    else:
        source.virsh("migrate", *options(), guest.name, target.uri, timeout=600)
    elapsed = time.monotonic() - began
    wire = bed.wire_bytes()[direction] - wire
    guest.moved_to(target)
    return elapsed, wire, report


def cancel(bed, guest):
    """Begins a migration that would take long, and aborts it once memory flows."""
    source, target = guest.host, bed.other(guest.host)
    running = source.popen(["virsh", "migrate", "--live", "--unsafe", "--bandwidth", "1",
                            guest.name, target.uri])
    while "Memory processed" not in source.virsh("domjobinfo", guest.name, check=False).stdout:
        time.sleep(0.05)
    source.virsh("domjobabort", guest.name)
    running.wait(60)


def check_nothing_released(report, grown_bytes):
    if report["released-bytes"]:
        raise AssertionError(f"{report['released-bytes']} bytes of an untouched guest were released")
    if grown_bytes > 32 * MIB:
        raise AssertionError(f"the source grew by {grown_bytes} bytes")


def pairs(bed, guest, count, after_cancel):
    """`count` pairs of a plain and a ballast migration; their rows."""
    rows = []
    for _ in range(count):
        if after_cancel:
            cancel(bed, guest)
        plain_s, plain_bytes, _ = move(bed, guest, False)
        if after_cancel:
            cancel(bed, guest)
        before = guest.rss_bytes()
        planned = json.loads(guest.host.ballast("plan", "--json", guest.name).stdout)
        grown = guest.rss_bytes() - before
        ballast_s, ballast_bytes, report = move(bed, guest, True)
        check_nothing_released(report, grown)
        rows.append({"plain_s": plain_s, "ballast_s": ballast_s, "plain_bytes": plain_bytes,
                     "ballast_bytes": ballast_bytes, "survey_s": report["phases-ms"]["survey"] / 1000,
                     "give_back_s": report["phases-ms"]["give-back"] / 1000, "grown_bytes": grown,
                     "gain_bytes": planned["gain-bytes"]})
    return rows


def show(title, rows):
    def median(key):
        return statistics.median(row[key] for row in rows)

    added = statistics.median(row["ballast_s"] - row["plain_s"] for row in rows)
    ratio = statistics.median(row["ballast_bytes"] / row["plain_bytes"] for row in rows)
    print(f"{title}: {len(rows)} pairs; plain {median('plain_s'):.2f} s {median('plain_bytes') / 1e6:.1f} MB, "
          f"ballast {median('ballast_s'):.2f} s {median('ballast_bytes') / 1e6:.1f} MB; "
          f"bytes x{ratio:.4f}, added {added:+.2f} s (survey {median('survey_s'):.2f} s, "
          f"give back {median('give_back_s'):.2f} s); gain seen {median('gain_bytes') / MIB:.1f} MiB, "
          f"source grew {max(row['grown_bytes'] for row in rows) / MIB:.1f} MiB at most", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/untouched.py", description=__doc__)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--memory-mib", type=int, default=4096)
    arguments = parser.parse_args()
    with Bed() as bed:
        guest = bed.guest(GuestSpec(name="untouched", memory_mib=arguments.memory_mib))
        guest.start(bed.src)
        wait_until(lambda: agent_connected(guest), 20, "the agent opens its channel")
        first = json.loads(bed.src.ballast("plan", "--json", guest.name).stdout)
        print(f"fresh from boot: gain seen {first['gain-bytes'] / MIB:.1f} MiB, "
              f"would release {first['release-bytes'] / MIB:.1f} MiB", flush=True)
        show("after completed migrations", pairs(bed, guest, arguments.pairs, False))
        show("after cancelled migrations", pairs(bed, guest, max(1, arguments.pairs // 3), True))


if __name__ == "__main__":
    main()
