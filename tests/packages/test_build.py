# SPDX-License-Identifier: LGPL-2.1-or-later
"""The packages themselves: what is in the debs and the rpms, that lint has nothing to say, and what goes into them."""

import glob
import json
import os
import re
import shutil
import subprocess

import pytest
from archives import Rpm, output

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGING = os.path.join(TREE, "packaging")

CONFIG = {
    "ballast-guest-agent": {"/etc/ballast/ballast-agent.conf"},
    "ballast-host": {"/etc/ballast/ballast.conf", "/etc/ballast/vf.conf"},
}
LINKS = {
    "/etc/libvirt/hooks/qemu.d/50-ballast-memory": "/usr/sbin/ballast-hook-memory",
    "/etc/libvirt/hooks/qemu.d/60-ballast-vf": "/usr/sbin/ballast-hook-vf",
    "/usr/share/man/man8/ballast-hook-memory.8.gz": "ballast-hooks.8.gz",
    "/usr/share/man/man8/ballast-hook-vf.8.gz": "ballast-hooks.8.gz",
}
FILES = {
    "ballast-guest-agent": CONFIG["ballast-guest-agent"] | {
        "/usr/lib/systemd/system/ballast-agent.service",
        "/usr/lib/udev/rules.d/90-ballast-agent.rules",
        "/usr/sbin/ballast-agent",
        "/usr/share/man/man5/ballast-agent.conf.5.gz",
        "/usr/share/man/man7/ballast-protocol.7.gz",
        "/usr/share/man/man8/ballast-agent.8.gz",
    },
    "ballast-host": CONFIG["ballast-host"] | set(LINKS) | {
        "/usr/bin/ballast",
        "/usr/lib/systemd/system/ballastd.service",
        "/usr/sbin/ballast-hook-memory",
        "/usr/sbin/ballast-hook-vf",
        "/usr/sbin/ballastd",
        "/usr/share/ballast/schema.json",
        "/usr/share/ballast/vf-schema.json",
        "/usr/share/bash-completion/completions/ballast",
        "/usr/share/man/man1/ballast.1.gz",
        "/usr/share/man/man5/ballast-vf.conf.5.gz",
        "/usr/share/man/man5/ballast.conf.5.gz",
        "/usr/share/man/man7/ballast-vf.7.gz",
        "/usr/share/man/man8/ballast-hooks.8.gz",
        "/usr/share/man/man8/ballastd.8.gz",
    },
}
# A preset, where units are not enabled without one.
RPM_ALONE = {"ballast-guest-agent": set(), "ballast-host": {"/usr/lib/systemd/system-preset/50-ballast.preset"}}
# What a program is linked with, without the C library. libvirt waits for a hook, which hence has little to load.
_GLIB = {"libglib-2.0", "libgobject-2.0", "libjson-glib-1.0"}
_HOST = _GLIB | {"libgio-2.0", "libvirt", "libvirt-qemu", "libxml2", "libnl-3", "libnl-route-3"}
LIBRARIES = {
    "/usr/sbin/ballast-agent": _GLIB | {"libcap-ng"},
    "/usr/bin/ballast": _HOST,
    "/usr/sbin/ballastd": _HOST,
    "/usr/sbin/ballast-hook-memory": _GLIB | {"libgio-2.0"},
    "/usr/sbin/ballast-hook-vf": _GLIB | {"libgio-2.0"},
}


