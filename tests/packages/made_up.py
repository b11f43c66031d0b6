# SPDX-License-Identifier: LGPL-2.1-or-later
"""A made-up machine on which a package comes and goes: this one's files below a layer that takes what is written, and
programs that write down how they were called instead of systemctl, udevadm, ballast and such."""

import os
import socket
import subprocess

from archives import Deb

# deb-systemd-invoke and systemctl write the same; what is asked, not done, is answered by the files `active` and `enabled`.
# A daemon has another InvocationID with each start.
_FAKE = """\
#!/bin/sh
name=$(basename "$0")
[ "$name" != deb-systemd-invoke ] || name=systemctl
while :; do
  case "$name $1" in
  "systemctl --system" | "systemctl --no-reload" | "systemctl --quiet" | "systemctl --no-block" | "deb-systemd-helper --quiet") shift ;;
  *) break ;;
  esac
done
case "$name $1" in
"systemctl is-active") grep -qx "$2" "$BOX/active"; exit ;;
"systemctl is-enabled") grep -qx "$2" "$BOX/enabled"; exit ;;
"systemctl show") eval "unit=\\${$#}"; echo "id-$(grep -cx "$unit" "$BOX/starts")"; exit ;;
"systemctl daemon-reload" | "systemctl disable") exit 0 ;;
"systemctl preset" | "deb-systemd-helper enable") name=systemctl; shift; set -- enable "$@" ;;
"deb-systemd-helper "*) exit 0 ;;
"dpkg-trigger --no-await") name=dpkg-trigger ;;
esac
ls /etc/libvirt/hooks/qemu.d >"$BOX/links-at-$1" 2>&1
[ "$name" != ballast ] || { readlink /proc/self/fd/0; cut -d " " -f 6 /proc/$$/stat; } >"$BOX/retire-has"
echo "$name $*" >>"$BOX/calls"
! grep -qsx "$name $1" "$BOX/failing" || exit 1
case "$name $1" in "systemctl restart" | "systemctl try-restart") ! grep -qx "$2" "$BOX/active" || echo "$2" >>"$BOX/starts" ;; esac
"""
_FAKES = ("systemctl", "deb-systemd-invoke", "deb-systemd-helper", "dpkg-trigger", "udevadm", "ballast")

# Nothing of it is seen, or stays, outside.
_SANDBOX = """\
set -eu
mount -t tmpfs tmpfs "$BOX/layer"
mkdir "$BOX/layer/upper" "$BOX/layer/work"
mount -t overlay -o "lowerdir=/,upperdir=$BOX/layer/upper,workdir=$BOX/layer/work" overlay "$BOX/root"
cd "$BOX/root"
mkdir -p box
mount --bind "$BOX" box
mount --bind "$BOX/run" run
[ "$VAR_LIB" = own ] || mount --bind "$BOX/var-lib" var/lib
mkdir -p etc/libvirt
mount --bind "$BOX/etc-libvirt" etc/libvirt
rm -f usr/sbin/policy-rc.d
[ ! -e "$BOX/policy-rc.d" ] || cp "$BOX/policy-rc.d" usr/sbin
mount --bind /proc proc
mount -t tmpfs tmpfs dev
cp -a /dev/null /dev/tty dev
cp -r "$BOX/dev/." dev
export BOX=/box
exec chroot . "$@"
"""
# Maintainer scripts of a test never run anywhere else.
_GUARD = "[ -e /box/calls ] || exit 99\n"
LINKS = {"50-ballast-memory": "/usr/sbin/ballast-hook-memory", "60-ballast-vf": "/usr/sbin/ballast-hook-vf"}


