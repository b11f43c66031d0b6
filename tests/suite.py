# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the test layers and sums their results up in one line."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

import valgrind

TESTS = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"


class Totals:
    """Counts of test cases, from JUnit files."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add_junit(self, path):
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                self.failed += 1
                print(f"FAILED {case.get('classname')} {case.get('name')}")
            elif case.find("skipped") is not None:
                self.skipped += 1
                reason = case.find("skipped")
                print(f"skipped {case.get('name')}: {reason.get('message') or reason.text}")
            else:
                self.passed += 1

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def build(kind):
    """The folder of an up-to-date build."""
    done = subprocess.run([os.path.join(TESTS, "build"), kind], stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().strip()


def run_meson(folder, suite, totals, environment=None):
    """The C tests of one build; a run that leaves no result file is a failure by itself."""
    result = os.path.join(folder, "meson-logs", "testlog.junit.xml")
    if os.path.exists(result):
        os.unlink(result)
    # A busy machine is no failure; what hangs is ended after five minutes.
    done = subprocess.run(["meson", "test", "-C", folder, "--suite", suite, "--print-errorlogs",
                           "--no-rebuild", "--timeout-multiplier", "10"],
                          env={**os.environ, **(environment or {})}, check=False)
    account(done.returncode, result, totals)


def run_pytest(name, folder, totals, options, build_folder, environment=None):
    """The Python tests of one folder or file."""
    result = os.path.join(build_folder, f"{name}.junit.xml")
    if os.path.exists(result):
        os.unlink(result)
    done = subprocess.run([PYTHON, "-m", "pytest", "-q", "--durations=8", "-p", "no:cacheprovider",
                           f"--junitxml={result}", os.path.join(TESTS, folder), *options],
                          env={**os.environ, "BALLAST_BUILD": build_folder, **(environment or {})}, check=False)
    account(done.returncode, result, totals)


def account(status, result, totals):
    """A runner that fails without a failed case (a crash, a collection error) counts as one."""
    failed = totals.failed
    if os.path.exists(result):
        totals.add_junit(result)
    if status != 0 and totals.failed == failed:
        print(f"FAILED the runner itself, with exit status {status}")
        totals.failed += 1


def run_unit(totals, options):
    run_meson(build("test"), "unit", totals)
    # Memory that is written but never freed by a library's one-time set-up is not ours to free.
    run_meson(build("sanitize"), "unit", totals,
              {"UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1", "G_SLICE": "always-malloc"})


def run_fuzz(totals, options):
    run_meson(build("fuzz"), "fuzz", totals)


def run_component(totals, options):
    run_pytest("component", "component", totals, options.pytest, build("test"))


class Reports:
    """What a checker says of programs that tests start, whatever these do with their output: a file each, of which
    any that says something is a failure."""

    def __init__(self, build_folder, name):
        self.folder = os.path.join(build_folder, f"{name}-reports")
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)

    def account(self, totals):
        for name in sorted(os.listdir(self.folder)):
            with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as stream:
                text = stream.read(4000)
            if text:
                print(f"FAILED {self.folder}/{name}:\n{text}")
                totals.failed += 1


# They start programs of no other kind, and take long.
NO_DOCUMENTATION = f"--ignore-glob={TESTS}/component/test_docs*.py"


def run_sanitize(totals, options):
    folder = build("sanitize")
    reports = Reports(folder, "sanitizer")
    log = f"log_path={reports.folder}/report"
    run_pytest("component", "component", totals, [NO_DOCUMENTATION, *options.pytest], folder,
               # Tests preload libraries in front of its own.
               {"ASAN_OPTIONS": f"verify_asan_link_order=0:{log}", "UBSAN_OPTIONS": f"halt_on_error=1:print_stacktrace=1:{log}",
                "G_SLICE": "always-malloc"})
    reports.account(totals)


# Of programs that run on; without those that count descriptors, of which Valgrind has its own, and the one of a
# user who may not write its report.
VALGRIND = ("(agent or daemon_server or vf_server or vf_daemon or retire) and not children_hold_no_descriptor "
            "and not hold_storm_leaves_nothing and not not_root")


def narrowed(expression, options):
    """pytest's options with `expression` beside what they select by -k, of which it heeds the last one only."""
    options = list(options)
    if "-k" not in options[:-1]:
        return [*options, "-k", expression]
    at = len(options) - 1 - options[::-1].index("-k", 1)
    options[at + 1] = f"({expression}) and ({options[at + 1]})"
    return options


