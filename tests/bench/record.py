# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benchmark's file: runs, and the cells that each has measured. Only ever added to.

    {"runs": [{"id", "began", "memory-mib", "commit", "machine": {...}}],
     "cells": [{"run", "commit", "way", "workload", "speed", "turn", "seconds", and "figures" of cell.Result or "void": why,
                with "harmed": true when the guest was}]}
"""

import datetime
import json
import os

from bench.matrix import Cell


class RecordError(Exception):
    """The file cannot be used; one sentence."""


class Record:
    """The contents of `path`, which need not exist yet; each change is written at once."""

    def __init__(self, path):
        self._path = path
        self.runs = []
        self.cells = []
        if os.path.exists(path):
            try:
                with open(path, encoding="utf-8") as stream:
                    contents = json.load(stream)
                self.runs, self.cells = contents["runs"], contents["cells"]
            except (ValueError, KeyError) as error:
                raise RecordError(f"{path} is not a record of this benchmark ({error}); it was left as it is") from error

    def _write(self):
        temporary = self._path + ".new"
        with open(temporary, "w", encoding="utf-8") as stream:
            json.dump({"runs": self.runs, "cells": self.cells}, stream, indent=1)
            stream.write("\n")
        os.replace(temporary, self._path)

    def begin(self, memory_mib, commit, machine):
        """A new run; returns it."""
        now = datetime.datetime.now(datetime.timezone.utc)
        run = {"id": now.strftime("%Y%m%d-%H%M%S"), "began": now.isoformat(timespec="seconds"),
               "memory-mib": memory_mib, "commit": commit, "machine": machine}
        self.runs.append(run)
        self._write()
        return run

    def run(self, run_id):
        """The run of that id, "last": the last one."""
        found = self.runs[-1:] if run_id == "last" else [run for run in self.runs if run["id"] == run_id]
        if not found:
            raise RecordError(f"{self._path} has no run" + ("" if run_id == "last" else f" {run_id}"))
        return found[0]

    def cells_of(self, run):
        """What was measured in a run, void cells too."""
        return [cell for cell in self.cells if cell["run"] == run["id"]]

    def add(self, run, cell, seconds, commit, figures=None, void=None, harmed=False):
        """Adds a cell of a commit that was measured (`figures`) or is void (why)."""
        entry = {"run": run["id"], "commit": commit, "way": cell.way, "workload": cell.workload, "speed": cell.speed,
                 "turn": cell.turn, "seconds": round(seconds, 1)}
        entry.update({"void": void} if void else {"figures": figures})
        if harmed:
            entry["harmed"] = True
        self.cells.append(entry)
        self._write()


def is_settled(entry):
    """Whether its cell need not be measured again; that one harmed its guest stands, where others that are void do not."""
    return "figures" in entry or entry.get("harmed", False)


def name_of(entry):
    """The Cell that an entry of the file is about."""
    return Cell(entry["way"], entry["workload"], entry["speed"], entry["turn"])