class Machine:
    """libvirtd runs on it, and systemd; `package` is a Deb or an Rpm."""

    def __init__(self, package, box):
        self._package = package
        self.is_deb = isinstance(package, Deb)
        self.box = box
        self.said = ""
        self.hooks = box / "etc-libvirt/hooks/qemu.d"
        for folder in ("bin", "run/systemd/system", "run/libvirt/qemu", "var-lib", "dev", "layer", "root", self.hooks):
            (box / folder).mkdir(parents=True)
        for name in _FAKES:
            self.fake(name, _FAKE)
        (box / "starts").touch()
        (box / "enabled").write_text("ballastd.service\n")
        self.set_active("libvirtd")
        self.set_failing()

    def fake(self, name, text):
        (self.box / "bin" / name).write_text(text)
        (self.box / "bin" / name).chmod(0o755)

    def set_active(self, *units):
        (self.box / "active").write_text("".join(f"{unit}.service\n" for unit in units))

    def set_failing(self, *commands):
        (self.box / "failing").write_text("".join(f"{command}\n" for command in commands))

    def set_job(self, kind, phase, name="web1"):
        """libvirt is at something: the attributes of its status file's <job>."""
        (self.box / f"run/libvirt/qemu/{name}.xml").write_text(
            f"<domstatus>\n  <job type='{kind}' async='{phase}'/>\n</domstatus>\n")

    def boot(self):
        """/run is empty, and each daemon another one."""
        for path in self.box.glob("run/libvirt/qemu/*"):
            path.unlink()
        with open(self.box / "starts", "a", encoding="ascii") as stream:
            stream.write("libvirtd.service\nvirtqemud.service\n")

    def listen(self):
        """libvirt's socket is there. A socket's path has to be short."""
        folder = os.open(self.box / "run/libvirt", os.O_PATH)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(f"/proc/self/fd/{folder}/libvirt-sock")
        os.close(folder)

    def remember(self, path, text):
        """A file below /var/lib/ballast."""
        path = self.box / "var-lib/ballast" / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def link_hooks(self):
        """As dpkg and rpm unpack them."""
        for name, target in LINKS.items():
            if not (self.hooks / name).is_symlink():
                (self.hooks / name).symlink_to(target)

    def links(self):
        return {path.name: os.readlink(path) for path in self.hooks.iterdir()}

    def inside(self, *argv, var_lib="test's", check=True):
        """Runs a command there, the programs that write down first in its path; what it said."""
        done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", _SANDBOX, "-", *argv],
                              env={"BOX": str(self.box), "VAR_LIB": var_lib, "LC_ALL": "C",
                                   "PATH": "/box/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        assert done.returncode == 0 or not check, done.stdout
        return done.stdout

    def calls(self):
        return (self.box / "calls").read_text().splitlines()

    def _run(self, name, *words):
        (self.box / "script").write_text(_GUARD + self._package.script(name))
        self.said += self.inside("sh", "/box/script", *words)

    def do(self, deb_steps, rpm_steps):
        """The calls that these scripts made, each (name, arguments ...). dpkg runs what was triggered at its end."""
        (self.box / "calls").write_text("")
        self.said = ""
        for name, *words in deb_steps if self.is_deb else rpm_steps:
            self._run(name, *words)
        if any(call.startswith("dpkg-trigger") for call in self.calls()):
            self._run("postinst", "triggered", "ballast-host-libvirt")
        return [call for call in self.calls() if not call.startswith("dpkg-trigger")]

    def unpack(self, *words):
        self.link_hooks()
        return self.do([("preinst", *words)], ())

    def install(self, *words):
        calls = self.unpack("install", *words)
        return calls + self.do([("postinst", "configure", *words)], [("POSTIN", "1"), ("POSTTRANS", "1")])

    def upgrade(self):
        """Scripts of the new version and the old one in the order of dpkg and of rpm."""
        return self.do([("prerm", "upgrade", "9"), ("preinst", "upgrade", "0.0.9"), ("postrm", "upgrade", "9"),
                        ("postinst", "configure", "0.0.9")],
                       [("POSTIN", "2"), ("PREUN", "1"), ("POSTUN", "1"), ("POSTTRANS", "2")])

    def remove(self):
        calls = self.do([("prerm", "remove"), ("postrm", "remove")], [("PREUN", "0"), ("POSTUN", "0")])
        return [call for call in calls if " disable " not in call]

    def purge(self):
        return self.do([("postrm", "purge")], ())
