# SPDX-License-Identifier: LGPL-2.1-or-later
"""What AppArmor lets libvirtd execute, by the profile that Debian 12 ships.

The profile is parsed and read, not enforced: where these tests are developed the kernel has no AppArmor, and the guests' hosts
are namespaces of that machine. The kernel matches a program by its real path, not by a symbolic link to it, and only then is
`/etc/libvirt/hooks/** rmix` not what counts for a hook that is a link.
"""

import os
import re
import subprocess

import pytest

from bed.roots import root_path

PROFILE = "/etc/apparmor.d/usr.sbin.libvirtd"


@pytest.fixture(scope="module")
def rules():
    """(path pattern, permissions, whether it denies) of the file rules of libvirtd's own profile."""
    parser = ["chroot", root_path("bookworm"), "apparmor_parser", "--skip-kernel-load", "--skip-cache"]
    # It compiles as well.
    subprocess.run([*parser, PROFILE], check=True, stdout=subprocess.PIPE)
    text = subprocess.run([*parser, "--preprocess", PROFILE], check=True, stdout=subprocess.PIPE, text=True).stdout
    own = re.search(r"^profile libvirtd .*?\{$(.*?)^ +profile ", text, re.M | re.S)[1]
    found = re.findall(r"^ *(?:audit +)?(deny +)?(/\S*) +(\w+)(?: *-> *\S+)?,", own, re.M)
    return [(path, permissions, bool(deny)) for deny, path, permissions in found]


def pattern(path):
    """AppArmor's path pattern as a regular expression; variables match nothing."""
    tokens = {"**": ".*", "*": "[^/]*", "{": "(?:", "}": ")", ",": "|"}
    return re.sub(r"\*\*|[*{},]|[^*{},]+", lambda part: tokens.get(part[0]) or re.escape(part[0]), path)


def may_execute(rules, path):
    matching = [rule for rule in rules if "x" in rule[1] and re.fullmatch(pattern(rule[0]), path)]
    return bool(matching) and not any(deny for _, _, deny in matching)


def test_hooks_may_be_executed(rules, debs):
    hooks = {os.path.normpath(os.path.join(os.path.dirname(link), target)) for link, target in debs.links().items()
             if link.startswith("/etc/libvirt/hooks/qemu.d/")}
    assert hooks == {"/usr/sbin/ballast-hook-memory", "/usr/sbin/ballast-hook-vf"}
    for hook in hooks:
        assert may_execute(rules, hook)
    # These are not, so that the above says something.
    assert not may_execute(rules, "/usr/libexec/ballast/ballast-hook-memory")
    assert not may_execute(rules, "/usr/sbin/apparmor_parser")
    # Without a profile of its own a hook is not confined, and reaches ballastd's socket.
    assert "PUx" in {permissions for path, permissions, _ in rules if re.fullmatch(pattern(path), "/usr/sbin/ballast-hook-vf")}
