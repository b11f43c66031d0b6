# SPDX-License-Identifier: LGPL-2.1-or-later
"""The program as its administrator sees it: options, config, privileges, cost."""

import os
import subprocess
import time

import pytest
from agent_process import agent_program

CONFIG = os.path.join(os.path.dirname(__file__), "..", "..", "guest-agent", "ballast-agent.conf")
KEPT = 1 << 21 | 1 << 14 | 1 << 24  # CAP_SYS_ADMIN, CAP_IPC_LOCK, CAP_SYS_RESOURCE


def run(*argv, **options):
    return subprocess.run([agent_program(), *argv], capture_output=True, text=True, timeout=20, check=False, **options)


def assert_one_sentence(result, status, *words):
    assert result.returncode == status
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr


def test_version():
    result = run("--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("ballast-agent ")


def test_help_names_every_option():
    result = run("--help")
    assert result.returncode == 0
    for word in ("--channel", "--config", "--check-config", "--version", "Exit codes"):
        assert word in result.stdout


@pytest.mark.parametrize("argv", [["--nonsense"], ["extra"], ["--channel"]])
def test_bad_option(argv):
    assert_one_sentence(run(*argv), 2)


def test_shipped_config_is_valid_and_changes_nothing():
    said = run("--check-config", "--config", CONFIG)
    assert (said.returncode, said.stdout, said.stderr) == (0, f"{CONFIG}: OK\n", "")
    with open(CONFIG, encoding="utf-8") as stream:
        lines = [line for line in stream if line.strip() and not line.startswith(("#", "["))]
    assert lines == []


def test_bad_config(tmp_path):
    config = tmp_path / "agent.conf"
    config.write_text("[hold]\nlease-s=never\n")
    assert_one_sentence(run("--check-config", "--config", str(config)), 2, str(config), "lease-s")
    assert_one_sentence(run("--channel", "/dev/null", "--config", str(config)), 2, str(config), "lease-s")


def test_missing_config_is_an_error_when_named():
    assert_one_sentence(run("--check-config", "--config", "/nonexistent"), 2, "/nonexistent")


def test_missing_config_is_none_when_it_is_the_default(tmp_path):
    done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"',
                           str(tmp_path), agent_program(), "--check-config"], capture_output=True, text=True, timeout=20,
                          check=False)
    said = "/etc/ballast/ballast-agent.conf: not there, the defaults hold\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")


def test_missing_channel():
    assert_one_sentence(run("--channel", "/nonexistent"), 1, "/nonexistent")


def test_channel_of_the_wrong_kind(tmp_path):
    assert_one_sentence(run("--channel", str(tmp_path)), 1, "neither")


def test_not_root(tmp_path):
    program = tmp_path / "ballast-agent"
    program.write_bytes(open(agent_program(), "rb").read())
    program.chmod(0o755)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    result = subprocess.run([str(program), "--channel", "/dev/null"], capture_output=True, text=True, timeout=20,
                            check=False, user=65534, group=65534)
    assert_one_sentence(result, 1, "root")


def test_privileges_are_given_up(agent):
    status = agent().status()
    assert int(status["CapEff"], 16) & ~KEPT == 0
    assert int(status["CapPrm"], 16) & ~KEPT == 0
    assert int(status["CapInh"], 16) == 0
    assert int(status["CapBnd"], 16) == 0
    assert int(status["CapAmb"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Umask"].strip() == "0077"


def test_no_core_dumps(agent):
    with open(f"/proc/{agent().pid}/limits", encoding="ascii") as stream:
        limit = next(line for line in stream if line.startswith("Max core file size"))
    assert limit.split()[4:6] == ["0", "0"]


def test_one_thread_and_little_memory(agent):
    process = agent()
    for _ in range(5):
        process.host.ask("guest-get-free-memory-ranges")
        process.host.ask("guest-get-memory-info")
    process.host.hold(64)
    process.host.status(ranges=True)
    process.host.ask("guest-return-memory")
    process.host.wait_state("idle")
    assert process.status()["Threads"].strip() == "1"
    process.assert_small()


def test_idle_agent_sleeps(agent):
    process = agent("[hold]\nlease-s=2\ndeadline-max-s=2\n")
    process.host.hold(16)
    process.host.ask("guest-return-memory")
    process.host.wait_state("idle")

    def switches():
        status = process.status()
        return int(status["voluntary_ctxt_switches"]) + int(status["nonvoluntary_ctxt_switches"])

    def settled():
        before = switches()
        time.sleep(0.2)
        return switches() == before

    assert settled() or settled()
    before = switches()
    time.sleep(3)
    assert switches() == before
