# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes initramfs archives (cpio, "newc"). The kernel takes several of them one after the other."""

import os
import stat

_ALIGN = 4


class CpioWriter:
    """Collects entries in memory; parent folders are made when first needed.

    Contents depend on the arguments alone (no times, no inode numbers of this machine), so
    the same input gives the same archive.
    """

    def __init__(self):
        self._chunks = []
        self._seen = set()
        self._inode = 1

    def directory(self, path):
        path = path.strip("/")
        if not path or path in self._seen:
            return
        self._parents(path)
        self._entry(path, stat.S_IFDIR | 0o755, b"")

    def symlink(self, path, target):
        path = path.strip("/")
        self._parents(path)
        self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def file(self, path, data, mode=0o644):
        path = path.strip("/")
        self._parents(path)
        self._entry(path, stat.S_IFREG | mode, data)

    def copy(self, path, source, mode=None):
        """Puts the file `source` of this machine (links followed) at `path`."""
        with open(source, "rb") as stream:
            data = stream.read()
        self.file(path, data, mode if mode is not None else os.stat(source).st_mode & 0o777)

    def bytes(self):
        self._entry("TRAILER!!!", 0, b"")
        data = b"".join(self._chunks)
        # A following archive must start at a multiple of 4; the kernel skips the zeros.
        return data + bytes(-len(data) % 512)

    def _parents(self, path):
        parent = os.path.dirname(path)
        if parent:
            self.directory(parent)

    def _entry(self, path, mode, data):
        self._seen.add(path)
        name = path.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + name
        self._inode += 1
        self._chunks += [header, bytes(-len(header) % _ALIGN), data, bytes(-len(data) % _ALIGN)]
