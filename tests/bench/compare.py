# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benchmark: guests in the same state migrate plainly, by QEMU's own means and by Ballast, in turn. What is
measured goes into a JSON file and a picture beside it; at the end it is compared with what Ballast is to reach."""

import argparse
import dataclasses
import os
import platform
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bed import Bed, CommandError, GuestError  # noqa: E402
from bed.kvm import domain_type  # noqa: E402
from bench import figures, goals, matrix, picture, record, ways  # noqa: E402
from bench.cell import Harmed, Setup, measure  # noqa: E402

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def output_of(*argv):
    return subprocess.run(argv, cwd=TREE, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True).stdout.strip()


def commit():
    """Of the tree that is measured; "unknown" when it is none of git's."""
    return output_of("git", "describe", "--always", "--dirty") or "unknown"


def machine():
    """What the figures depend on."""
    with open("/proc/meminfo", encoding="ascii") as stream:
        memory_mib = int(stream.readline().split()[1]) // 1024
    return {"processors": os.cpu_count(), "memory-mib": memory_mib, "kernel": platform.release(),
            "accelerator": "KVM" if domain_type() == "kvm" else "TCG (software emulation)",
            "qemu": output_of("qemu-system-x86_64", "--version").splitlines()[0],
            "libvirt": output_of("virsh", "--version")}


def say(text):
    print(f"compare: {text}", flush=True)


class Benchmark:
    """Measures cells of one run, of the tree as it is now."""

    def __init__(self, record_, run):
        self._commit = commit()
        self._record = record_
        self._run = run
        self._took = [(record.name_of(entry), entry["seconds"]) for entry in record_.cells_of(run)]

    def missing(self, cells):
        """Those that the run has not settled yet."""
        settled = {record.name_of(entry) for entry in self._record.cells_of(self._run) if record.is_settled(entry)}
        return [cell for cell in cells if cell not in settled]

    def measure(self, cells):
        if not cells:
            return
        with Bed() as bed:
            for number, cell in enumerate(cells):
                left = matrix.estimate_s(cells[number:], self._took)
                say(f"cell {number + 1} of {len(cells)}, about {left / 60:.0f} minutes left: {cell}")
                self._measure_one(bed, cell, number)

    def _measure_one(self, bed, cell, number):
        began = time.monotonic()
        measured = void = None
        is_harmed = False
        try:
            result = measure(bed, matrix.WAYS[cell.way], f"bench{number}",
                             Setup(self._run["memory-mib"], cell.workload, matrix.SPEEDS[cell.speed]))
            measured = dataclasses.asdict(result)
        except (Harmed, ways.Void, AssertionError, GuestError, CommandError, TimeoutError,
                subprocess.TimeoutExpired) as error:
            # One cell that cannot be measured must not cost the others; why is in the file.
            is_harmed = isinstance(error, Harmed)
            void = " ".join(f"{error}".split())[:500] or type(error).__name__
        seconds = time.monotonic() - began
        self._took.append((cell, seconds))
        self._record.add(self._run, cell, seconds, self._commit, measured, void, is_harmed)
        say(f"{seconds:.0f} s: " + (f"void: {void}" if void else
            f"{measured['wire_bytes'] / 1e6:.0f} MB, {measured['total_s']:.1f} s, "
            f"worst stall {measured['stall_ms']:.0f} ms" + "".join(f"; {text}" for text in measured["warnings"])))
        if void:
            bed.reset()


def commits(run, cells):
    """Those that a run was measured of: it may have been gone on with."""
    return ", ".join(sorted({cell.get("commit", run["commit"]) for cell in cells} or {run["commit"]}))


def notes(run, summaries, cells):
    about = run["machine"]
    turns = max((summary.count for summary in summaries.values()), default=0)
    return [f"Guest of {run['memory-mib']} MiB; medians of {turns} at most, whiskers from lowest to highest. Total: until "
            "the guest has all of its memory again.",
            f"{about['processors']} processors, {about['accelerator']}, {about['qemu']}, libvirt {about['libvirt']}.",
            f"Made by tests/bench/compare, run {run['id']}, of commit {commits(run, cells)}."]


def show(record_, run, options):
    """Prints tables and goals, and writes the picture; whether no cell is void."""
    cells = record_.cells_of(run)
    summaries = figures.summarize(cells)
    groups = figures.groups(summaries, options.workloads, options.speeds, options.ways)
    for group in groups:
        print("\n" + "\n".join(figures.table(group)))
    print("\ngoals:")
    for verdict in goals.verdicts(summaries):
        print(f"  {verdict}")
    path = os.path.splitext(options.json)[0] + ".svg"
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(picture.draw("Live migration, side by side", notes(run, summaries, cells), groups))
    print(f"\nmeasured: {options.json}, run {run['id']}; picture: {path}")
    return not any(summary.void for summary in summaries.values())


def parse_options():
    parser = argparse.ArgumentParser(prog="tests/bench/compare", description=__doc__)
    for option, known, default in (("--ways", matrix.WAYS, matrix.DEFAULT_WAYS),
                                   ("--workloads", matrix.WORKLOADS, matrix.DEFAULT_WORKLOADS),
                                   ("--speeds", matrix.SPEEDS, matrix.DEFAULT_SPEEDS)):
        parser.add_argument(option, nargs="+", choices=[*known, "all"], default=default, metavar="NAME",
                            help=f"of {' '.join(known)}, or all (default {' '.join(default)})")
    parser.add_argument("--turns", type=int, default=matrix.DEFAULT_TURNS, help="of each cell (default %(default)s)")
    parser.add_argument("--memory-mib", type=int, default=4096, help="size of the guests (default %(default)s)")
    parser.add_argument("--json", default=os.path.join(TREE, "build", "compare.json"), metavar="FILE",
                        help="what is measured is added to it; the picture is beside it (default %(default)s)")
    parser.add_argument("--resume", nargs="?", const="last", metavar="RUN",
                        help="go on with a run of the file, the last one by default: what it has measured is not measured again")
    parser.add_argument("--show", nargs="?", const="last", metavar="RUN", help="measure nothing, show a run of the file")
    options = parser.parse_args()
    for name, known in (("ways", matrix.WAYS), ("workloads", matrix.WORKLOADS), ("speeds", matrix.SPEEDS)):
        if "all" in getattr(options, name):
            setattr(options, name, list(known))
    return options


def choose_run(record_, options):
    if options.show or options.resume:
        run = record_.run(options.show or options.resume)
        if not options.show and run["memory-mib"] != options.memory_mib:
            raise record.RecordError(f"run {run['id']} is of guests of {run['memory-mib']} MiB: say --memory-mib "
                                     f"{run['memory-mib']}, or leave --resume out; nothing was measured")
        return run
    return record_.begin(options.memory_mib, commit(), machine())


def main():
    options = parse_options()
    os.makedirs(os.path.dirname(os.path.abspath(options.json)), exist_ok=True)
    try:
        record_ = record.Record(options.json)
        run = choose_run(record_, options)
    except record.RecordError as error:
        sys.exit(f"compare: {error}")
    is_ended = False
    try:
        if not options.show:
            benchmark = Benchmark(record_, run)
            cells = matrix.cells(options.ways, options.workloads, options.speeds, options.turns)
            benchmark.measure(benchmark.missing(cells))
    except KeyboardInterrupt:
        is_ended = True
        say("ended early; --resume goes on with this run")
    finally:
        is_whole = show(record_, run, options)
    return 0 if is_whole and not is_ended else 1


if __name__ == "__main__":
    sys.exit(main())
