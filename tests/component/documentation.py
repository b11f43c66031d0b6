# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documentation's files and what is in them, and what the programs say of themselves, to be compared."""

import os
import re
import subprocess

from daemon_peer import build_path

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAN = os.path.join(TOP, "docs", "man")


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
