# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rest of each matrix of tests: those marked `long`, which only run with --long. For a conftest.py."""


def add_option(parser):
    parser.addoption("--long", action="store_true", help="run the long tests, too")


def configure(config):
    config.addinivalue_line("markers", "long: is not run without --long")


def deselect(config, items):
    if config.getoption("--long"):
        return
    config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
    items[:] = [item for item in items if not item.get_closest_marker("long")]
