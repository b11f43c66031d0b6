# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether what a unit forbids is really forbidden: per directive what /proc shows of a process of it, and system calls tried
in a copy of it."""

import os
import re

from guests import property_of, write

_DOCUMENT = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs",
                         "security-of-the-units.md")

_CAPABILITIES = {12: "CAP_NET_ADMIN", 14: "CAP_IPC_LOCK", 1: "CAP_DAC_OVERRIDE", 2: "CAP_DAC_READ_SEARCH", 8: "CAP_SETPCAP",
                 19: "CAP_SYS_PTRACE", 21: "CAP_SYS_ADMIN", 24: "CAP_SYS_RESOURCE", 34: "CAP_SYSLOG"}


def capabilities(mask):
    """Names of those in a mask of /proc/PID/status; a number for one that no unit of ours has."""
    bits = int(mask, 16)
    return {_CAPABILITIES.get(n, n) for n in range(64) if bits >> n & 1}


def check_exposure(shown, unit):
    """What `systemd-analyze security` has shown of a unit is not worse than its documentation says."""
    overall = re.search(r"Overall exposure level for .*: ([\d.]+) \w+", shown)
    print(overall[0])
    with open(_DOCUMENT, encoding="utf-8") as stream:
        documented = re.search(rf"{re.escape(unit)} ([\d.]+)[ ,]", stream.read())
    assert float(overall[1]) <= float(documented[1]), shown


def directives(unit_text):
    """[(name, value)] of the section [Service], in order."""
    service = re.search(r"^\[Service\]$(.*?)(?=^\[|\Z)", unit_text, re.M | re.S)[1]
    return re.findall(r"^(\w+)=(.*)$", service, re.M)


class Process:
    """What a machine's /proc shows of the process `pid`; shell(command) says what a command there does."""

    def __init__(self, shell, pid):
        self._shell = shell
        self.pid = pid
        self.status = dict(line.split(":\t", 1) for line in shell(f"cat /proc/{pid}/status").splitlines() if ":\t" in line)
        self.mounts = {}
        for line in shell(f"cat /proc/{pid}/mountinfo").splitlines():
            fields, _, super_fields = line.partition(" - ")
            words = fields.split()
            # The last one over a mount point is what is seen.
            self.mounts[words[4]] = (words[3], words[5].split(","), super_fields.split()[2].split(","))

    def read_only(self, path):
        """Whether the nearest mount above `path` is."""
        while path not in self.mounts:
            path = path.rpartition("/")[0] or "/"
        return "ro" in self.mounts[path][1]

    def hidden(self, path):
        """Whether systemd has mounted something inaccessible over `path`."""
        return path in self.mounts and "/systemd/inaccessible/" in self.mounts[path][0]

    def own_namespace(self, kind):
        read = "readlink /proc/{}/ns/" + kind
        return self._shell(read.format(self.pid)) != self._shell(read.format(1))

    def violations(self, unit_text):
        """What the unit's text says and is not in force, as far as /proc shows; what there is no check for as well."""
        return [(name, value) for name, value in directives(unit_text)
                if name not in ELSEWHERE and not (name in IN_PROC and IN_PROC[name](self, value))]


def _has_filters(process):
    # One for each of these at least; probe() tells which of them do what they should.
    return process.status["Seccomp"] == "2" and int(process.status["Seccomp_filters"]) >= len(_FILTERS)


_FILTERS = ("SystemCallFilter", "SystemCallArchitectures", "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime",
            "RestrictSUIDSGID", "LockPersonality", "MemoryDenyWriteExecute")

# Directive: whether /proc shows it of a process of the unit, by its value; both units'.
IN_PROC = {
    **{name: lambda process, value: _has_filters(process) for name in _FILTERS},
    "NoNewPrivileges": lambda process, value: process.status["NoNewPrivs"] == "1",
    "CapabilityBoundingSet": lambda process, value: capabilities(process.status["CapBnd"]) <= set(value.split()),
    "ProtectSystem": lambda process, value: process.read_only("/usr/lib") and process.read_only("/etc"),
    "ProtectHome": lambda process, value: all(process.read_only(path) if value == "read-only" else process.hidden(path)
                                              for path in ("/root", "/home")),
    "PrivateDevices": lambda process, value: "/dev" in process.mounts,
    "ProtectControlGroups": lambda process, value: process.read_only("/sys/fs/cgroup"),
    "PrivateTmp": lambda process, value: "/systemd-private-" in process.mounts["/tmp"][0] + process.mounts["/var/tmp"][0],
    "ProtectKernelTunables": lambda process, value: process.read_only("/proc/sys/vm/swappiness")
                             and process.read_only("/sys/kernel"),
    "ReadWritePaths": lambda process, value: not any(process.read_only(path.lstrip("-")) for path in value.split()),
    "ProtectKernelModules": lambda process, value: process.hidden("/usr/lib/modules"),
    "ProtectProc": lambda process, value: f"hidepid={value}" in process.mounts["/proc"][2],
    "ProtectHostname": lambda process, value: process.own_namespace("uts"),
    "PrivateNetwork": lambda process, value: process.own_namespace("net") == (value == "yes"),
    "UMask": lambda process, value: process.status["Umask"] == value,
}

