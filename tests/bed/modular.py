# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's modular daemons, which Debian 12 has in its source package but does not ship.

virtqemud and virtproxyd of the very version that this machine has, built once (a minute or two)
and kept in the cache; what they consist of beside main(), libvirt.so and its QEMU driver, is
Debian's. Needs the packages of `install-deps modular`.
"""

import glob
import hashlib
import os
import re
import shutil
import subprocess
import tempfile

from .image import ImageError, cache_dir, cache_lock

_DAEMONS = ("virtqemud", "virtproxyd")

# As Debian has them where it shows.
_OPTIONS = ("--prefix=/usr", "--sysconfdir=/etc", "--localstatedir=/var", "--libdir=lib/x86_64-linux-gnu",
            "-Drunstatedir=/run", "-Dauto_features=disabled", "-Dsystem=true", "-Ddriver_remote=enabled",
            "-Ddriver_libvirtd=enabled", "-Ddriver_qemu=enabled", "-Dyajl=enabled", "-Dcapng=enabled",
            "-Dtests=disabled", "-Ddocs=disabled")


def daemons_folder():
    """The folder with both programs, built when not cached. Raises ImageError."""
    version = _run(["dpkg-query", "-W", "-f", "${source:Version}", "libvirt-daemon"])
    with open(__file__, "rb") as stream:
        recipe = hashlib.sha256(stream.read()).hexdigest()[:12]
    folder = os.path.join(cache_dir(), f"modular-{version}-{recipe}")
    if not os.path.isdir(folder):
        with cache_lock():
            if not os.path.isdir(folder):
                _build(version, folder)
    return folder


def _run(argv, **kwargs):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, **kwargs).stdout


def _source(version, work):
    """Debian's source of that version, unpacked below `work`; the machine's lists stay as they are."""
    lists = os.path.join(work, "lists")
    os.makedirs(os.path.join(lists, "partial"))
    targets = _run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(LABEL)",
                    "Created-By: Packages"])
    sources = os.path.join(work, "sources.list")
    with open(sources, "w", encoding="ascii") as stream:
        for target in re.findall(r"^(\S+ \S+ \S+) Debian(?:-Security)?$", targets, re.M):
            stream.write(f"deb-src {target}\n")
    apt = ["apt-get", "-qq", "-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=-",
           "-o", f"Dir::State::lists={lists}", "-o", "APT::Sandbox::User=root"]
    _run([*apt, "update"])
    _run([*apt, "source", f"libvirt={version}"], cwd=work, stderr=subprocess.DEVNULL)
    return glob.glob(os.path.join(work, "libvirt-*/"))[0]


def _build(version, folder):
    print(f"bed: building libvirt's modular daemons (once, cached in {cache_dir()})", flush=True)
    work = tempfile.mkdtemp(prefix="building-", dir=cache_dir())
    build = os.path.join(work, "build")
    finished = os.path.join(work, "finished")
    # libvirt's build wants Debian's own python first.
    environment = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    try:
        _run(["meson", "setup", *_OPTIONS, build, _source(version, work)], env=environment)
        _run(["ninja", "-C", build, *(f"src/{name}" for name in _DAEMONS)], env=environment)
        os.mkdir(finished)
        for name in _DAEMONS:
            shutil.copy(os.path.join(build, "src", name), finished)
        os.rename(finished, folder)
    except (OSError, IndexError, subprocess.CalledProcessError) as error:
        raise ImageError(f"libvirt's modular daemons could not be built: {error}; "
                         "run tests/install-deps modular") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
