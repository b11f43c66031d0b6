# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documentation says what the programs say: man pages, configuration files, units, links."""

import configparser
import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

import hooks
import vf_peer
from daemon_peer import build_path

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAN = os.path.join(TOP, "docs", "man")
UNITS_PAGE = os.path.join("docs", "security-of-the-units.md")


def read(*parts):
    with open(os.path.join(TOP, *parts), encoding="utf-8") as stream:
        return stream.read()


# --- man pages ---

def page(name):
    return read("docs", "man", f"{name}.rst")


def pages():
    return sorted(name[:-len(".rst")] for name in os.listdir(MAN) if name.endswith(".rst"))


def sections(text, underline="="):
    """The texts below the headings that are underlined so, by heading."""
    parts = re.split(rf"^(\S.*)\n{re.escape(underline)}{{3,}}\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def options_in_page(text):
    """The options that option lists have, as in --help: --name or --name=VALUE."""
    lines = re.findall(r"^(?:-\w(?: \w+)?, )?(--[a-z0-9-]+(?:=\S+)?)(?:  |$)", text, flags=re.MULTILINE)
    return {line.replace("<", "").replace(">", "") for line in lines}


def terms(text):
    """What a list of definitions defines, in bold or without, several parted by commas."""
    found = re.findall(r"^(\S.*)\n    \S", text, flags=re.MULTILINE)
    return [term.strip("*` ") for line in found for term in line.split(", ")]


def definition(text, term):
    """What is said of `term` alone."""
    found = re.search(rf"^\**{re.escape(term)}\**\n((?:(?:    .*)?\n)+)", text, flags=re.MULTILINE)
    assert found, f"nothing is said of {term}"
    return found.group(1)


def plain(text):
    """Words without marks and line breaks, to be compared."""
    return " ".join(re.sub(r"[*`]", "", text).lower().split())


def emphasized(text):
    return set(re.findall(r"\*([a-z_-]+)\*", text))


# --- programs ---

def help_of(program, *words):
    done = subprocess.run([program, *words, "--help"], capture_output=True, text=True, check=True, timeout=20,
                          env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]})
    return done.stdout


def options_in_help(text):
    return set(re.findall(r"^  (?:-\w, )?(--[a-z0-9-]+(?:=\S+)?)", text, flags=re.MULTILINE))


def commands_in_help(text):
    listed = re.search(r"^Commands:\n((?:  .*\n)+)", text, flags=re.MULTILINE)
    return re.findall(r"^  ([a-z-]+) ", listed.group(1), flags=re.MULTILINE) if listed else []


def ballast():
    return build_path("host-hook", "ballast")


def commands(*words):
    """All commands of ballast, as tuples of words."""
    found = []
    for name in commands_in_help(help_of(ballast(), *words)):
        found += commands(*words, name) or [(*words, name)]
    return found


def described_commands():
    return sections(sections(page("ballast.1"))["COMMANDS"], "-")


@pytest.mark.parametrize("folder, program", [("host-hook", "ballast"), ("host-hook", "ballastd"),
                                             ("guest-agent", "ballast-agent")])
def test_help_is_in_the_locales_characters(folder, program):
    """glib's own words have an ellipsis."""
    assert f"{program} [OPTION\u2026]" in help_of(build_path(folder, program))


def test_every_command_is_in_the_man_page_and_the_reverse():
    assert sorted(" ".join(words) for words in commands()) == sorted(described_commands())


def who_knows(option, text):
    """The commands, without their subcommands, that know a common option, by what its description says."""
    everybody = {words[0] for words in commands()}
    said = re.search(rf"{option}(?:=\S+)?  (.*(?:\n {{10}}.*)*)", text).group(1)
    limits = re.search(r"(Only|All but) ((?:[*]{2}[a-z-]+[*]{2}[\s,and]*)+)know it[.]", said)
    if not limits:
        return everybody
    named = set(re.findall(r"[*]{2}([a-z-]+)[*]{2}", limits.group(2)))
    assert named < everybody
    return named if limits.group(1) == "Only" else everybody - named


def test_every_option_of_every_command_is_in_the_man_page_and_the_reverse():
    text = sections(page("ballast.1"))["OPTIONS"]
    common = options_in_page(text)
    assert options_in_help(help_of(ballast())) == common
    knowing = {option: who_knows(option.split("=")[0], text) for option in common - {"--version"}}
    assert len(knowing["--page-cache=POLICY"]) == 3 and len(knowing["--json"]) > 9
    for words in commands():
        shown = options_in_help(help_of(ballast(), *words))
        described = options_in_page(described_commands()[" ".join(words)])
        expected = {option for option, names in knowing.items() if words[0] in names}
        # Options that only a newer libvirt has stand in the text.
        in_text = {option for option in shown if f"``{option}``" in described_commands()[" ".join(words)]}
        assert shown - in_text == described | expected, " ".join(words)


