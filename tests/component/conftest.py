# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures for tests of single programs: the real binaries of $BALLAST_BUILD, nothing virtual."""

import errno

import pytest

import hooks
from agent_process import AgentProcess, agent_program
from daemon_peer import DaemonPeer, FakeDaemon, build_path
from made_up_host import Host
from vf_peer import VfPeer


@pytest.fixture
def agent(tmp_path):
    """agent(config="", **options of AgentProcess): a running ballast-agent, ended after the test."""
    started = []

    def start(config=None, **options):
        process = AgentProcess(agent_program(), tmp_path / f"agent{len(started)}", config, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        process.end()


@pytest.fixture
def daemon_at():
    """daemon_at(root): the daemon server below `root`, ended after the test."""
    started = []

    def start(root):
        started.append(DaemonPeer(root))
        assert started[-1].is_ready
        return started[-1]

    yield start
    for peer in started:
        peer.kill()


@pytest.fixture
def daemon(daemon_at, tmp_path):
    """The daemon server below tmp_path."""
    return daemon_at(tmp_path)


@pytest.fixture
def host(tmp_path):
    """A made-up host below tmp_path."""
    return Host(tmp_path)


@pytest.fixture
def fake(tmp_path):
    """fake(script): a scripted daemon below tmp_path; see FakeDaemon."""
    started = []

    def start(script):
        started.append(FakeDaemon(tmp_path, script))
        return started[-1]

    yield start
    for each in started:
        each.end()


@pytest.fixture
def vf_host(tmp_path):
    """vf_host(**options of VfPeer): a made-up host with VFs below tmp_path, ended after the test."""
    started = []

    def start(**options):
        started.append(VfPeer(tmp_path, **options))
        return started[-1]

    yield start
    for peer in started:
        peer.kill()


@pytest.fixture
def failing(monkeypatch):
    """failing(call, at, times, number): calls that fail in what is started from now on; see failing-calls.c."""
    def arrange(call, at=1, times=1, number=errno.ENOMEM):
        variables = {"LD_PRELOAD": build_path("tests", "component", "libfailing-calls.so"), "FAIL_CALL": call,
                     "FAIL_AT": str(at), "FAIL_TIMES": str(times), "FAIL_ERRNO": str(number)}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
            monkeypatch.setitem(hooks.ENVIRONMENT, name, value)
    return arrange