def test_lint_and_all_other_checks(folder):
    done = subprocess.run([os.path.join(PACKAGING, "check"), folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0
    assert "FAILED" not in done.stdout and done.stdout.count("ok ") > 20


def test_version_is_mesons(packages):
    meson = json.loads(output("meson", "introspect", "--projectinfo", os.path.join(TREE, "meson.build")))
    assert {package.version() for package in packages.values()} == {meson["version"]}


@pytest.mark.parametrize("name", FILES)
def test_files(packages, name):
    package = packages[name]
    assert package.files() == FILES[name] | (RPM_ALONE[name] if isinstance(package, Rpm) else set())
    assert {path: os.readlink(package.root + path) for path in FILES[name] if os.path.islink(package.root + path)} \
        == {path: target for path, target in LINKS.items() if path in FILES[name]}


@pytest.mark.parametrize("name", FILES)
def test_links_of_the_documents_lead_somewhere(packages, name):
    # rpm has the version in its folder's name, or not.
    folder, = glob.glob(os.path.join(packages[name].root, "usr/share/doc", f"{name}*"))
    documents = {document for document in os.listdir(folder) if document.endswith(".md")}
    assert documents >= {"NEWS.md", "README.md", "SECURITY.md"}
    for document in documents:
        with open(os.path.join(folder, document), encoding="utf-8") as stream:
            targets = re.findall(r"\]\(((?!https?:|#)[^)#]+)", stream.read())
        assert set(targets) <= documents, document


@pytest.mark.parametrize("name", FILES)
def test_hooks_are_no_configuration(packages, name):
    """It would stay when the package is removed, and a hook that stays refuses starts."""
    assert packages[name].config() == CONFIG[name]


def test_every_key_is_in_the_configuration_as_a_comment(packages):
    for name, paths in CONFIG.items():
        package = packages[name]
        for path in paths:
            with open(package.root + path, encoding="ascii") as stream:
                assert all(re.match(r"(#.*|\[\w+\]|)$", line) for line in stream), path


def test_libraries(packages):
    for name in FILES:
        package = packages[name]
        for program in FILES[name] & set(LIBRARIES):
            needed = re.findall(r"NEEDED +(\S+?)(?:-200)?\.so", output("objdump", "-p", package.root + program))
            assert set(needed) - {"libc"} <= LIBRARIES[program] and "libglib-2.0" in needed, program


def test_folder_has_packages_and_their_sources_only(folder):
    names = [name for name in os.listdir(folder) if not re.fullmatch(
        r"ballast_[\d.]+(_amd64)?\.(dsc|tar\.xz|buildinfo|changes)|ballast-.*\.(deb|rpm)", name)]
    assert names == []


def test_no_breakpoints(packages):
    for name in FILES:
        package = packages[name]
        for program in FILES[name] & set(LIBRARIES):
            with open(package.root + program, "rb") as stream:
                assert b"BALLAST_BREAKPOINT" not in stream.read(), program


def test_selinux_lets_the_daemons_leave_inits_domain(tmp_path):
    """Both have NoNewPrivileges=yes. With headers as Fedora's, whose init_daemon_domain() says nothing of that."""
    headers = tmp_path / "selinux"
    shutil.copytree("/usr/share/selinux/devel", headers / "devel")
    init = headers / "devel/include/system/init.if"
    text, n = re.subn(r"^\s*allow init_t \$1:process2 .*\n", "", init.read_text(), flags=re.M)
    assert n > 0
    init.write_text(text)
    module = tmp_path / "module"
    shutil.copytree(os.path.join(PACKAGING, "rpm/selinux"), module)
    subprocess.run(["make", "-C", module, f"SHAREDIR={headers}", "-f", headers / "devel/Makefile", "ballast.pp"], check=True)
    allowed = output("/usr/libexec/selinux/hll/pp", str(module / "ballast.pp"))
    for domain in ("ballastd_t", "ballast_agent_t"):
        assert re.search(rf"^\(allow init_t {domain} \(process2 \(.*\bnnp_transition\b.*\)\)\)$", allowed, re.M), domain


def source_files(tree, target):
    script = '. "$top/packaging/source.sh"; source_copy "$0"'
    subprocess.run(["sh", "-eu", "-c", script, str(target)], check=True, env={**os.environ, "top": str(tree)})
    return {os.path.relpath(os.path.join(path, name), target)
            for path, _, names in os.walk(target) for name in names}


def test_a_tree_without_git_gives_the_same_source(tmp_path):
    with_git = source_files(TREE, tmp_path / "one")
    plain = tmp_path / "one"
    (plain / "build/test").mkdir(parents=True)
    (plain / "build/test/ballast").write_text("built")
    assert source_files(plain, tmp_path / "two") == with_git
    assert "meson.build" in with_git and not any(path.startswith(("build/", ".git/")) for path in with_git)