@pytest.mark.parametrize("folder, program", [("host-hook", "ballastd"), ("guest-agent", "ballast-agent")])
def test_every_option_of_the_daemons_is_in_their_man_pages_and_the_reverse(folder, program):
    described = sections(page(f"{program}.8"))["OPTIONS"]
    assert options_in_help(help_of(build_path(folder, program))) == options_in_page(described)


def test_exit_codes_are_those_of_the_header():
    codes = [number for number in re.findall(r"BAL_EXIT_\w+ = (\d+),", read("host-hook", "exit-codes.h"))]
    assert len(codes) > 8
    table = sections(page("ballast.1"))["EXIT STATUS"]
    assert terms(table) == codes
    in_help = re.findall(r"^  (\d+)  +(.*(?:\n       .*)*)$", help_of(ballast()), flags=re.MULTILINE)
    assert [code for code, _ in in_help] == codes
    for code, meaning in in_help:
        assert plain(definition(table, code)).startswith(plain(meaning)), code
    for name in "ballastd.8", "ballast-agent.8", "ballast-hooks.8":
        assert set(terms(sections(page(name))["EXIT STATUS"])) <= set(codes), name


def test_the_readers_of_a_man_page_find_those_that_it_names():
    for name in pages():
        text = page(name)
        title, _, section = name.rpartition(".")
        assert f"\n{'=' * len(title)}\n{title}\n{'=' * len(title)}\n" in text, name
        assert f":Manual section: {section}\n" in text, name
        for other in re.findall(r"\*\*(ballast[a-z.-]*)\*\*\\\((\d)\)", text):
            assert ".".join(other) in pages(), f"{name} names {'.'.join(other)}"


def test_fields_of_the_log_are_in_the_man_page_and_the_reverse():
    logged = set()
    for name in os.listdir(os.path.join(TOP, "host-hook")):
        if name.endswith(".c"):
            logged |= set(re.findall(r'(?:_add(?:_number)? \(fields, |\{)"(BALLAST_\w+)"', read("host-hook", name)))
    assert len(logged) > 10
    assert logged == set(re.findall(r"\*\*(BALLAST_\w+)\*\*", sections(page("ballastd.8"))["JOURNAL"]))


def test_states_of_domains_are_in_the_man_page_and_the_reverse():
    names = re.search(r"names\[BAL_N_STATES\] = \{(.*?)\}", read("host-hook", "domain-states.c"), flags=re.DOTALL)
    assert sorted(terms(sections(page("ballastd.8"))["STATUS"])) == sorted(re.findall(r'"(\w+)"', names.group(1)))


# --- configuration ---

def keys_in_page(text):
    """(section, key, default) of each key; the section [pf NAME] is "pf NAME"."""
    found = []
    for heading, body in sections(text).items():
        section = re.fullmatch(r"KEYS OF \[(.+)\]", heading)
        if section:
            found += [(section.group(1), *key.split("=", 1))
                      for key in re.findall(r"^``(\S+)``\n    \S", body, flags=re.MULTILINE)]
    return sorted(found)


def keys_in_file(text, unset=()):
    """The same of a configuration file in which each line is a comment; keys in `unset` show an example."""
    found, section, prefix = [], None, "#"
    for line in text.splitlines():
        heading = re.match(r"(# )?\[(\S+)(?: (\S+))?\]$", line)
        key = re.match(rf"{prefix}([a-z-]+)=(\S*)$", line)
        if heading:
            section = heading.group(2) + (" NAME" if heading.group(3) else "")
            prefix = heading.group(1) or "#"
        elif key:
            found.append((section, key.group(1), "" if key.group(1) in unset else key.group(2)))
    return sorted(found)


FILES = [("host-hook", "ballast.conf", "ballast.conf.5", ()),
         ("host-hook", "vf.conf", "ballast-vf.conf.5", ()),
         ("guest-agent", "ballast-agent.conf", "ballast-agent.conf.5", ("allow", "block"))]


@pytest.mark.parametrize("folder, name, man, unset", FILES, ids=[each[1] for each in FILES])
def test_keys_and_defaults_of_a_file_are_in_its_man_page_and_the_reverse(folder, name, man, unset):
    in_file = keys_in_file(read(folder, name), unset)
    assert len(in_file) >= 6
    assert keys_in_page(page(man)) == in_file


@pytest.mark.parametrize("source, pattern, man", [
    (("host-hook", "config.c"), r'\{"([a-z-]+)", +set_', "ballast.conf.5"),
    (("host-hook", "vf-config.c"), r'strcmp \(name, "([a-z-]+)"\)', "ballast-vf.conf.5"),
    (("guest-agent", "config.c"), r'\{GROUP_\w+, "([a-z-]+)"\}', "ballast-agent.conf.5"),
], ids=["ballast.conf", "vf.conf", "ballast-agent.conf"])
def test_keys_that_the_programs_read_are_in_the_man_page_and_the_reverse(source, pattern, man):
    assert sorted(set(re.findall(pattern, read(*source)))) == sorted(key for _, key, _ in keys_in_page(page(man)))


