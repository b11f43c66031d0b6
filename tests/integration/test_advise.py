# SPDX-License-Identifier: LGPL-2.1-or-later
"""`ballast advise`: what it prints is accepted by libvirt, and with it the domain has what it lacked."""

import json
import re
import shlex
import xml.etree.ElementTree as ElementTree

import pytest

from bed import GuestSpec
from bed.host import wait_until
from bed.kvm import emulator
from support import agent_connected

PLUG = ("agent-channel", "lacks")
FREED_MIB = 300

HOSTDEV = ("<interface type='hostdev' managed='yes'><mac address='52:54:00:11:22:33'/><source>"
           "<address type='pci' domain='0x0000' bus='0x03' slot='0x10' function='0x1'/></source></interface>")
PORTS = ("<metadata><vf:ports xmlns:vf='urn:x-ballast:vf:1'><vf:port id='net0' bandwidth='1Gbit'/></vf:ports>"
         "</metadata>")


def advise(host, name, *options):
    """(the whole answer, {(topic, kind): advice})"""
    answer = json.loads(host.ballast("advise", "--json", *options, name).stdout)
    return answer, {(item["topic"], item["kind"]): item for item in answer["advice"]}


def obey(host, advice):
    """Runs the command that a piece of advice tells, with its XML."""
    (device,) = advice["device-xml"]
    host.write("/tmp/advice.xml", device)
    words = ["/tmp/advice.xml" if word == "FILE" else word for word in shlex.split(advice["command"])]
    assert words.pop(0) == "virsh"
    host.virsh(*words)


def edit(host, name, advice, instead=()):
    """Does with the definition what the advice says: `instead` names devices that others take the place of."""
    assert advice["command"] == f"virsh edit {name}" and advice["when"] == "next-start"
    domain = ElementTree.fromstring(host.virsh("dumpxml", "--inactive", name).stdout)
    for text in advice["domain-xml"]:
        element = ElementTree.fromstring(text)
        for old in domain.findall(element.tag):
            domain.remove(old)
        domain.append(element)
    devices = domain.find("devices")
    for path in instead:
        for old in devices.findall(path):
            devices.remove(old)
    devices.extend(map(ElementTree.fromstring, advice["device-xml"]))
    define(host, ElementTree.tostring(domain, encoding="unicode"))


def define(host, xml):
    host.write("/tmp/domain.xml", xml)
    host.virsh("define", "--validate", "/tmp/domain.xml")


def plan(host, name, *options):
    return json.loads(host.ballast("plan", "--json", *options, name).stdout)


def mechanisms(plan_made):
    return [step["mechanism"] for step in plan_made["steps"]]


@pytest.fixture
def off(bed):
    """off(devices="", metadata=""): a defined domain "off" that has neither channels nor a balloon."""
    def make(devices="", metadata=""):
        spec = GuestSpec(name="off", memory_mib=4096, balloon="none", channel=False, extra_devices=devices)
        xml = re.sub("<channel.*?</channel>", "", spec.domain_xml(bed, "qemu"))
        define(bed.src, xml.replace("<memory ", metadata + "<memory ", 1))
        return "off"

    yield make
    bed.src.virsh("destroy", "off", check=False)
    bed.src.virsh("undefine", "off", check=False)


def test_channel_is_plugged_into_a_running_domain(bed, boot):
    guest = boot(fresh=True, channel=False)
    guest.fill(FREED_MIB)
    answer, advice = advise(bed.src, guest.name)
    assert answer["active"] and answer["lacks"] and answer["mechanisms"] == ["balloon"]
    assert advice[PLUG]["when"] == "at-once" and "--live --config" in advice[PLUG]["command"]
    assert mechanisms(plan(bed.src, guest.name)) == ["balloon"]

    obey(bed.src, advice[PLUG])
    wait_until(lambda: agent_connected(guest), 20, "the agent opens the new channel")
    answer, advice = advise(bed.src, guest.name)
    assert (answer["mechanisms"], answer["lacks"], advice) == (["hold"], False, {})
    assert mechanisms(plan(bed.src, guest.name)) == ["hold"]
    said = bed.src.ballast("advise", guest.name).stdout
    assert said == f'Domain "{guest.name}"\n  releases by hold\nIt lacks nothing.\n'

    guest.agent_stop()
    wait_until(lambda: not agent_connected(guest), 20, "the agent's end is seen")
    answer, advice = advise(bed.src, guest.name)
    assert answer["lacks"] and advice["guest-agent", "lacks"]["when"] == "in-guest"


