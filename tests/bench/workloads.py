# SPDX-License-Identifier: LGPL-2.1-or-later
"""Brings a guest into the state that a workload is: see matrix.WORKLOADS."""

from bed import GuestError

MIB = 1 << 20

CANARY_MIB = 16

# 4 blocks of 64 KiB a tick are about 20 MB/s under emulation, a sixth of 1 Gbit/s: the migration converges.
BUSY_MIB = 256
BUSY_REWRITES = 4


def dirty_mib(memory_mib):
    """How much is written and freed, and with "fragmented" written: three quarters of the guest."""
    return memory_mib * 3 // 4


def cache_mib(memory_mib):
    """How much of the page cache is filled: half of the guest."""
    return memory_mib // 2


def busy_mib(memory_mib):
    """How much is rewritten all the time."""
    return min(BUSY_MIB, memory_mib // 8)


def disk_mib(workload, memory_mib):
    """The disk that a guest of that workload needs; 0: none. A sixteenth goes to the file system itself."""
    return cache_mib(memory_mib) * 17 // 16 + 32 if workload.startswith("cache-") else 0


def _fill_page_cache(guest, mib):
    guest.shell("mke2fs -b 4096 /dev/vda && mount -t ext4 /dev/vda /mnt", timeout=60)
    guest.shell(f"dd if=/dev/urandom of=/mnt/file bs=1M count={mib} && sync", timeout=600)
    info = guest.meminfo()
    cached = info["Cached"] + info["Buffers"]
    if cached < mib * MIB:
        raise GuestError(f"guest {guest.name} has {cached} bytes of page cache instead of {mib} MiB")


def prepare(guest, workload, memory_mib, fill):
    """Has the running guest do what the workload's name says, and a small canary run beside it.

    fill: MiB to write, or "all", or None for dirty_mib()
    """
    fill = dirty_mib(memory_mib) if fill is None else fill
    guest.canary_start(CANARY_MIB)
    if workload in ("dirty-free", "busy"):
        guest.fill(fill)
    if workload == "busy":
        guest.canary_start(busy_mib(memory_mib), BUSY_REWRITES)
    elif workload == "fragmented":
        guest.fill(fill, fragment=True)
    elif workload.startswith("cache-"):
        _fill_page_cache(guest, cache_mib(memory_mib))


def verify_mib(memory_mib):
    """How much is written and read back after the migration, to see that memory is whole: what any workload leaves
    free. More would take longer than the migration."""
    return memory_mib // 4
