# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debs made for one test: empty ones, and those of Ballast with other fields."""

import re
import subprocess


def _build(tree, path):
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, path], check=True, stdout=subprocess.DEVNULL)


def stub(folder, name, postinst=None, **fields):
    """An empty package: folder/name.deb."""
    tree = folder / name
    (tree / "DEBIAN").mkdir(parents=True)
    fields = {"Package": name, "Version": "1", "Architecture": "all", "Maintainer": "Nobody <nobody@ballast.invalid>",
              "Description": "stub", **fields}
    (tree / "DEBIAN/control").write_text("".join(f"{field}: {value}\n" for field, value in fields.items()))
    if postinst:
        (tree / "DEBIAN/postinst").write_text(f"#!/bin/sh\n{postinst}\n")
        (tree / "DEBIAN/postinst").chmod(0o755)
    _build(str(tree), str(folder / f"{name}.deb"))
    return folder / f"{name}.deb"


def with_fields(package, folder, name, **fields):
    """The deb `package` with some fields replaced: folder/name."""
    tree = folder / f"{name}.tree"
    subprocess.run(["dpkg-deb", "-R", package, str(tree)], check=True)
    control = tree / "DEBIAN/control"
    text = control.read_text()
    for field, value in fields.items():
        text = re.sub(rf"^{field}: .*$", f"{field}: {value}", text, flags=re.M)
    control.write_text(text)
    _build(str(tree), str(folder / name))
    return folder / name
