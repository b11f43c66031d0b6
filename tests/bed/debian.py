# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian systems with systemd that beds boot, made by mmdebstrap and kept in the cache: one folder per kernel version
and recipe, as the guests' image."""

import dataclasses
import glob
import hashlib
import os
import shutil
import subprocess
import tempfile

from .image import GUEST_SOURCES, ImageError, build_guest_tool, cache_dir, cached, slim_modules, unpack_kernel
from .roots import mirror


@dataclasses.dataclass(frozen=True)
class Recipe:
    """name: the folder's in the cache begins with it
    sources: a folder with the shell script `setup ROOT GUEST-TOOL`
    files: whatever else the result depends on, such as the file of the caller
    packages, modules: of Debian, and of its kernel
    finish: is called with the finished root and an empty folder, and puts there what is to be kept
    group: install-deps' that has what is needed
    """

    name: str
    sources: str
    files: tuple
    packages: tuple
    modules: tuple
    finish: object
    group: str

    def folder(self):
        """What is kept, for the kernel of image.base_image(); made when not cached. Raises ImageError."""
        return cached(self.name, self._hash(), self._build)[0]

    def _hash(self):
        digest = hashlib.sha256()
        for name in (__file__, *self.files, os.path.join(self.sources, "setup"),
                     *sorted(glob.glob(os.path.join(GUEST_SOURCES, "*.[ch]")))):
            with open(name, "rb") as stream:
                digest.update(stream.read())
        return digest.hexdigest()[:12]

    def _build(self, folder, kernel, release):
        print(f"bed: making {self.name} (once, cached in {cache_dir()})", flush=True)
        work = tempfile.mkdtemp(prefix="building-", dir=cache_dir())
        root, tool, finished = (os.path.join(work, name) for name in ("root", "guest-tool", "finished"))
        try:
            subprocess.run(
                ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--aptopt=APT::Install-Recommends false",
                 "--include=" + ",".join(self.packages), "bookworm", root, f"deb {mirror()} bookworm main"], check=True)
            slim_modules(unpack_kernel(kernel, work), release, self.modules, root)
            build_guest_tool(tool)
            subprocess.run(["/bin/sh", os.path.join(self.sources, "setup"), root, tool], check=True)
            os.mkdir(finished)
            self.finish(root, finished)
            os.sync()
            os.rename(finished, folder)
        except (OSError, subprocess.CalledProcessError) as error:
            raise ImageError(f"{self.name} could not be made: {error}; run tests/install-deps {self.group}") from error
        finally:
            shutil.rmtree(work, ignore_errors=True)
