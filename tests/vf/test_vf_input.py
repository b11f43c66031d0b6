# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bad input: one clear error each, and nothing changed. What the readers refuse is tested case by case in tests/unit."""

import json

import pytest

from domains import domain_uuid

GOOD = {"--domain": "d1", "--port": "net1", "--bandwidth": "100Mbit"}


@pytest.fixture
def host(host):
    """The host with a domain d1 that has a port net0, and d2 that has none."""
    host.start("d1")
    host.start("d2")
    host.allocate("d1", "100Mbit")
    return host


def arguments(command, given):
    return [command, *(word for option in given.items() for word in option if word is not None)]


def test_allocate(host):
    before = host.snapshot()
    mac = host.port("d1")["mac"]
    for changed, said in (
            ({"--bandwidth": "0Mbit"}, "0Mbit"), ({"--bandwidth": "-5Mbit"}, "-5Mbit"), ({"--bandwidth": "100"}, "100"),
            ({"--bandwidth": "1001Gbit"}, "1001Gbit"), ({"--bandwidth": "0.5Mbit"}, "0.5Mbit"),
            ({"--bandwidth": "5Gbit"}, "5000"),
            ({"--vlan": "0"}, "vlan"), ({"--vlan": "4095"}, "vlan"), ({"--vlan": "x"}, "vlan"),
            ({"--mac": mac}, mac), ({"--mac": "01:00:5e:00:00:01"}, "01:00:5e:00:00:01"), ({"--mac": "52:54"}, "52:54"),
            ({"--trust": "maybe"}, "maybe"), ({"--numa": "-2"}, "-2"), ({"--port": "a b"}, "a b"),
            ({"--domain": "nobody"}, "nobody"), ({"--domain": domain_uuid("nobody")}, domain_uuid("nobody")),
            ({"--pf": "eth99"}, "eth99"), ({"--network": "none-such"}, "none-such"), ({"--standby": "ua-none"}, "standby"),
            ({"--colour": "red"}, "colour"),
            ({"--port": "net0", "--bandwidth": "101Mbit"}, "net0")):
        told = host.told(*arguments("allocate", {**GOOD, **changed}))
        assert said in told, (changed, told)
    assert host.snapshot() == before


def test_release(host):
    before = host.snapshot()
    for given, said in (
            ({"--domain": "nobody"}, "nobody"), ({"--domain": "d1", "--port": "net9"}, "net9"),
            # Its neighbour's.
            ({"--domain": "d2", "--port": "net0"}, "net0"), ({"--domain": "d2"}, "omain d2"),
            ({}, "--domain")):
        told = host.told(*arguments("release", given))
        assert said in told, (given, told)
    assert host.snapshot() == before


@pytest.mark.long
def test_a_terminal_is_safe_from_what_it_is_told(host):
    told = host.refused("allocate", "--domain", "d1", "--port", "net1", "--bandwidth", "\x1b[31mred")
    assert "\x1b" not in told


@pytest.mark.long
def test_a_command_that_is_none(host):
    assert "frobnicate" in host.refused("frobnicate")


# An API's client is refused by the same code, in JSON.
_SAY = """\
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("/run/ballast/ballastd.sock")
s.sendall(sys.argv[1].encode() + b"\\n")
print(s.makefile().readline())
"""


def test_the_socket(host):
    good = {"domain": domain_uuid("d1"), "port": "net1", "bandwidth": "100Mbit"}
    before = host.snapshot()
    for given, error in (({"colour": "red"}, "VfInvalid"), ({"vlan": 4095}, "VfInvalid"), ({"bandwidth": 100}, "VfInvalid"),
                         ({"bandwidth": "900Gbit"}, "VfRefused"), ({"port": "net0"}, None),
                         ({"port": "net0", "bandwidth": "99Mbit"}, "VfConflict"), ({"pf": "eth99"}, "VfNotFound"),
                         ({"minimum": True}, "VfHardware")):
        asked = json.dumps({"execute": "vf-allocate", "arguments": {**good, **given}})
        answer = json.loads(host.vm.run(["python3", "-c", _SAY, asked]).stdout)
        assert answer.get("error", {}).get("class") == error, (given, answer)
    assert host.snapshot() == before
