# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ballast`'s command line on a host that is made up. With real domains it is tested by tests/integration/test_cli.py."""

import fcntl
import json
import os
import socket
import subprocess

import pytest
from agent_process import wait_for
from daemon_peer import read_request
from hooks import ENVIRONMENT
from made_up_host import NOBODY, Host, balloon, check_refused, entry, put, shown_json, uuid, young

FAILED, USAGE, NOT_FOUND, NOT_RESTORED = 1, 2, 3, 5


# --- help and version ---

@pytest.mark.parametrize("words", [(), ("migrate",), ("vf",), ("vf", "list"), ("help",)], ids=" ".join)
def test_help_as_a_command(host, words):
    done, by_option = host.ballast("help", *words), host.ballast(*words, "--help")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("Usage:\n  ballast ")
    assert done.stdout == by_option.stdout


def test_version_as_a_command(host):
    said = host.ballast("version")
    assert (said.returncode, said.stderr) == (0, "") and said.stdout.startswith("ballast ")
    assert said.stdout == host.ballast("--version").stdout


def test_help_and_version_of_nonsense(host):
    check_refused(host.ballast("help", "nonsense"), USAGE, 'no command "nonsense"')
    check_refused(host.ballast("help", "--nonsense"), USAGE, "--nonsense")
    check_refused(host.ballast("version", "nonsense"), USAGE, "nonsense")
    check_refused(host.ballast("--json", "version"), USAGE, "--json")


# --- permissions ---

def test_socket_that_is_somebody_elses(host):
    path = host.root / "run/ballast/ballastd.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o600)
        os.chown(path, NOBODY, NOBODY)
        check_refused(host.unprivileged("vf", "list"), FAILED, "root's alone: run this as root, nothing was changed\n")


def test_journal_that_is_somebody_elses(host):
    journal = host.root / "var/lib/ballast/journal"
    journal.mkdir(parents=True, mode=0o700)
    os.chown(journal, NOBODY, NOBODY)
    done = host.unprivileged("-c", "test:///default", "status")
    check_refused(done, FAILED, "journal /var/lib/ballast/journal cannot be read", "nothing was touched")


def test_domain_that_a_user_does_not_see(host):
    words = 'There is no domain "web1" for this user (run this as root), nothing was touched: '
    check_refused(host.as_nobody("ballast", "-c", "test:///default", "plan", "web1"), NOT_FOUND, words)
    assert words not in host.ballast("-c", "test:///default", "plan", "web1").stderr
    assert "\nWorks on the host where the domain runs, as root.\n" in host.ballast("--help").stdout


def test_ballastd_is_for_root(host):
    done = host.as_nobody("ballastd")
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert done.stderr == "ballastd: This host's domains are root's: run this as root, nothing was touched\n"


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


# --- check-config ---

DEFAULT, VF_DEFAULT = "/etc/ballast/ballast.conf", "/etc/ballast/vf.conf"


def test_check_config_of_default_files(host):
    said = "{}: not there, the defaults hold\n"
    assert host.ballast("check-config").stdout == said.format(DEFAULT) + said.format(VF_DEFAULT)
    assert shown_json(host.ballast("check-config", "--json")) == {"files": [
        {"path": path, "valid": True, "found": False} for path in (DEFAULT, VF_DEFAULT)]}
    (host.root / VF_DEFAULT[1:]).write_text("", encoding="ascii")
    assert host.ballast("check-config").stdout == said.format(DEFAULT) + f"{VF_DEFAULT}: OK\n"
    assert [file["found"] for file in shown_json(host.ballast("check-config", "--json"))["files"]] == [False, True]


def test_check_config_of_named_files(host):
    assert host.ballast("check-config", "/dev/null").stdout == "/dev/null: OK\n"
    assert shown_json(host.ballast("--json", "check-config", "--vf-config", "/dev/null")) == {"files": [
        {"path": "/dev/null", "valid": True, "found": True}]}
    for arguments in ("check-config", "/nonexistent"), ("check-config", "--vf-config", "/nonexistent"):
        check_refused(host.ballast(*arguments), USAGE, "/nonexistent")


def test_check_config_of_a_bad_file(host):
    """It is told as well, beside the sentence."""
    (host.root / VF_DEFAULT[1:]).write_text("[vf]\nnonsense=1\n", encoding="ascii")
    done = host.ballast("check-config", "--json")
    assert done.returncode == USAGE and done.stderr== f"ballast: {VF_DEFAULT}: [vf] there is no such key: nonsense\n"
    assert json.loads(done.stdout) == {"files": [{"path": DEFAULT, "valid": True, "found": False},
                                                 {"path": VF_DEFAULT, "valid": False, "found": True}]}


