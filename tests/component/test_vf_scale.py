# SPDX-License-Identifier: LGPL-2.1-or-later
"""2000 requests of 50 clients at once to one ballastd with 64 physical functions of 128 VFs."""

import shutil
import tempfile
import threading
from pathlib import Path

import pytest
from daemon_peer import hook_request, read_reply
from test_vf_server import LEDGER, check_ledger
from vf_peer import VfPeer, domain_xml, uuid

CLIENTS = 50
REQUESTS = 40  # of each
PFS, VFS, MBPS = 64, 128, 10000


@pytest.fixture
def large_host():
    """In memory: it has a hundred thousand files."""
    root = Path(tempfile.mkdtemp(prefix="ballast-vf-", dir="/dev/shm"))
    peer = VfPeer(root, pfs=PFS, vfs=VFS, mbps=MBPS, domains=1)
    yield peer
    peer.kill()
    shutil.rmtree(root)


def test_2000_requests_of_50_clients(large_host):
    """As hooks ask: never too much bandwidth, whichever line the ledger's log had reached, and no VF twice."""
    failures, answered, refused = [], [], []

    def start(domain, bandwidth):
        with large_host.connect() as connection:
            connection.sendall(hook_request("d", domain_xml(domain, {"id": "net0", "bandwidth": bandwidth}).encode(),
                                            hook="vf", operation="prepare"))
            reply = read_reply(connection)
        answered.append(domain)
        if "error" in reply:
            assert reply["error"]["class"] == "VfRefused", reply
            refused.append(domain)

    def client(number):
        try:
            for request in range(REQUESTS):
                domain = 1 + number * REQUESTS + request
                start(domain, f"{100 + domain % 40 * 50}Mbit")
        except Exception as error:  # pylint: disable=broad-except
            failures.append(repr(error))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(answered) == CLIENTS * REQUESTS
    entries = check_ledger(large_host.root / LEDGER, MBPS)
    assert {domain for domain, _ in entries} == {uuid(domain) for domain in range(1, CLIENTS * REQUESTS + 1)
                                             if domain not in refused}
    assert refused, "there was room for all: nothing was tried"
