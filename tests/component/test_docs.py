# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documentation says what the programs say: man pages, configuration files, units."""

import configparser
import os
import re
import subprocess

import pytest
from daemon_peer import build_path
from documentation import (TOP, ballast, commands, definition, help_of, options_in_help, options_in_page, page, pages,
                           plain, read, sections, terms)

UNITS_PAGE = os.path.join("docs", "security-of-the-units.md")


# --- man pages ---

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


# --- SECURITY.md ---

def test_security_names_tests_that_are_there():
    named = re.findall(r"\b([CI]) (test_\w+)(?: `(\w+)`)?", read("SECURITY.md"))
    folders = {"C": "component", "I": "integration"}
    assert len(named) > 8
    for layer, module, test in named:
        text = read(os.path.join("tests", folders[layer], f"{module}.py"))
        assert re.search(rf"^def test_\w*{test}", text, re.M), (module, test)
