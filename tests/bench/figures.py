# SPDX-License-Identifier: LGPL-2.1-or-later
"""From measured cells to medians and spreads, and the table of them. Pure."""

import dataclasses
import statistics

from bench.matrix import SPEEDS, WAYS, WORKLOADS, applies


@dataclasses.dataclass(frozen=True)
class Metric:
    """key: of cell.Result; scale: what its unit there is in `unit`"""

    key: str
    title: str
    unit: str
    scale: float = 1.0
    digits: int = 1

    def text(self, value):
        """A value in `unit`, with the unit's digits."""
        return f"{value:.{self.digits}f}"


METRICS = {metric.key: metric for metric in [
    Metric("wire_bytes", "on the wire", "MB", 1e-6, 0),
    Metric("total_s", "total", "s"),
    Metric("release_s", "release", "s"),
    Metric("give_back_s", "give back", "s"),
    Metric("downtime_ms", "downtime", "ms", digits=0),
    Metric("stall_ms", "worst stall", "ms", digits=0),
    Metric("guest_cpu_s", "guest CPU", "s"),
    Metric("source_rss_peak", "source RSS peak", "MiB", 1 / (1 << 20), 0),
    Metric("source_rss_end", "at its end", "MiB", 1 / (1 << 20), 0),
    Metric("destination_rss", "dest. RSS", "MiB", 1 / (1 << 20), 0),
]}


@dataclasses.dataclass(frozen=True)
class Spread:
    """Of the measured values of one metric, in its own unit."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values):
        return cls(statistics.median(values), min(values), max(values))

    def scaled(self, factor):
        return Spread(self.median * factor, self.low * factor, self.high * factor)


@dataclasses.dataclass(frozen=True)
class Summary:
    """All turns of one way, workload and speed.

    spreads: {metric: Spread, in the units of cell.Result}, those that are known; count: of the turns measured
    void: why a turn is void, or None
    """

    spreads: dict
    count: int
    void: str | None

    def median(self, key):
        """None when it was not measured."""
        return self.spreads[key].median if key in self.spreads else None


def summarize(entries):
    """{(workload, speed, way): Summary} of the entries of a record; of the same turn the last one counts, or one that
    harmed the guest: that it went well another time does not undo it."""
    latest = {}
    for entry in entries:
        key = entry["workload"], entry["speed"], entry["way"], entry["turn"]
        if not latest.get(key, {}).get("harmed"):
            latest[key] = entry
    groups = {}
    for (*key, _turn), entry in latest.items():
        groups.setdefault(tuple(key), []).append(entry)
    return {key: _summary(group) for key, group in groups.items()}


def _summary(entries):
    measured = [entry["figures"] for entry in entries if "figures" in entry]
    spreads = {}
    # What goals are about and no bar shows is in it as well.
    for key in [*METRICS, "free_bytes"]:
        values = [figures[key] for figures in measured if figures.get(key) is not None]
        if values:
            spreads[key] = Spread.of(values)
    return Summary(spreads, len(measured), next((entry["void"] for entry in entries if "void" in entry), None))


@dataclasses.dataclass(frozen=True)
class Group:
    """A workload at a speed, and [(Way, Summary or None)] of all ways that it could be measured with."""

    title: str
    rows: list


def groups(summaries, workloads=(), speeds=(), ways=()):
    """The groups to show: those in which anything was measured, or that are named. In them the same ways: those
    measured anywhere, or named; what was not measured is None."""
    shown_ways = [name for name in WAYS if name in ways or any(key[2] == name for key in summaries)]
    result = []
    for workload in WORKLOADS.values():
        for speed in SPEEDS.values():
            named = workload.name in workloads and speed.name in speeds
            if named or any(key[:2] == (workload.name, speed.name) for key in summaries):
                rows = [(WAYS[name], summaries.get((workload.name, speed.name, name)))
                        for name in shown_ways if applies(name, workload.name)]
                result.append(Group(f"{workload.title}; {speed.title}", rows))
    return result


def _cell_text(summary, metric):
    spread = summary.spreads.get(metric.key)
    if spread is None:
        return "-"
    spread = spread.scaled(metric.scale)
    if summary.count == 1:
        return metric.text(spread.median)
    return f"{metric.text(spread.median)} ({metric.text(spread.low)}-{metric.text(spread.high)})"


def _row(way, summary):
    if summary is None:
        return [way.title, "not run"]
    turns = [str(summary.count)] + ([f"void: {summary.void}"] if summary.void else [])
    if not summary.count:
        return [way.title, turns[-1]]
    return [way.title, *(_cell_text(summary, metric) for metric in METRICS.values()), ", ".join(turns)]


def table(group):
    """A group as lines of text: medians, with (lowest-highest) where there is more than one turn."""
    rows = [["", *(f"{metric.title} {metric.unit}" for metric in METRICS.values()), "turns"]]
    rows += [_row(way, summary) for way, summary in group.rows]
    full = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(len(row[i]) for row in full) for i in range(len(rows[0]))]
    widths[0] = max(len(row[0]) for row in rows)
    return [group.title] + ["  ".join(text.ljust(width) if i in (0, len(widths) - 1) or len(row) == 2 else text.rjust(width)
                                      for i, (text, width) in enumerate(zip(row, widths))).rstrip() for row in rows]