def test_the_defaults_in_the_files_are_valid(tmp_path):
    programs = {"ballast.conf": [ballast(), "check-config"], "vf.conf": [ballast(), "check-config", "--vf-config"],
                "ballast-agent.conf": [build_path("guest-agent", "ballast-agent"), "--check-config", "--config"]}
    for folder, name, man, _ in FILES:
        parser = configparser.ConfigParser(delimiters="=")
        for section, key, default in keys_in_page(page(man)):
            section = section.replace("NAME", "enp3s0f0")
            if not parser.has_section(section):
                parser.add_section(section)
            if default:
                parser.set(section, key, default)
        path = tmp_path / name
        with path.open("w", encoding="ascii") as stream:
            parser.write(stream)
        subprocess.run([*programs[name], str(path)], check=True, timeout=20, stdout=subprocess.DEVNULL)


# --- protocols ---

def members(schema, holder):
    """The names that an object of the schema has, those of structures below it included."""
    found = set()
    for member in holder.get("members", []) + schema["structures"].get(holder.get("structure"), []):
        found |= {member["name"]} | members(schema, member)
    return found


def test_the_agents_protocol_is_in_its_man_page_and_the_reverse():
    schema = json.loads(read("protocol", "schema.json"))
    text = sections(page("ballast-protocol.7"))
    assert terms(text["COMMANDS"]) == [command["name"] for command in schema["commands"]]
    assert terms(text["ERRORS"]) == [error["class"] for error in schema["errors"]]
    assert terms(text["LIMITS"]) == [f"{limit['name']}={limit['value']}" for limit in schema["limits"]]
    assert schema["channel"] in page("ballast-protocol.7")


def test_arguments_and_results_of_the_agents_protocol_are_in_its_man_page():
    schema = json.loads(read("protocol", "schema.json"))
    text = sections(page("ballast-protocol.7"))["COMMANDS"]
    everywhere = set()
    for command in schema["commands"]:
        said = emphasized(definition(text, command["name"]))
        arguments = {argument["name"] for argument in command["arguments"]}
        # guest-sync refers to the one before it.
        assert command["name"] == "guest-sync" or arguments <= said, command["name"]
        everywhere |= members(schema, command["returns"])
    assert everywhere <= emphasized(text)


def test_commands_and_errors_about_vfs_are_in_the_man_page_and_the_reverse():
    schema = json.loads(read("protocol", "vf-schema.json"))
    text = sections(page("ballast-vf.7"))["SOCKET COMMANDS"]
    names = [command["name"] for command in schema["commands"]]
    classes = [error["class"] for error in schema["errors"]]
    assert terms(text) == names + classes
    for command in schema["commands"]:
        arguments = {argument["name"] for argument in command["arguments"]}
        arguments |= {member["name"] for member in schema["structures"].get(command.get("arguments-structure"), [])}
        assert arguments <= emphasized(definition(text, command["name"])), command["name"]
    for member in schema["structures"]["port-info"]:
        assert member["name"] in emphasized(text), member["name"]


def test_metadata_and_states_of_vfs_are_in_the_man_page_and_the_reverse():
    schema = json.loads(read("protocol", "vf-schema.json"))
    text = sections(page("ballast-vf.7"))
    names = {member["name"] for member in schema["structures"]["request"]} - {"domain", "port"} | {"id", "required"}
    assert set(terms(text["METADATA"])) == names
    in_code = re.findall(r'\{"([a-z]+)", +set_', read("host-hook", "vf-request-xml.c"))
    assert set(in_code) == names
    state = next(member for member in schema["structures"]["port-info"] if member["name"] == "state")
    assert terms(text["STATES OF A PORT"]) == state["values"]


# --- the units ---

def directives_in_units():
    """(unit, directive=value) of all units of the sources."""
    found = []
    for folder in "guest-agent", "host-hook":
        for name in sorted(os.listdir(os.path.join(TOP, folder))):
            unit = re.match(r"(.*\.service)(\.in)?$", name)
            if unit:
                found += [(unit.group(1), line) for line in read(folder, name).splitlines()
                          if re.match(r"[A-Z]\w*=", line)]
    return sorted(found)


def directives_in_table():
    found = []
    for heading, body in re.findall(r"^## (\S+\.service)\n(.*?)(?=^## |\Z)", read(UNITS_PAGE),
                                    flags=re.MULTILINE | re.DOTALL):
        for cells in re.findall(r"^\| (`[A-Z].*) \|$", body, flags=re.MULTILINE):
            directives, reason = cells.rsplit(" | ", 1)
            assert len(reason) > 10, f"{heading}: {directives} has no reason"
            found += [(heading, directive) for directive in re.findall(r"`([A-Z]\w*=[^`]*)`", directives)]
    return sorted(found)


def test_every_directive_of_the_units_has_its_reason_and_the_reverse():
    in_units = directives_in_units()
    assert len(in_units) > 20
    assert directives_in_table() == in_units


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
