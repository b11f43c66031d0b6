# SPDX-License-Identifier: LGPL-2.1-or-later
"""A made-up host with VFs: tests' own vf-peer, which is ballastd's server and VF service on a sysfs, NICs and domains
that are made of files and memory; and the real programs that ask it."""

import json
import socket
import subprocess

import hooks
import vf_client
from daemon_peer import SOCKET, TIMEOUT, build_path

HOOK = "ballast-hook-vf"


def uuid(domain):
    """Of domain number `domain`, as vf-peer has it."""
    return f"6d1f0c2a-0f9e-4b0e-9c55-{domain:012x}"


def domain_xml(domain, *ports):
    """A domain's XML that asks for ports, given as attributes."""
    elements = "".join("<vf:port %s/>" % " ".join(f"{name}='{value}'" for name, value in port.items())
                       for port in ports)
    return (f"<domain type='kvm'><name>d{domain}</name><uuid>{uuid(domain)}</uuid><metadata>"
            f"<vf:ports xmlns:vf='urn:x-ballast:vf:1'>{elements}</vf:ports></metadata></domain>")


def make_tree(root, pfs=2, vfs=4, mbps=10000):
    """The sysfs of a host with `pfs` physical functions of `vfs` VFs each, below `root`."""
    subprocess.run([build_path("tests", "component", "vf-peer"), str(root), str(pfs), str(vfs), str(mbps)], check=True)


def ballast_vf(root, *arguments):
    """`ballast vf`, asking the ballastd below `root`, with no libvirt to be found."""
    argv = [build_path("host-hook", "ballast"), "-c", "qemu:///system", "vf", *arguments]
    return subprocess.run(hooks.below(root, argv), capture_output=True, text=True, timeout=60, check=False,
                          env=hooks.ENVIRONMENT, cwd="/")


class VfPeer:
    """vf-peer below `root`: PFs eth1, eth2, ... of `mbps` Mbit/s, running domains 1 to `domains` - 1, and one that
    is off."""

    def __init__(self, root, pfs=2, vfs=4, mbps=10000, domains=60, config=""):
        self.root = root
        self.path = str(root / SOCKET)
        self.log = root / "log"
        self.config_path = root / "etc/ballast/vf.conf"
        self.config_path.parent.mkdir(parents=True, exist_ok=True)
        self.config_path.write_text(config, encoding="ascii")
        self.arguments = [str(root), *map(str, (pfs, vfs, mbps, domains))]
        self.process = None
        self.start()

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([build_path("tests", "component", "vf-peer"), *self.arguments],
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        assert self.process.stdout.readline() == b"ready\n"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def end(self):
        self.process.terminate()
        return self.process.wait(TIMEOUT)

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT)
        connection.connect(self.path)
        return connection

    def ask(self, command, **arguments):
        return vf_client.ask(command, path=self.path, **arguments)

    def list(self, **arguments):
        return self.ask("vf-list", **arguments)

    def pf(self, name):
        return next(pf for pf in self.list()["pfs"] if pf["pf"] == name)

    def ports(self):
        return {(port["domain"], port["port"]): port for port in self.list()["ports"]}

    def allocate(self, domain, bandwidth="1Gbit", port="net0", **more):
        return self.ask("vf-allocate", domain=uuid(domain), port=port, bandwidth=bandwidth, **more)["port"]

    def release(self, domain, **more):
        return self.ask("vf-release", domain=uuid(domain), **more)

    def ballast(self, *arguments):
        return ballast_vf(self.root, *arguments)

    def ballast_json(self, *arguments):
        done = self.ballast(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def hook(self, operation, sub_operation, xml):
        """libvirt's call of ballast-hook-vf."""
        process = self.start_hook(operation, sub_operation)
        out, err = process.communicate(xml.encode(), timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out.decode(), err.decode())

    def start_hook(self, operation, sub_operation):
        """The same, to be gone on with: its stdin, stdout and stderr are pipes."""
        return hooks.start_hook(HOOK, self.root, ("d", operation, sub_operation, "-"))
