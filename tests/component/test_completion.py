# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bash completes, by ballast.bash-completion and ballast's own --help. virsh is a stand-in."""

import os
import subprocess

import pytest
from daemon_peer import build_path

SCRIPT = os.path.join(os.path.dirname(__file__), "..", "..", "host-hook", "ballast.bash-completion")
RUNNING, OFF = {"web1", "db1"}, "off1"
# Words on the command line, the last of which is to be completed, and what is offered among other things.
COMPLETIONS = [
    (["re"], {"release", "restore", "recover", "retire"}),
    ([""], {"migrate", "vf", "status", "help"}),
    (["--config", "/etc/ballast/ballast.conf", "re"], {"release", "retire"}),
    (["--mechanisms", "hold", "pl"], {"plan"}),
    (["help", "re"], {"release", "retire"}),
    (["migrate", "--auto"], {"--auto-converge", "--auto-converge-initial="}),
    (["-c", "test:///default", "migrate", "we"], {"web1"}),
    (["advise", ""], RUNNING | {OFF}),
    (["status", ""], RUNNING | {OFF}),
    (["recover", "o"], {OFF}),
    (["vf", ""], {"list", "allocate"}),
    (["vf", "allocate", "--b"], {"--bandwidth="}),
    (["vf", "allocate", "--domain", ""], RUNNING | {OFF}),
    (["vf", "release", "--domain", "o"], {OFF}),
    (["vf", "allocate", "--trust", ""], {"on", "off"}),
    (["vf", "allocate", "--spoofchk", "of"], {"off"}),
    (["vf", "allocate", "--config", "--p"], {"--port=", "--pf="}),
    (["--page-cache", ""], {"keep", "trim", "drop"}),
    (["--page-cache", "d"], {"drop"}),
    (["check-config", "a"], {"a.conf"}),
    (["check-config", "--vf-config", "a"], {"a.conf"}),
    (["--config", "a"], {"a.conf"}),
]
# What is offered there, and nothing else.
WHOLE = [
    (["retire", ""], set()),
    (["version", ""], set()),
    (["check-config", ""], {"a.conf"}),
    (["help", "migrate", ""], set()),
    (["vf", "allocate", "--config", ""], set()),
    (["vf", "show", ""], set()),
    *(([command, ""], RUNNING) for command in ("migrate", "ranges", "plan", "release", "restore")),
]
STRANGE = ("a b", "x$(touch pwned)", "y`touch pwned`", "z${HOME}")
COMPLETE = """\
. /usr/share/bash-completion/bash_completion
. "$1"
shift
virsh () { [[ "$*" != *"list --name"* ]] || printf '%s\\n' $DOMAINS "${STRANGE[@]}"; [[ "$*" != *--all* ]] || echo off1; }
compopt () { :; }
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*"
COMP_POINT=${#COMP_LINE}
_ballast
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def complete(tmp_path):
    """complete(words, strange): what is offered, in a folder with one file."""
    def run(words, strange=()):
        path = f"{os.path.dirname(build_path('host-hook', 'ballast'))}:{os.environ['PATH']}"
        quoted = " ".join(f"'{name}'" for name in strange)
        done = subprocess.run(["bash", "-c", f"DOMAINS='web1 db1' STRANGE=({quoted})\n{COMPLETE}", "-", SCRIPT, "ballast", *words],
                              stdout=subprocess.PIPE, text=True, check=True, timeout=60, cwd=tmp_path,
                              env={**os.environ, "PATH": path})
        return [line for line in done.stdout.splitlines() if line]

    (tmp_path / "a.conf").touch()
    return run


@pytest.mark.parametrize("words, offered", COMPLETIONS, ids=[" ".join(words) for words, _ in COMPLETIONS])
def test_completion(complete, words, offered):
    shown = complete(words)
    assert offered <= set(shown)
    assert all(word.startswith(words[-1]) for word in shown)


@pytest.mark.parametrize("words, offered", WHOLE, ids=[" ".join(words) for words, _ in WHOLE])
def test_nothing_else_is_offered(complete, words, offered):
    assert set(complete(words)) == offered


def test_a_domains_name_is_not_a_program(complete, tmp_path):
    """Completed it stands on the command line as one word, and nothing in it was carried out."""
    for domain in STRANGE:
        shown, = complete(["status", domain[0]], strange=STRANGE)
        done = subprocess.run(["bash", "-c", f"printf %s {shown}"], stdout=subprocess.PIPE, text=True, check=True, cwd=tmp_path)
        assert done.stdout == domain
    assert [path.name for path in tmp_path.iterdir()] == ["a.conf"]