# --- advise ---

def advise_balloon(root, name, balloon):
    xml = (f"<domain type='test'><name>{name}</name><uuid>{uuid(1)}</uuid><memory>65536</memory>"
           f"<os><type>hvm</type></os><devices>{balloon}</devices></domain>")
    return shown_json(Host(root, xml).ask("advise", "--json", "--mechanisms", "balloon", uuid(1)))


@pytest.mark.parametrize("stats", ["", "<stats period='0'/>", "<stats period='5'/>"])
def test_advise_changes_nothing(tmp_path, stats):
    """The test driver's domains tell their balloon's figures, and do not have themselves be polled for that."""
    said = advise_balloon(tmp_path, "d1", f"<memballoon model='virtio'>{stats}</memballoon>")
    assert (said["mechanisms"], said["advice"]) == (["balloon"], [])


@pytest.mark.parametrize("name", ["d1", "-d1", "--live", "--domain=d 1", "$HOME"])
def test_command_that_advise_prints(tmp_path, name):
    advice, = advise_balloon(tmp_path, name, "<memballoon model='none'/>")["advice"]
    done = subprocess.run(["sh", "-c", advice["command"]], capture_output=True, text=True, timeout=60, check=False,
                          env={**ENVIRONMENT, "LIBVIRT_DEFAULT_URI": f"test://{tmp_path}/node.xml", "EDITOR": "true",
                               "VISUAL": "true"})
    assert (done.returncode, done.stderr) == (0, "") and f"Domain '{name}' XML" in done.stdout, done


# --- restore, recover and status ---

GONE = 9


def lock(host, domain):
    """As a process that is at work on the domain."""
    path = host.root / "run/ballast/locks" / uuid(domain)
    path.parent.mkdir(parents=True)
    stream = path.open("wb")
    fcntl.lockf(stream, fcntl.LOCK_EX, 1)
    return stream


def test_restore_of_what_was_not_released(host):
    assert host.ask("restore", "d1").stdout == 'Nothing of domain "d1" was released.\n'
    assert shown_json(host.ask("restore", "d1", "--json")) == {"domain": "d1", "uuid": uuid(1), "restored": False}
    check_refused(host.ask("restore", "nobody", "--json"), NOT_FOUND, '"nobody"')


def test_recover_with_nothing_to_do(host):
    assert host.ask("recover").stdout == "Nothing is left to recover.\n"
    assert shown_json(host.ask("--json", "recover")) == {"domains": []}


SETTLED = {
    "whole": (entry(2), "Domain \"d2\" has taken its memory back by itself"),
    "gone": (balloon(GONE), f"Domain \"d{GONE}\" does not run here any more; `ballast restore` gives its memory back "
             "on the host where it runs"),
}


@pytest.mark.parametrize("outcome", SETTLED)
def test_recover_settles(host, outcome):
    released, sentence = SETTLED[outcome]
    folder = put(host, released)
    assert host.ask("recover").stdout == f"{sentence}.\n"
    assert list(folder.iterdir()) == []
    put(host, released)
    assert shown_json(host.ask("recover", "--json")) == {"domains": [
        {"domain": released["domain-name"], "uuid": released["uuid"], "outcome": outcome, "sentence": sentence}]}
    assert list(folder.iterdir()) == []


def test_recover_leaves_what_others_come_for(host):
    folder = put(host, young(1), entry(2))
    with lock(host, 2):
        said = shown_json(host.ask("recover", "--json"))["domains"]
        assert {(each["uuid"], each["outcome"]) for each in said} == {(uuid(1), "left"), (uuid(2), "busy")}
        lines = host.ask("recover").stdout.splitlines()
        assert sorted(lines) == sorted(f"{each['sentence']}." for each in said)
    assert len(list(folder.iterdir())) == 2


def test_recover_that_fails(host):
    """Of the test driver's domains nobody can tell whether a job holds them. The others are settled all the same."""
    put(host, balloon(1), entry(2))
    (put(host) / f"{uuid(3)}.1-1.m3.json").write_text("nonsense", encoding="ascii")
    done = host.ask("recover", "--json")
    assert done.returncode == NOT_RESTORED
    said = {each["uuid"]: each for each in json.loads(done.stdout)["domains"]}
    outcomes = {key: each["outcome"] for key, each in said.items()}
    assert outcomes == {uuid(1): "failed", uuid(2): "whole", uuid(3): "failed"}
    assert (said[uuid(1)]["domain"], said[uuid(3)]["domain"]) == ("d1", None)
    assert "libvirt does not answer" in said[uuid(1)]["sentence"]
    for each in uuid(1), uuid(3):
        assert said[each]["sentence"] in done.stderr
    assert host.ask("recover").stdout == ""


