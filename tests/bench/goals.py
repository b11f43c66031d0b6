# SPDX-License-Identifier: LGPL-2.1-or-later
"""What Ballast is to reach beside its peers, and whether it does. Pure."""

import dataclasses

from bench.matrix import WAYS

SPEED = "1gbit"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """About one goal of one way. value, limit: what was measured and what it may be, None: not measured; turns: of which
    these are medians, of ours or the peer's, whichever are fewer; void: why a turn of what is compared is void, of
    which the others show nothing then, or None."""

    goal: str
    way: str
    unit: str
    value: float | None
    limit: float | None
    turns: int
    void: str | None = None

    @property
    def is_met(self):
        return None if self.void or self.value is None or self.limit is None else self.value <= self.limit

    def __str__(self):
        text = f"{self.goal}: {WAYS[self.way].title}: "
        if self.void:
            return text + f"not judged, void: {self.void}"
        if self.is_met is None:
            return text + "not run"
        by = abs(self.value - self.limit)
        share = f", {by / self.limit:.0%} of it" if self.limit > 0 else ""
        return (text + f"{'met' if self.is_met else 'MISSED'} by {by:.1f} {self.unit}{share} "
                f"({self.value:.1f} of at most {self.limit:.1f}, {'medians of ' if self.turns > 1 else ''}{self.turns} "
                f"turn{'s' if self.turns > 1 else ''})")


# (text, workload, metric, the peer's way, factor): the limit is the factor times the peer's median.
_RATIOS = [
    ("bytes at most 0.6x free-page-hint's", "dirty-free", "wire_bytes", "hint", 0.6),
    ("bytes at most 0.85x free-page-hint's with init_on_alloc=0", "dirty-free", "wire_bytes", "hint-no-init", 0.85),
    ("release, migrate and give back at most free-page-hint's total", "dirty-free", "total_s", "hint", 1.0),
    ("bytes at most 0.4x free-page-hint's", "fragmented", "wire_bytes", "hint", 0.4),
    ("bytes at most 1.01x plain's", "untouched", "wire_bytes", "plain", 1.01),
]

_UNITS = {"wire_bytes": ("MB", 1e-6), "total_s": ("s", 1.0)}


def _goals(workload):
    """[(text, metric, peer, the limit as a function of the peer's Summary, which is None where it is not known)]"""
    found = [(text, metric, peer, lambda summary, m=metric, f=factor: _scaled(summary.median(m), f))
             for text, about, metric, peer, factor in _RATIOS if about == workload]
    if workload == "untouched":
        found.append(("at most 1 s more than plain", "total_s", "plain", lambda summary: _plus(summary.median("total_s"), 1)))
    if workload == "busy":
        found.append(("bytes at most plain's minus the free memory", "wire_bytes", "plain",
                      lambda summary: _plus(summary.median("wire_bytes"), _scaled(summary.median("free_bytes"), -1))))
    return found


def _scaled(value, factor):
    return None if value is None else value * factor


def _plus(value, other):
    return None if value is None or other is None else value + other


def verdicts(summaries):
    """A Verdict on each goal for each of Ballast's ways that was measured, from figures.summarize()."""
    found = []
    measured = {(workload, way) for workload, speed, way in summaries if speed == SPEED and WAYS[way].is_ballast}
    for workload, way in sorted(measured, key=lambda pair: list(WAYS).index(pair[1])):
        ours = summaries[workload, SPEED, way]
        for text, metric, peer, limit in _goals(workload):
            theirs = summaries.get((workload, SPEED, peer))
            unit, scale = _UNITS[metric]
            found.append(Verdict(f"{workload}: {text}", way, unit, _scaled(ours.median(metric), scale),
                                 _scaled(limit(theirs), scale) if theirs else None,
                                 min(ours.count, theirs.count) if theirs else 0,
                                 ours.void or (theirs.void if theirs else None)))
    return sorted(found, key=lambda one: one.goal)
