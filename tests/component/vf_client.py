# SPDX-License-Identifier: LGPL-2.1-or-later
"""How a management system asks ballastd for virtual functions: the whole of a client."""

import json
import socket

SOCKET = "/run/ballast/ballastd.sock"


class VfError(Exception):
    """ballastd said no. Attributes: error_class, desc."""

    def __init__(self, error_class, desc):
        super().__init__(f"{error_class}: {desc}")
        self.error_class, self.desc = error_class, desc


def ask(command, path=SOCKET, timeout=120, **arguments):
    """What `command` (protocol/vf-schema.json) returns; the socket is root's."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(path)
        request = {"execute": command, "arguments": {name.replace("_", "-"): value for name, value in arguments.items()}}
        connection.sendall(json.dumps(request).encode() + b"\n")
        reply = json.loads(connection.makefile("rb").readline())
    if "error" in reply:
        raise VfError(reply["error"]["class"], reply["error"]["desc"])
    return reply["return"]
