# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is compared with what: ways to migrate, workloads, speeds, and the cells that they make. Pure."""

import dataclasses
import enum
import statistics

# 1 Gbit/s in the unit of libvirt's --bandwidth, MiB/s.
GIGABIT_MIBPS = 119


class Kind(enum.Enum):
    """Who does what about free memory."""

    PLAIN = "plain"
    HINT = "QEMU's free-page-hint"
    REPORTING = "free page reporting"
    BY_HAND = "balloon inflated by virsh setmem"
    BALLAST = "ballast migrate"
    AUTOMATIC = "ballastd, and a plain virsh migrate"


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to migrate.

    mechanisms: Ballast's, as for --mechanisms; options: of virsh migrate, for AUTOMATIC
    kernel_args: of the guest's kernel, beside those of every guest
    """

    name: str
    title: str
    kind: Kind
    mechanisms: str = ""
    options: tuple = ()
    kernel_args: str = ""

    @property
    def is_ballast(self):
        return self.kind in (Kind.BALLAST, Kind.AUTOMATIC)


@dataclasses.dataclass(frozen=True)
class Workload:
    """What a guest has done before it migrates, and still does.

    page_cache: what Ballast is to do about its page cache; anything but "keep" is for Ballast alone
    """

    name: str
    title: str
    page_cache: str = "keep"


@dataclasses.dataclass(frozen=True)
class Speed:
    """mibps: libvirt's limit, None: none."""

    name: str
    title: str
    mibps: int | None


def _by_name(items):
    return {item.name: item for item in items}


WAYS = _by_name([
    Way("plain", "plain", Kind.PLAIN),
    Way("hint", "free-page-hint", Kind.HINT),
    # Debian's kernels zero each page when it is allocated; the hint's allocations then dirty what they free.
    Way("hint-no-init", "free-page-hint, init_on_alloc=0", Kind.HINT, kernel_args="init_on_alloc=0"),
    Way("reporting", "free page reporting", Kind.REPORTING),
    Way("balloon-by-hand", "balloon by hand", Kind.BY_HAND),
    Way("balloon", "Ballast: balloon", Kind.BALLAST, "balloon"),
    Way("hold", "Ballast: hold", Kind.BALLAST, "hold"),
    Way("virtio-mem", "Ballast: virtio-mem", Kind.BALLAST, "virtio-mem"),
    Way("virtio-mem,hold", "Ballast: virtio-mem + hold", Kind.BALLAST, "virtio-mem,hold"),
    Way("automatic", "Ballast: automatic (hold)", Kind.AUTOMATIC, "hold"),
    Way("automatic-both", "Ballast: automatic, both", Kind.AUTOMATIC, "virtio-mem,hold"),
])

WORKLOADS = _by_name([
    Workload("dirty-free", "written and freed"),
    Workload("fragmented", "fragmented: 192 of each 256 KiB freed"),
    Workload("busy", "busy: 256 MiB rewritten all the time, the rest written and freed"),
    Workload("untouched", "untouched since boot"),
    Workload("cache-keep", "page cache, clean; kept"),
    Workload("cache-trim", "page cache, clean; Ballast trims it", "trim"),
    Workload("cache-drop", "page cache, clean; Ballast drops it", "drop"),
])

SPEEDS = _by_name([
    Speed("1gbit", "1 Gbit/s", GIGABIT_MIBPS),
    Speed("unlimited", "unlimited", None),
])

DEFAULT_WAYS = ("plain", "hint", "hint-no-init", "hold", "virtio-mem,hold", "automatic")
DEFAULT_WORKLOADS = ("dirty-free", "fragmented")
DEFAULT_SPEEDS = ("1gbit",)
DEFAULT_TURNS = 3

# Of a cell that nothing like it was measured of yet: 4 GiB, software emulation, two processors.
FIRST_GUESS_S = 75.0


@dataclasses.dataclass(frozen=True)
class Cell:
    """One migration: names of way, workload and speed, and which repetition it is (from 1)."""

    way: str
    workload: str
    speed: str
    turn: int

    def __str__(self):
        return f"{self.workload}, {self.speed}, {self.way}, turn {self.turn}"


def applies(way, workload):
    """Whether the two make a cell: nobody but Ballast has a say in the page cache."""
    return WAYS[way].is_ballast or WORKLOADS[workload].page_cache == "keep"


def cells(ways, workloads, speeds, turns):
    """The cells of these names in the order to run them: a turn is over before the next one begins, and each
    begins with another way, so that a machine that gets slower harms them all alike."""
    ordered = []
    for turn in range(1, turns + 1):
        first = (turn - 1) % len(ways)
        for workload in workloads:
            for speed in speeds:
                ordered += [Cell(way, workload, speed, turn) for way in [*ways[first:], *ways[:first]]
                            if applies(way, workload)]
    return ordered


def estimate_s(left, took):
    """Seconds that the cells `left` will take, from what others `took` ([(Cell, seconds)])."""
    def mean(is_alike):
        alike = [seconds for cell, seconds in took if is_alike(cell)]
        return statistics.fmean(alike) if alike else None

    total = 0.0
    for cell in left:
        same = mean(lambda one: (one.way, one.workload, one.speed) == (cell.way, cell.workload, cell.speed))
        total += same or mean(lambda one: one.workload == cell.workload) or mean(lambda one: True) or FIRST_GUESS_S
    return total