# What /proc does not show: why, or which test does.
ELSEWHERE = {
    "ProtectClock": "a filter and no capability; probe()",
    "ProtectKernelLogs": "a filter and no capability",
    "DevicePolicy": "cgroup's; test_devices",
    "DeviceAllow": "cgroup's; test_devices",
    "IPAddressDeny": "cgroup's, behind PrivateNetwork, which leaves nothing to deny",
    "SystemCallErrorNumber": "probe()",
    "Delegate": "test_hold: the holder has a cgroup of its own",
    "OOMPolicy": "test_out_of_memory",
    **{name: "no hardening" for name in (
        "Type", "ExecStart", "ExecReload", "Restart", "RestartSec", "RestartPreventExitStatus", "WatchdogSec", "LimitNOFILE",
        "RuntimeDirectory", "RuntimeDirectoryMode", "RuntimeDirectoryPreserve", "StateDirectory", "StateDirectoryMode")},
}

# As root these succeed, or fail by their arguments (EFAULT 14, EINVAL 22), but for nothing else.
# Some have effects, so nowhere but in a guest of the tests. A call that was made with the wrong number had one, too.
_PROBE = r"""
-x "/usr/local/bin/guest-tool" or die "probe: this is no guest of the tests\n";
sub try { my ($name, $number, @rest) = @_; my $got = syscall($number, @rest); print "$name ", $got < 0 ? $! + 0 : 0, "\n"; }
try("socket-inet", 41, 2, 1, 0);
try("socket-netlink", 41, 16, 3, 0);
try("socket-unix", 41, 1, 1, 0);
try("mmap-write-exec", 9, 0, 4096, 6, 0x22, -1, 0);
try("set-scheduler-fifo", 144, 0, 1, pack("i", 1));
try("clock-settime", 227, 0, 0);
try("init-module", 175, 0, 0, 0);
try("mount", 165, 0, 0, 0, 0, 0);
try("sethostname", 170, 0, -1);
open(my $file, ">", "/tmp/probe.$$") or die "probe: /tmp/probe.$$: $!";
my $fd = fileno($file) // die "probe: /tmp/probe.$$ has no descriptor";
try("chmod-setuid", 91, $fd, 04755); unlink("/tmp/probe.$$");
try("personality", 135, 0x20000);
try("unshare-net", 272, 0x40000000);
"""
_EPERM, _EAFNOSUPPORT = 1, 97
FORBIDDEN = {"socket-inet": _EAFNOSUPPORT, "socket-netlink": _EAFNOSUPPORT, "socket-unix": 0,
             **{name: _EPERM for name in ("mmap-write-exec", "set-scheduler-fifo", "clock-settime", "init-module", "mount",
                                          "sethostname", "chmod-setuid", "personality", "unshare-net")}}


def probe(guest):
    """({system call: error} in a copy of the agent's unit, the same outside of it)."""
    write(guest, "/run/probe.pl", _PROBE)
    path = property_of(guest, "FragmentPath")
    guest.shell(f"sed -e 's|^ExecStart=.*|ExecStart=/usr/bin/perl /run/probe.pl\\nStandardOutput=file:/run/probe.out"
                f"\\nType=oneshot|' -e /^Restart/d {path} >/run/systemd/system/probe.service && systemctl daemon-reload"
                " && systemctl start probe.service")
    answers = guest.shell("cat /run/probe.out; echo @; perl /run/probe.pl").split("@")
    guest.shell("rm -f /run/systemd/system/probe.service /run/probe.*; systemctl daemon-reload")
    return [{name: int(error) for name, error in (line.split() for line in answer.strip().splitlines())} for answer in answers]
