# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory info and free ranges of this machine."""

import re

import pytest
from agent_process import AgentError


def meminfo():
    with open("/proc/meminfo", encoding="ascii") as stream:
        return {match[1]: int(match[2]) * 1024 for match in re.finditer(r"^(\S+): +(\d+) kB", stream.read(), re.M)}


def all_ranges(host, **arguments):
    """Every range, by as many pages as it takes."""
    ranges = []
    position = 0
    while position is not None:
        page = host.ask("guest-get-free-memory-ranges", **{"from": position}, **arguments)
        assert len(page["ranges"]) <= arguments.get("max_ranges", 8192)
        assert all(start >= position for start, _ in page["ranges"])
        ranges += page["ranges"]
        assert page.get("next", position + 1) > position
        position = page.get("next")
    return ranges


def test_memory_info(agent):
    info = agent().host.ask("guest-get-memory-info")
    assert info["total-bytes"] == meminfo()["MemTotal"]
    assert info["held-bytes"] == 0
    assert info["holdable-bytes"] < info["free-bytes"] <= info["total-bytes"]
    assert info["clean-cache-bytes"] <= meminfo()["Cached"] + meminfo()["Buffers"]
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        assert info["boot-id"] == stream.read().strip()


def test_free_ranges_are_sorted_and_disjoint(agent):
    ranges = all_ranges(agent().host)
    assert ranges
    end = 0
    for start, length in ranges:
        assert start >= end and length > 0
        assert start % 4096 == 0 and length % 4096 == 0
        end = start + length


def test_free_ranges_by_small_pages_are_the_same_memory(agent):
    host = agent().host
    large = sum(length for _, length in all_ranges(host, min_length_bytes=16 << 20))
    paged = all_ranges(host, min_length_bytes=16 << 20, max_ranges=3)
    assert all(length >= 16 << 20 for _, length in paged)
    # Memory is allocated and freed between the two.
    assert abs(sum(length for _, length in paged) - large) < large / 2


def test_unknown_argument_is_an_error(agent):
    with pytest.raises(AgentError) as caught:
        agent().host.ask("guest-get-free-memory-ranges", minimum=1)
    assert caught.value.error_class == "InvalidArgument"
