# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pure parts of tests/bench/compare and scale.py: which cells there are, what they come to, goals, growth, the picture,
the file."""

import glob
import importlib
import os
import sys
import xml.etree.ElementTree as ElementTree

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bench import figures, goals, growth, matrix, picture, record  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("path", sorted(glob.glob(os.path.join(os.path.dirname(figures.__file__), "*.py"))), ids=os.path.basename)
def test_each_part_finds_the_others(path):
    """Most of them nothing else runs."""
    importlib.import_module("bench." + os.path.splitext(os.path.basename(path))[0])


def entry(way, workload="dirty-free", turn=1, void=None, run="r", speed="1gbit", harmed=False, **values):
    cell = {"run": run, "way": way, "workload": workload, "speed": speed, "turn": turn, "seconds": 1.0}
    if void:
        return {**cell, "void": void, **({"harmed": True} if harmed else {})}
    return {**cell, "figures": {"wire_bytes": 100e6, "total_s": 5.0, "stall_ms": 10.0, "downtime_ms": None, **values}}


def default_cells():
    return matrix.cells(matrix.DEFAULT_WAYS, matrix.DEFAULT_WORKLOADS, matrix.DEFAULT_SPEEDS, matrix.DEFAULT_TURNS)


def test_turns_are_interleaved_and_each_begins_with_another_way():
    cells = default_cells()
    assert len(set(cells)) == len(cells) == 36
    assert [cell.turn for cell in cells] == [1] * 12 + [2] * 12 + [3] * 12
    assert len({cells[at].way for at in (0, 12, 24)}) == 3


def test_what_is_done_about_the_page_cache_is_measured_of_ballast_alone():
    cells = matrix.cells(list(matrix.WAYS), ["cache-keep", "cache-drop"], ["1gbit"], 1)
    assert {cell.way for cell in cells if cell.workload == "cache-keep"} == set(matrix.WAYS)
    assert {cell.way for cell in cells if cell.workload == "cache-drop"} == \
        {name for name, way in matrix.WAYS.items() if way.is_ballast}


def test_estimate_goes_by_what_was_like_it():
    plain, hold = (matrix.Cell(way, "dirty-free", "1gbit", 2) for way in ("plain", "hold"))
    took = [(matrix.Cell("plain", "dirty-free", "1gbit", 1), 80.0), (matrix.Cell("hint", "dirty-free", "1gbit", 1), 40.0)]
    assert matrix.estimate_s([plain], []) == matrix.FIRST_GUESS_S
    assert matrix.estimate_s([plain, hold], took) == 80.0 + 60.0


def test_medians_and_spread_are_of_the_last_measurement_of_each_turn():
    summary = figures.summarize([entry("hold", turn=turn, total_s=total) for turn, total in
                                 ((1, 100.0), (1, 3.0), (2, 9.0), (3, 4.0))])["dirty-free", "1gbit", "hold"]
    assert summary.spreads["total_s"] == figures.Spread(4.0, 3.0, 9.0)
    assert summary.count == 3
    assert summary.median("downtime_ms") is None


def test_a_void_turn_is_no_figure():
    summary = figures.summarize([entry("hint", void="no hints"), entry("hint", turn=2)])["dirty-free", "1gbit", "hint"]
    assert (summary.count, summary.void) == (1, "no hints")


def test_a_guest_that_was_harmed_once_is_not_forgotten():
    entries = [entry("hold", void="the guest is harmed: gone", harmed=True), entry("hold"), entry("hold", turn=2)]
    summary = figures.summarize(entries)["dirty-free", "1gbit", "hold"]
    assert (summary.count, summary.void) == (1, "the guest is harmed: gone")
    assert [record.is_settled(one) for one in [*entries, entry("hint", void="no hints")]] == [True, True, True, False]


def drawn(entries, **named):
    groups = figures.groups(figures.summarize(entries), **named)
    return ElementTree.fromstring(picture.draw("<title> & co", ["a note"], groups)), groups


def texts(root):
    return [element.text for element in root.iter(SVG + "text")]


def test_the_picture_is_well_formed_and_shows_each_cell():
    root, groups = drawn([entry("plain", wire_bytes=3505e6), entry("hold", turn=1, wire_bytes=283e6),
                          entry("hold", turn=2, wire_bytes=289e6), entry("hint", void="no hints at all")],
                         workloads=["fragmented"], speeds=["1gbit"], ways=["automatic"])
    shown = texts(root)
    assert [group.title for group in groups] == ["written and freed; 1 Gbit/s", "fragmented: 192 of each 256 KiB freed; 1 Gbit/s"]
    for way in ("plain", "hint", "hold", "automatic"):
        assert shown.count(matrix.WAYS[way].title) == 2
    assert "3505" in shown and "286" in shown
    assert shown.count("void: no hints at all") == 1
    # automatic, and all four of the other workload.
    assert shown.count("not run") == 5
    assert len([line for line in root.iter(SVG + "line") if line.get("class") == "whisker"]) == 3


def test_the_picture_says_where_turns_are_missing():
    root, _ = drawn([entry("hold"), entry("hold", turn=2, void="why")])
    assert "Ballast: hold (partly void)" in texts(root)


def test_the_picture_needs_nothing_from_elsewhere():
    root, _ = drawn([entry("plain")])
    text = ElementTree.tostring(root, encoding="unicode")
    assert "prefers-color-scheme: dark" in text
    assert not any(word in text for word in ("href", "url(", "@import", "<script"))


def test_bars_stay_in_their_column():
    root, _ = drawn([entry("plain", wire_bytes=1e6), entry("hold", wire_bytes=9e9)])
    bars = [rect for rect in root.iter(SVG + "rect") if rect.get("class") in ("peer", "ours")]
    assert {rect.get("class") for rect in bars} == {"peer", "ours"}
    assert all(1 <= float(rect.get("width")) <= picture.BAR_WIDTH for rect in bars)


def test_the_table_has_a_line_for_each_way():
    group = figures.groups(figures.summarize([entry("plain"), entry("hint", void="no hints")]), ["dirty-free"], ["1gbit"],
                           ["hold"])[0]
    lines = figures.table(group)
    assert len(lines) == 2 + 3
    assert lines[-1].split() == ["Ballast:", "hold", "not", "run"]
    assert lines[-2].endswith("void: no hints")


@pytest.mark.parametrize("workload, peer, key, peers, ours, met", [
    ("dirty-free", "hint", "wire_bytes", 1000e6, 600e6, True),
    ("dirty-free", "hint", "wire_bytes", 1000e6, 601e6, False),
    ("dirty-free", "hint-no-init", "wire_bytes", 1000e6, 850e6, True),
    ("dirty-free", "hint-no-init", "wire_bytes", 1000e6, 851e6, False),
    ("dirty-free", "hint", "total_s", 5.0, 5.1, False),
    ("fragmented", "hint", "wire_bytes", 1000e6, 401e6, False),
    ("fragmented", "hint", "wire_bytes", 1000e6, 400e6, True),
    ("untouched", "plain", "wire_bytes", 100e6, 102e6, False),
    ("untouched", "plain", "total_s", 2.0, 2.9, True),
])
def test_goals(workload, peer, key, peers, ours, met):
    verdicts = goals.verdicts(figures.summarize([entry(peer, workload, **{key: peers}), entry("hold", workload, **{key: ours})]))
    unit = "MB" if key == "wire_bytes" else "s"
    judged = [one for one in verdicts if one.unit == unit and one.is_met is not None]
    assert [one.is_met for one in judged] == [met]


def test_goal_of_the_busy_guest_is_about_its_free_memory():
    verdict, = goals.verdicts(figures.summarize([entry("plain", "busy", wire_bytes=4000e6, free_bytes=3000e6),
                                                 entry("hold", "busy", wire_bytes=1200e6, free_bytes=1e6)]))
    assert not verdict.is_met and verdict.limit == 1000
    assert "MISSED by 200.0 MB, 20% of it" in str(verdict)


def test_goal_tells_how_few_turns_it_is_judged_by():
    verdict, *_ = goals.verdicts(figures.summarize([entry("hint", wire_bytes=1000e6), entry("hint", turn=2, wire_bytes=1000e6),
                                                    entry("hold", wire_bytes=500e6)]))
    assert str(verdict).endswith("(500.0 of at most 600.0, 1 turn)")


def test_goal_of_the_busy_guest_is_nothing_without_its_free_memory():
    verdict, = goals.verdicts(figures.summarize([entry("plain", "busy"), entry("hold", "busy")]))
    assert verdict.is_met is None


@pytest.mark.parametrize("void", ["hold", "hint"])
def test_goal_is_not_met_by_the_turns_that_are_left(void):
    """Of Ballast or its peer."""
    verdicts = goals.verdicts(figures.summarize([entry("hint", wire_bytes=1000e6), entry("hold"),
                                                 entry(void, turn=2, void="lost")]))
    judged = [one for one in verdicts if one.void]
    assert len(judged) == (3 if void == "hold" else 2)
    assert all(one.is_met is None and str(one).endswith("not judged, void: lost") for one in judged)


def test_a_goal_without_its_peer_is_not_run():
    assert all(str(one).endswith("not run") for one in goals.verdicts(figures.summarize([entry("hold")])))


def test_the_file_is_added_to(tmp_path):
    path = str(tmp_path / "compare.json")
    first = record.Record(path)
    run = first.begin(4096, "abc", {})
    cell = matrix.Cell("hold", "dirty-free", "1gbit", 1)
    first.add(run, cell, 12.34, "abc", void="why", harmed=True)
    again = record.Record(path)
    assert again.run("last") == again.run(run["id"]) == run
    assert [record.name_of(one) for one in again.cells_of(run)] == [cell]
    again.add(run, cell, 1, "def", figures={"wire_bytes": 1})
    cells = record.Record(path).cells_of(run)
    assert [(one["commit"], "harmed" in one, "figures" in one) for one in cells] == [("abc", True, False), ("def", False, True)]


def test_a_file_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "compare.json"
    path.write_text("{}")
    with pytest.raises(record.RecordError):
        record.Record(str(path))
    assert path.read_text() == "{}"


def test_growth():
    points = [growth.Point(count, f"{count}", {"linear": 5 + 2 * count, "flat": 7, "square": count ** 2})
              for count in (1000, 2000, 4000)]
    assert growth.slope(points, "linear") == pytest.approx(2)
    assert growth.exponent(points, "linear") == pytest.approx(1, abs=0.01)
    assert growth.exponent(points, "square") == pytest.approx(2)
    assert growth.slope(points, "flat") == growth.exponent(points, "flat") == 0
    lines = growth.table(points, "pages")
    assert len(lines) == 1 + 3 + 2
    assert lines[-2].split()[:5] == ["each", "1000", "pages", "2000.0000", "0.0000"]
