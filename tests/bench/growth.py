# SPDX-License-Identifier: LGPL-2.1-or-later
"""How costs grow with a number of things. Pure."""

import dataclasses
import math


@dataclasses.dataclass
class Point:
    """count: of the things; costs: {"what unit": value}"""

    count: int
    title: str
    costs: dict


def slope(points, what):
    """By how much a cost grows with each thing, by least squares; 0.0 of a single point."""
    mean_count = sum(point.count for point in points) / len(points)
    mean_cost = sum(point.costs[what] for point in points) / len(points)
    square = sum((point.count - mean_count) ** 2 for point in points)
    if square == 0:
        return 0.0
    return sum((point.count - mean_count) * (point.costs[what] - mean_cost) for point in points) / square


def exponent(points, what):
    """1 when a cost grows as the things do, 0 when not at all, 2 when as their square: between the two largest."""
    small, large = sorted(points, key=lambda point: point.count)[-2:]
    if min(small.costs[what], large.costs[what]) <= 0:
        return 0.0
    return math.log(large.costs[what] / small.costs[what]) / math.log(large.count / small.count)


def table(points, things):
    """Lines of text: each point, and the growth of each cost."""
    whats = list(points[0].costs)
    rows = [["", *whats]] + [[point.title, *(f"{point.costs[what]:.1f}" for what in whats)] for point in points]
    if len(points) > 1:
        rows.append([f"each 1000 {things}", *(f"{slope(points, what) * 1000:.4f}" for what in whats)])
        rows.append(["grows with the power", *(f"{exponent(points, what):.2f}" for what in whats)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(text.rjust(width) if i else text.ljust(width) for i, (text, width) in enumerate(zip(row, widths)))
            for row in rows]
