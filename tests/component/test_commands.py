# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ballast`'s command line on a host that is made up: libvirt's test driver has its domains, which begin anew with each
command, and /run, /var/lib and /etc are folders of the test's. With real domains it is tested by
tests/integration/test_cli.py."""

import subprocess

import pytest
from daemon_peer import build_path
from hooks import ENVIRONMENT

USAGE, NOT_FOUND = 2, 3
FOLDERS = ("run", "var/lib", "etc/ballast")


class Host:
    """Folders below `root`; the domains d1, which runs, and d2."""

    def __init__(self, root):
        self.root = root
        for folder in FOLDERS:
            (root / folder).mkdir(parents=True)
        domains = "".join(f"<domain type='test'><name>d{i}</name><uuid>{uuid(i)}</uuid><memory>65536</memory>"
                          "<os><type>hvm</type></os></domain>" for i in (1, 2))
        (root / "node.xml").write_text(f"<node>{domains}</node>", encoding="ascii")

    def ballast(self, *arguments):
        # /etc/ballast need not be there, and this machine's must not be touched.
        mounts = "".join(f'mount --bind "$0/{folder}" /{folder} && ' for folder in FOLDERS[:2])
        argv = ["unshare", "-m", "--propagation", "private", "sh", "-c",
                f'{mounts} mount --bind "$0/etc" /etc && exec "$@"', str(self.root)]
        return subprocess.run([*argv, build_path("host-hook", "ballast"), *arguments], capture_output=True, text=True,
                              timeout=60, check=False, env=ENVIRONMENT, cwd="/")

    def ask(self, *arguments):
        """The same of a command that asks libvirt."""
        return self.ballast("-c", f"test://{self.root}/node.xml", *arguments)


def uuid(domain):
    return f"6d1f0c2a-0f9e-4b0e-9c55-{domain:012x}"


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def check_refused(done, status, *words):
    assert (done.returncode, done.stdout) == (status, ""), done
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("ballast: "), done.stderr
    for word in words:
        assert word in done.stderr


# --- options ---

NO_SUCH_OPTION = [
    ("--config", "/dev/null", "vf", "list"),
    ("vf", "--config", "/dev/null", "list"),
    ("--mechanisms", "hold", "vf", "list"),
    ("--page-cache", "keep", "vf", "list"),
    ("vf", "list", "--mechanisms", "hold"),
    ("--config", "/dev/null", "status"),
    ("status", "--mechanisms", "hold"),
    ("--mechanisms", "hold", "status"),
    ("--page-cache", "keep", "status"),
    ("--mechanisms", "hold", "restore", "d1"),
    ("recover", "--page-cache", "keep"),
    ("--page-cache", "keep", "ranges", "d1"),
    ("--page-cache", "keep", "advise", "d1"),
    ("--mechanisms", "hold", "retire"),
    ("--mechanisms", "hold", "check-config"),
    ("--connect", "test:///default", "check-config"),
]


@pytest.mark.parametrize("arguments", NO_SUCH_OPTION, ids=" ".join)
def test_option_that_means_nothing_for_the_command(host, arguments):
    option = next(word for word in arguments if word.startswith("-"))
    check_refused(host.ballast(*arguments), USAGE, "Nothing was touched: ", option)


def test_option_before_the_command_and_behind_it(host):
    (host.root / "etc/ballast/ballast.conf").write_text("[memory]\nnonsense=1\n", encoding="ascii")
    check_refused(host.ask("recover"), USAGE, "nonsense")
    for arguments in ("--config", "/dev/null", "recover"), ("recover", "--config", "/dev/null"):
        done = host.ask(*arguments)
        assert (done.returncode, done.stdout) == (0, "Nothing is left to recover.\n"), done
    # It has no use for the configuration.
    assert host.ask("status").stdout == "Nothing is released.\n"
