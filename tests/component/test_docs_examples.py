# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the documentation shows works: its links lead somewhere, its examples do what is said."""

import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import hooks
import pytest
import vf_peer
from documentation import TOP, ballast, commands, help_of, options_in_help, page, read


# --- links ---

def markdown_files():
    done = subprocess.run(["find", TOP, "-name", "*.md", "-not", "-path", f"{TOP}/build/*"], capture_output=True,
                          text=True, check=True, timeout=20)
    return sorted(done.stdout.split())


def anchors(text):
    """The anchors that a forge makes of a text's headings."""
    without_code = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.*?)\s*$", without_code, flags=re.MULTILINE)}


def test_relative_links_lead_somewhere():
    assert len(markdown_files()) > 5
    for path in markdown_files():
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", link):
                continue
            target, _, anchor = link.partition("#")
            target = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
            assert os.path.exists(target), f"{path}: {link}"
            if anchor:
                with open(target, encoding="utf-8") as stream:
                    assert anchor in anchors(stream.read()), f"{path}: {link}"


# --- examples ---

GUIDE = os.path.join("docs", "vf-developers-guide.md")


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def guide_host(vf_host):
    """A host as the guide has it: domain 1 runs, one network has a name."""
    return vf_host(config="[pf eth1]\nnetwork=physnet1\n")


def test_the_guides_python_runs(guide_host, tmp_path):
    script = tmp_path / "guide.py"
    script.write_text("".join(blocks(read(GUIDE), "python")), encoding="utf-8")
    done = subprocess.run(hooks.below(tmp_path, ["/usr/bin/python3", str(script)]), capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "its address is 02:" in done.stdout and "8000 Mbit/s" in done.stdout
    assert guide_host.ports() == {}


def test_the_guides_requests_and_metadata_are_served(guide_host):
    for request in blocks(read(GUIDE), "json"):
        with guide_host.connect() as connection:
            connection.sendall(request.encode())
            assert "return" in json.loads(connection.makefile("rb").readline())
    metadata = [block for block in blocks(read(GUIDE), "xml") if block.startswith("<metadata>")]
    in_page = re.findall(r"^    (<metadata>.*?</metadata>)", page("ballast-vf.7"), flags=re.MULTILINE | re.DOTALL)
    assert len(metadata) == len(in_page) == 1
    for text in metadata + in_page:
        xml = f"<domain type='kvm'><name>d1</name><uuid>{vf_peer.uuid(1)}</uuid>{text}</domain>"
        done = guide_host.hook("prepare", "begin", xml)
        assert (done.returncode, done.stderr) == (0, "")
        assert {port for _, port in guide_host.ports()} == set(re.findall(r" id='(\w+)'", text))
        assert guide_host.hook("release", "end", xml).returncode == 0


def test_the_commands_in_the_documentation_are_commands_with_such_options():
    """`ballast ...` in indented code: the command exists, and has the options."""
    shown = 0
    known = {words: options_in_help(help_of(ballast(), *words)) for words in commands()}
    for path in markdown_files():
        with open(path, encoding="utf-8") as stream:
            lines = re.findall(r"^    (?:\S*\$ )?ballast ([a-z].*?)(?:  .*)?$", stream.read(), flags=re.MULTILINE)
        for line in lines:
            words = line.split("#")[0].split("&&")[0].split()
            command = tuple(words[:2 if words[0] == "vf" else 1])
            assert command in known, f"{path}: ballast {line}"
            options = {option.split("=")[0] for option in known[command]}
            assert {word for word in words if word.startswith("--")} <= options, f"{path}: ballast {line}"
            shown += 1
    assert shown > 10


def test_the_hooks_for_ovirt_do_what_is_said(tmp_path):
    """VDSM's module `hooking` is stood in for by one that reads and writes a file, which is all that it does."""
    text = read("docs", "integration.md")
    (tmp_path / "hooking.py").write_text(
        "from xml.dom import minidom\n"
        "def read_domxml():\n    return minidom.parse('domain.xml')\n"
        "def write_domxml(document):\n    open('domain.xml', 'w').write(document.toxml())\n", encoding="ascii")
    (tmp_path / "hook.py").write_text(blocks(text, "python")[0], encoding="ascii")
    domain = tmp_path / "domain.xml"
    domain.write_text("<domain><devices><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/>"
                      "</channel></devices></domain>", encoding="ascii")
    for _ in range(2):
        subprocess.run(["/usr/bin/python3", "hook.py"], cwd=tmp_path, check=True, timeout=20)
    channels = ElementTree.parse(domain).getroot().findall("devices/channel[@type='unix']/target[@type='virtio']")
    assert [channel.get("name") for channel in channels] == ["org.qemu.guest_agent.0", "org.ballast.guest_agent.0"]

    (tmp_path / "hook.sh").write_text(blocks(text, "sh")[0], encoding="ascii")
    (tmp_path / "sudo").write_text("#!/bin/sh\nprintf '%s ' \"$@\" >said\nexit 1\n", encoding="ascii")
    (tmp_path / "sudo").chmod(0o755)
    subprocess.run(["sh", "hook.sh"], cwd=tmp_path, check=True, timeout=20,
                   env={"vmId": vf_peer.uuid(1), "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    said = (tmp_path / "said").read_text().split()
    assert said == ["-n", "/usr/bin/ballast", "release", "--mechanisms=hold", vf_peer.uuid(1)]
    assert {"--mechanisms=LIST"} <= options_in_help(help_of(ballast(), "release"))
