# SPDX-License-Identifier: LGPL-2.1-or-later
"""What Ballast is to reach beside its peers, and whether it does. Pure."""

import dataclasses

from bench.matrix import WAYS

SPEED = "1gbit"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """About one goal of one way. value, limit: what was measured and what it may be, None: not measured."""

    goal: str
    way: str
    unit: str
    value: float | None
    limit: float | None

    @property
    def is_met(self):
        return None if self.value is None or self.limit is None else self.value <= self.limit

    def __str__(self):
        text = f"{self.goal}: {WAYS[self.way].title}: "
        if self.is_met is None:
            return text + "not run"
        by = abs(self.value - self.limit)
        share = f", {by / self.limit:.0%} of it" if self.limit > 0 else ""
        return (text + f"{'met' if self.is_met else 'MISSED'} by {by:.1f} {self.unit}{share} "
                f"({self.value:.1f} of at most {self.limit:.1f})")


# Goal: (text, workload, metric, unit, scale, (way, factor) or a function of the medians of plain). The limit is the factor times
# that way's median.
_RATIOS = [
    ("bytes at most 0.6x free-page-hint's", "dirty-free", "wire_bytes", "hint", 0.6),
    ("bytes at most 0.85x free-page-hint's with init_on_alloc=0", "dirty-free", "wire_bytes", "hint-no-init", 0.85),
    ("release, migrate and give back at most free-page-hint's total", "dirty-free", "total_s", "hint", 1.0),
    ("bytes at most 0.4x free-page-hint's", "fragmented", "wire_bytes", "hint", 0.4),
    ("bytes at most 1.01x plain's", "untouched", "wire_bytes", "plain", 1.01),
]

_UNITS = {"wire_bytes": ("MB", 1e-6), "total_s": ("s", 1.0)}


def _verdict(medians, workload, metric, way, goal, limit):
    unit, scale = _UNITS[metric]
    value = medians(workload, way, metric)
    return Verdict(f"{workload}: {goal}", way, unit, None if value is None else value * scale,
                   None if limit is None else limit * scale)


def verdicts(summaries):
    """A Verdict on each goal for each of Ballast's ways that was measured, from figures.summarize()."""
    def medians(workload, way, metric):
        summary = summaries.get((workload, SPEED, way))
        return summary.median(metric) if summary else None

    def limit(workload, metric, way, function):
        value = medians(workload, way, metric)
        return None if value is None else function(value)

    found = []
    measured = {(workload, way) for workload, speed, way in summaries if speed == SPEED and WAYS[way].is_ballast}
    for workload, way in sorted(measured, key=lambda pair: list(WAYS).index(pair[1])):
        for text, about, metric, peer, factor in _RATIOS:
            if about == workload:
                found.append(_verdict(medians, workload, metric, way, text,
                                      limit(workload, metric, peer, lambda value, f=factor: value * f)))
        if workload == "untouched":
            found.append(_verdict(medians, workload, "total_s", way, "at most 1 s more than plain",
                                  limit(workload, "total_s", "plain", lambda value: value + 1)))
        if workload == "busy":
            free = medians(workload, "plain", "free_bytes") or 0
            found.append(_verdict(medians, workload, "wire_bytes", way, "bytes at most plain's minus the free memory",
                                  limit(workload, "wire_bytes", "plain", lambda value: value - free)))
    return sorted(found, key=lambda one: one.goal)