@pytest.mark.parametrize("command", ["status", "recover"])
def test_domain_that_nobody_knows(host, command):
    put(host, balloon(GONE))
    (put(host) / f"{uuid(3)}.1-1.m3.json").write_text("nonsense", encoding="ascii")
    for name in "nobody", "99", uuid(4), uuid(3)[:8], "":
        check_refused(host.ask(command, name), NOT_FOUND, f'"{name}"', "nothing was touched")
        check_refused(host.ask(command, name, "--json"), NOT_FOUND, f'"{name}"')


def test_domain_by_name_id_and_uuid(host):
    """Also one that is in the journal alone, and one of which the file cannot be read."""
    put(host, balloon(1), balloon(GONE))
    (put(host) / f"{uuid(3)}.1-1.m3.json").write_text("nonsense", encoding="ascii")
    for name in "d1", "1", uuid(1), uuid(1).upper():
        assert [each["domain"] for each in shown_json(host.ask("status", name, "--json"))["released"]] == ["d1"]
    assert host.ask("status", "d2").stdout == "Nothing is released.\n"
    assert host.ask("recover", "d2").stdout == "Nothing is left to recover.\n"
    for name in f"d{GONE}", uuid(GONE):
        assert [each["uuid"] for each in shown_json(host.ask("status", name, "--json"))["released"]] == [uuid(GONE)]
    for command in "status", "recover":
        line, = host.ask(command, uuid(3)).stderr.splitlines()
        assert f"/var/lib/ballast/journal/{uuid(3)}.1-1.m3.json cannot be used" in line
        assert line.endswith("; look at the domain's sizes (`virsh dumpxml`), then remove the file")
    assert shown_json(host.ask("recover", f"d{GONE}", "--json"))["domains"][0]["outcome"] == "gone"


def test_domain_that_ballastd_alone_knows(host, fake):
    known = {"libvirt": True, "domains": [], "domains-left-out": 0,
             "migrations": [{"domain": "d8", "uuid": uuid(8), "outcome": "left", "began-us": 1, "ended-us": 2}]}

    def script(connection):
        request, _ = read_request(connection)
        answer = known if request["arguments"]["domain"] == "d8" else {**known, "migrations": []}
        connection.sendall(json.dumps({"return": answer}).encode() + b"\n")
        connection.close()

    fake(script)
    assert " d8 " in host.ask("status", "d8").stdout
    assert host.ask("recover", "d8").stdout == "Nothing is left to recover.\n"
    for command in "status", "recover":
        check_refused(host.ask(command, "d7"), NOT_FOUND, '"d7"')


# --- ballastd ---

@pytest.fixture
def daemon(host):
    """A real ballastd whose libvirt refuses it, as soon as there seems to be one."""
    with (host.root / "log").open("wb") as log, subprocess.Popen(
            host.argv("ballastd", "-c", "test:///nonexistent"), stderr=log, env=ENVIRONMENT, cwd="/") as process:
        try:
            yield process
        finally:
            process.terminate()


def test_why_ballastd_does_not_reach_libvirt(host, daemon):
    """Both the log and `ballast status` say so; the log says the same thing once."""
    def wait_for_reason(words):
        def told():
            answer = shown_json(host.ask("status", "--json"))["ballastd"] or {}
            return words in answer.get("libvirt-error", "") and answer
        answer = wait_for(told, words)
        assert answer["libvirt"] is False
        assert f"ballastd runs, but does not reach libvirt: {answer['libvirt-error']}.\n" in host.ask("status").stdout

    wait_for_reason("neither libvirtd nor virtqemud runs")
    path = host.root / "run/libvirt/qemu/driver.pid"
    path.parent.mkdir(parents=True)
    with path.open("wb") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX, 1)
        wait_for_reason("Cannot connect to test:///nonexistent: libvirt says: ")
    wait_for_reason("neither libvirtd nor virtqemud runs")
    lines = (host.root / "log").read_text(encoding="utf-8").splitlines()
    away = [line.partition("libvirt is away: ")[2][:14] for line in lines if "libvirt is away" in line]
    assert away == ["neither libvir", "Cannot connect", "neither libvir"]
