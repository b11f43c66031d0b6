# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demo: a guest that has written and freed most of its memory moves between two hosts, plainly
and with each mechanism, and one table says what that cost."""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bed import Bed  # noqa: E402
from bench.cell import MIB, Harmed, Setup, measure  # noqa: E402
from bench.matrix import Kind, Way  # noqa: E402
from bench.ways import Void  # noqa: E402

MECHANISMS = ["hold", "virtio-mem", "virtio-mem,hold", "balloon", "automatic hold"]

HEADER = ("mechanism", "wire MB", "x plain", "release s", "migrate s", "give back s", "total s",
          "x plain", "downtime ms", "src RSS MiB", "dst RSS MiB", "guest")


def way_of(text):
    """What an argument means: "plain", Ballast's mechanisms, or "automatic [virsh's options] MECHANISMS"."""
    if text == "plain":
        return Way(text, text, Kind.PLAIN)
    if not text.startswith("automatic"):
        return Way(text, text, Kind.BALLAST, text)
    _, *options, mechanisms = text.split()
    return Way(text, text, Kind.AUTOMATIC, mechanisms, tuple(options))


def seconds(value):
    return "-" if value is None else f"{value:.1f}"


def row(way, result, plain):
    """One line of the table, as strings. Release includes finding out what to release."""
    return (way.name, f"{result.wire_bytes / 1e6:.0f}",
            f"{result.wire_bytes / plain.wire_bytes:.3f}",
            seconds(result.release_s), seconds(result.migrate_s),
            seconds(result.give_back_s), seconds(result.total_s),
            f"{result.total_s / plain.total_s:.2f}",
            "?" if result.downtime_ms is None else str(result.downtime_ms),
            f"{result.source_rss_before // MIB} -> {result.source_rss_peak // MIB}",
            str(result.destination_rss // MIB), "unharmed")


def print_table(results):
    """results: [(way, Result)], the plain migration first."""
    rows = [HEADER] + [row(way, result, results[0][1]) for way, result in results]
    widths = [max(len(line[i]) for line in rows) for i in range(len(HEADER))]
    for line in rows:
        print("  ".join(text.rjust(width) if i else text.ljust(width)
                        for i, (text, width) in enumerate(zip(line, widths))))


def main():
    parser = argparse.ArgumentParser(prog="tests/demo", description=__doc__)
    parser.add_argument("--memory-mib", type=int, default=4096, help="size of the guest (default 4096)")
    parser.add_argument("--fill", default=None, help="MiB to write and free, or \"all\" (default: three quarters)")
    parser.add_argument("--mechanisms", nargs="+", default=MECHANISMS, metavar="LIST",
                        help="what to compare with a plain migration (default: %(default)s)")
    parser.add_argument("--window-ms", type=int, default=None,
                        help="how long automatic migrations wait for the release (default: ballastd's own)")
    arguments = parser.parse_args()
    fill = arguments.fill or arguments.memory_mib * 3 // 4
    fill = fill if fill == "all" else int(fill)

    setup = Setup(arguments.memory_mib, fill=fill, window_ms=arguments.window_ms,
                  verify_mib=arguments.memory_mib * 3 // 4)
    results = []
    with Bed() as bed:
        for number, way in enumerate(map(way_of, ["plain"] + arguments.mechanisms)):
            print(f"demo: {way.name}: boot a {arguments.memory_mib} MiB guest, write and free {fill} MiB, "
                  "migrate at 1 Gbit/s, check", flush=True)
            try:
                result = measure(bed, way, f"demo{number}", setup)
            except (Harmed, Void) as error:
                sys.exit(f"demo: {way.name}: {error}")
            for warning in result.warnings:
                print(f"demo: warning: {warning}")
            results.append((way, result))
    if fill != "all" and results[0][1].wire_bytes < fill * MIB:
        sys.exit("demo: void: the plain migration sent less than the guest had written, "
                 "so there is nothing to compare with")
    print()
    print_table(results)
    held = next((result for _, result in results if result.headroom_bytes), None)
    if held:
        print(f"\nused memory before the migration: {held.used_bytes / 1e6:.0f} MB; "
              f"headroom left free in the guest: {held.headroom_bytes / 1e6:.0f} MB")
    print("guest: canary process intact, the memory written and verified again, "
          "MemTotal and MemAvailable as before")


if __name__ == "__main__":
    main()
