# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host that is made up, for `ballast`'s command line: libvirt's test driver has its domains, which begin anew with each
command, and /run, /var/lib and /etc are folders of the test's."""

import json
import subprocess
import time

from daemon_peer import build_path
from hooks import ENVIRONMENT

NOBODY = 65534
FOLDERS = ("run", "var/lib", "etc/ballast")


class Host:
    """Folders below `root`; the running domains d1 and d2, or with `xml` others."""

    def __init__(self, root, xml=None):
        self.root = root
        for folder in FOLDERS:
            (root / folder).mkdir(parents=True)
        domains = "".join(f"<domain type='test'><name>d{i}</name><uuid>{uuid(i)}</uuid><memory>65536</memory>"
                          "<os><type>hvm</type></os></domain>" for i in (1, 2))
        (root / "node.xml").write_text(f"<node>{xml or domains}</node>", encoding="ascii")

    def argv(self, program, *arguments):
        # /etc/ballast need not be there, and this machine's must not be touched.
        mounts = "".join(f'mount --bind "$0/{folder}" /{folder} && ' for folder in FOLDERS[:2])
        return ["unshare", "-m", "--propagation", "private", "sh", "-c",
                f'{mounts} mount --bind "$0/etc" /etc && exec "$@"', str(self.root),
                build_path("host-hook", program), *arguments]

    def ballast(self, *arguments):
        return subprocess.run(self.argv("ballast", *arguments), capture_output=True, text=True, timeout=60, check=False,
                              env=ENVIRONMENT, cwd="/")

    def unprivileged(self, *arguments):
        """The same by who may not read or use what is somebody else's."""
        return self.as_another(["--bounding-set=-dac_override,-dac_read_search"], "ballast", *arguments)

    def as_nobody(self, program, *arguments):
        return self.as_another([f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"], program, *arguments)

    def as_another(self, who, program, *arguments):
        argv = self.argv(program, *arguments)
        at = argv.index(build_path("host-hook", program))
        argv[at:at] = ["setpriv", *who]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=ENVIRONMENT, cwd="/")

    def ask(self, *arguments):
        """The same of a command that asks libvirt."""
        return self.ballast("-c", f"test://{self.root}/node.xml", *arguments)


def uuid(domain):
    return f"6d1f0c2a-0f9e-4b0e-9c55-{domain:012x}"


def check_refused(done, status, *words):
    assert (done.returncode, done.stdout) == (status, ""), done
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("ballast: "), done.stderr
    for word in words:
        assert word in done.stderr


def shown_json(done):
    assert (done.returncode, done.stderr) == (0, ""), done
    return json.loads(done.stdout)


# --- the journal ---

def entry(domain, **changes):
    """A journal entry of `ballast release`, of a hold, made an hour ago."""
    return {"version": 1, "uuid": uuid(domain), "incarnation": "1-1", "migration-id": f"m{domain}", "boot-id": uuid(0),
            "created-us": time.time_ns() // 1000 - 3600 * 10**6, "domain-name": f"d{domain}", "source-uri": "test:///d",
            "owner": "1-1", "stage": "released", "virtio-mem": [],
            "hold": {"token": "t", "bytes": 1 << 20}, **changes}


def balloon(domain, **changes):
    return entry(domain, hold=None, balloon={"original-kib": 65536, "set-kib": 32768}, **changes)


def young(domain):
    return entry(domain, **{"created-us": time.time_ns() // 1000 - 10**6})


def put(host, *entries):
    folder = host.root / "var/lib/ballast/journal"
    folder.mkdir(parents=True, exist_ok=True)
    for each in entries:
        name = f"{each['uuid']}.{each['incarnation']}.{each['migration-id']}.json"
        members = {key: value for key, value in each.items() if value is not None}
        (folder / name).write_text(json.dumps(members), encoding="ascii")
    return folder