def run_valgrind(totals, options):
    install("valgrind")
    folder = build("test")
    reports = Reports(folder, "valgrind")
    preloaded = os.path.join(folder, "tests", "component", "libvalgrind-calls.so")
    run_pytest("valgrind", "component", totals, narrowed(VALGRIND, options.pytest),
               valgrind.wrap(folder, reports.folder),
               {"G_SLICE": "always-malloc", "LD_PRELOAD": preloaded})
    reports.account(totals)


def run_integration(totals, options):
    run_pytest("integration", "integration", totals, [*long_option(options), *options.pytest], build("test"))


def install(group):
    """What only this layer needs."""
    subprocess.run([os.path.join(TESTS, "install-deps"), group], check=True)


def run_backports(totals, options):
    install("backports")
    run_pytest("backports", "integration", totals,
               ["--bed-root=backports", *long_option(options), *options.pytest], build("test"))


def long_option(options):
    return ["--long"] if options.full else []


def run_modular(totals, options):
    install("modular")
    run_pytest("modular", os.path.join("integration", "test_automatic.py"), totals,
               ["--modular", *options.pytest], build("test"))


def run_soak(totals, options):
    run_pytest("soak", os.path.join("integration", "soak.py"), totals, ["-s", *options.pytest], build("test"))


def run_vf(totals, options):
    install("vf")
    run_pytest("vf", "vf", totals, [*long_option(options), *options.pytest], build("test"))


def run_packages(totals, options):
    install("packages")
    run_pytest("packages", "packages", totals, options.pytest, build("test"))


def run_analyse(totals, options):
    install("analyse")
    if subprocess.run([os.path.join(TESTS, "analyse")], check=False).returncode == 0:
        totals.passed += 1
    else:
        print("FAILED tests/analyse")
        totals.failed += 1


# Layer: (function, part of the default run). Cheap ones first.
LAYERS = {
    "unit": (run_unit, True),
    "fuzz": (run_fuzz, True),
    "component": (run_component, True),
    "sanitize": (run_sanitize, False),
    "valgrind": (run_valgrind, False),
    "analyse": (run_analyse, False),
    "integration": (run_integration, True),
    "vf": (run_vf, True),
    "packages": (run_packages, True),
    "backports": (run_backports, False),
    "modular": (run_modular, False),
    "soak": (run_soak, False),
}


def parse(arguments):
    parser = argparse.ArgumentParser(prog="tests/run", description=__doc__)
    parser.add_argument("layers", nargs="*", metavar="LAYER",
                        help=f"one of {', '.join(LAYERS)}; default all but {', '.join(n for n, (_, d) in LAYERS.items() if not d)}. "
                             "sanitize and valgrind run the component tests with checkers, analyse looks at the "
                             "sources, backports runs the integration tests with libvirt and QEMU of "
                             "bookworm-backports, modular ballastd's with virtqemud instead of libvirtd, soak "
                             "a hundred migrations with random faults. vf tests "
                             "virtual functions in an emulated host with SR-IOV, packages the deb and rpm packages")
    parser.add_argument("--full", action="store_true", help="run every layer, and the rest of each matrix of cases")
    parser.add_argument("--pytest", action="append", default=[], metavar="OPTION",
                        help="an option for pytest, such as --pytest=-k --pytest=hold")
    options = parser.parse_args(arguments)
    unknown = set(options.layers) - set(LAYERS)
    if unknown:
        parser.error(f"there is no layer {', '.join(sorted(unknown))}")
    if not options.layers:
        options.layers = [name for name, (_, default) in LAYERS.items() if default or options.full]
    return options


def heed_signals():
    """A shell that starts this in the background has it ignore signals, and each program below would do so too,
    those included that are tested to end by one."""
    for sig in (signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(sig) == signal.SIG_IGN:
            signal.signal(sig, signal.SIG_DFL)


def main():
    options = parse(sys.argv[1:])
    heed_signals()
    totals = Totals()
    for name in options.layers:
        began = time.monotonic()
        print(f"=== {name}", flush=True)
        LAYERS[name][0](totals, options)
        print(f"=== {name}: {time.monotonic() - began:.0f} s, so far {totals}", flush=True)
    print(totals)
    return 1 if totals.failed or not totals.passed else 0


if __name__ == "__main__":
    sys.exit(main())
