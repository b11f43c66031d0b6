# SPDX-License-Identifier: LGPL-2.1-or-later
"""The picture of a benchmark: an SVG that stands by itself, with a group of bars for each workload. Pure."""

import xml.etree.ElementTree as ElementTree

from bench.figures import METRICS

NAMESPACE = "http://www.w3.org/2000/svg"

# What fits beside each other; the others are in the table.
SHOWN = ("wire_bytes", "total_s", "downtime_ms", "stall_ms", "guest_cpu_s", "source_rss_peak")

LABEL_WIDTH = 270
COLUMN_WIDTH = 140
COLUMN_GAP = 12
# Beside the longest bar there must be room for its value.
BAR_WIDTH = COLUMN_WIDTH - COLUMN_GAP - 46
ROW_HEIGHT = 22
BAR_HEIGHT = 13
HEAD_HEIGHT = 44
TITLE_HEIGHT = 40
MARGIN = 14

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1c2128; }
.title { font-size: 15px; font-weight: 600; }
.group { font-weight: 600; }
.faint { fill: #59636e; }
.back { fill: #ffffff; }
.peer { fill: #8c959f; }
.ours { fill: #0969da; }
.line { stroke: #d1d9e0; }
.whisker { stroke: #1c2128; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .faint { fill: #9198a1; }
  .back { fill: #0d1117; }
  .peer { fill: #6e7681; }
  .ours { fill: #4493f8; }
  .line { stroke: #3d444d; }
  .whisker { stroke: #e6edf3; }
}
"""


def _add(parent, tag, text=None, **attributes):
    element = ElementTree.SubElement(parent, tag, {name.replace("_", "-").rstrip("-"): _number(value)
                                                   for name, value in attributes.items()})
    element.text = text
    return element


def _number(value):
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def _text(parent, x, y, text, **attributes):
    return _add(parent, "text", text, x=x, y=y, **attributes)


def _spread(summary, metric):
    if summary is None or metric.key not in summary.spreads:
        return None
    return summary.spreads[metric.key].scaled(metric.scale)


def _bar(parent, x, y, spread, longest, metric, is_ours):
    """The median as a bar, lowest and highest as whiskers, and the median as text."""
    def width(value):
        return max(0.0, value) / longest * BAR_WIDTH if longest > 0 else 0.0

    middle = y + BAR_HEIGHT / 2
    _add(parent, "rect", x=x, y=y, width=max(width(spread.median), 1.0), height=BAR_HEIGHT, rx=2,
         **{"class": "ours" if is_ours else "peer"})
    if spread.low < spread.high:
        low, high = x + width(spread.low), x + width(spread.high)
        for x1, y1, x2, y2 in ((low, middle, high, middle), (low, middle - 3, low, middle + 3),
                               (high, middle - 3, high, middle + 3)):
            _add(parent, "line", x1=x1, y1=y1, x2=x2, y2=y2, **{"class": "whisker"})
    _text(parent, x + width(max(spread.high, spread.median)) + 4, y + BAR_HEIGHT - 2.5, metric.text(spread.median))


def _rows(parent, top, group):
    metrics = [METRICS[key] for key in SHOWN]
    spreads = [[_spread(summary, metric) for metric in metrics] for _, summary in group.rows]
    longest = [max((row[i].high for row in spreads if row[i]), default=0.0) for i in range(len(metrics))]
    for number, (way, summary) in enumerate(group.rows):
        y = top + number * ROW_HEIGHT
        is_partly_void = summary is not None and summary.void and any(spreads[number])
        _text(parent, MARGIN, y + BAR_HEIGHT - 2.5, way.title + (" (partly void)" if is_partly_void else ""))
        if not any(spreads[number]):
            why = f"void: {summary.void}" if summary else "not run"
            _text(parent, MARGIN + LABEL_WIDTH, y + BAR_HEIGHT - 2.5, why, **{"class": "faint"})
        for i, spread in enumerate(spreads[number]):
            if spread:
                _bar(parent, MARGIN + LABEL_WIDTH + i * COLUMN_WIDTH, y, spread, longest[i], metrics[i], way.is_ballast)


def _group(parent, top, width, group):
    """Draws a group at `top`; returns where the next one begins."""
    _add(parent, "line", x1=MARGIN, y1=top, x2=width - MARGIN, y2=top, **{"class": "line"})
    _text(parent, MARGIN, top + 18, group.title, **{"class": "group"})
    for i, key in enumerate(SHOWN):
        _text(parent, MARGIN + LABEL_WIDTH + i * COLUMN_WIDTH, top + 35, f"{METRICS[key].title}, {METRICS[key].unit}",
              **{"class": "faint"})
    _rows(parent, top + HEAD_HEIGHT, group)
    return top + HEAD_HEIGHT + len(group.rows) * ROW_HEIGHT + 10


def draw(title, notes, groups):
    """The SVG as text. groups: figures.groups(); notes: lines below the bars, about how they came to be."""
    width = 2 * MARGIN + LABEL_WIDTH + len(SHOWN) * COLUMN_WIDTH
    root = ElementTree.Element("svg", {"xmlns": NAMESPACE, "role": "img"})
    _add(root, "title", title)
    _add(root, "style", STYLE)
    back = _add(root, "rect", width="100%", height="100%", **{"class": "back"})
    _text(root, MARGIN, 26, title, **{"class": "title"})
    top = TITLE_HEIGHT
    for group in groups:
        top = _group(root, top, width, group)
    for note in notes:
        top += 16
        _text(root, MARGIN, top, note, **{"class": "faint"})
    height = top + MARGIN
    back.set("rx", "6")
    root.set("width", _number(float(width)))
    root.set("height", _number(float(height)))
    root.set("viewBox", f"0 0 {width} {_number(float(height))}")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"
