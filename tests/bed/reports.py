# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a failing test's report gets besides: the tails of consoles and logs of the machines that it ran on."""

TAIL = 6000


def add_logs(report, machines, guests=()):
    """machines: with logs(), a dict of texts; guests: with console()"""
    if not report.failed:
        return
    texts = {f"console of {guest.name}": guest.console() for guest in guests}
    for machine in machines:
        texts.update(machine.logs())
    for name, text in texts.items():
        report.sections.append((name, text[-TAIL:]))