def test_channel_without_a_controller_comes_with_the_next_start(bed, off):
    """As libvirt has it: it plugs no virtio-serial controller."""
    name = off()
    bed.src.virsh("start", "--paused", name)
    _, advice = advise(bed.src, name)
    assert advice[PLUG]["when"] == "next-start"
    bed.src.write("/tmp/advice.xml", advice[PLUG]["device-xml"][0])
    refused = bed.src.virsh("attach-device", name, "/tmp/advice.xml", "--live", check=False)
    assert "no virtio-serial controllers" in refused.stderr

    obey(bed.src, advice[PLUG])
    _, advice = advise(bed.src, name)
    assert advice[PLUG]["when"] == "next-start" and advice[PLUG]["device-xml"] == []
    bed.src.virsh("destroy", name)
    answer, advice = advise(bed.src, name)
    assert (answer["active"], answer["mechanisms"], advice) == (False, ["hold"], {})
    bed.src.virsh("start", "--paused", name)
    _, advice = advise(bed.src, name)
    assert PLUG not in advice and "does not run" in advice["guest-agent", "note"]["text"]


def test_virtio_mem(bed, boot):
    """Without an agent."""
    guest = boot(fresh=True, memory_mib=2048, channel=False, agent=False)
    guest.fill(FREED_MIB)
    only = ("--mechanisms", "virtio-mem")
    answer, advice = advise(bed.src, guest.name, *only)
    assert answer["mechanisms"] == []
    edit(bed.src, guest.name, advice["virtio-mem", "possible"])
    _, advice = advise(bed.src, guest.name, *only)
    assert advice["virtio-mem", "possible"]["device-xml"] == []

    guest.disconnect()
    bed.src.virsh("destroy", guest.name)
    xml = bed.src.virsh("dumpxml", "--inactive", guest.name).stdout
    define(bed.src, re.sub("<emulator>.*?</emulator>", f"<emulator>{emulator(bed.src, True)}</emulator>", xml))
    bed.src.virsh("start", guest.name)
    guest.wait_ready()
    device = "devices/memory[@model='virtio-mem']/target"
    wait_until(lambda: guest.xml().findtext(device + "/current") == "1048576", 60, "the guest plugs its virtio-mem")
    guest.fill(FREED_MIB)
    answer, advice = advise(bed.src, guest.name, *only)
    assert (answer["mechanisms"], answer["lacks"], advice) == (["virtio-mem"], False, {})
    assert mechanisms(plan(bed.src, guest.name, *only)) == ["virtio-mem"]


def test_balloon(bed, off):
    name = off()
    _, advice = advise(bed.src, name, "--mechanisms", "balloon")
    edit(bed.src, name, advice["balloon", "possible"], instead=["memballoon"])
    answer, advice = advise(bed.src, name, "--mechanisms", "balloon")
    assert (answer["mechanisms"], advice) == (["balloon"], {})


def test_standby(bed, off):
    name = off(HOSTDEV, PORTS)
    _, advice = advise(bed.src, name)
    edit(bed.src, name, advice["vf-standby", "possible"], instead=["interface[@type='hostdev']"])
    _, advice = advise(bed.src, name)
    assert ("vf-standby", "possible") not in advice
    xml = ElementTree.fromstring(bed.src.virsh("dumpxml", "--inactive", name).stdout)
    assert sorted(element.get("type") for element in xml.iter("teaming")) == ["persistent", "persistent", "transient"]
