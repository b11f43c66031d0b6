# SPDX-License-Identifier: LGPL-2.1-or-later
"""Brings the two hosts up with a guest on "src", for a person to play with.

Run in the folder tests/, as root. Everything is removed when it ends.

    python3 -m bed                          a shell on src; try: virsh migrate --live --unsafe g1 qemu+tcp://dst/system
    python3 -m bed -- virsh list            one command on src
    python3 -m bed --python                 a Python prompt with `bed` and `guest`
"""

import argparse
import code
import os
import sys

from . import Bed, GuestSpec
from .host import build_dir


def _parse(argv):
    parser = argparse.ArgumentParser(prog="python3 -m bed", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", type=int, default=512, metavar="MIB", help="boot RAM of the guest (default 512)")
    parser.add_argument("--virtio-mem", type=int, default=0, metavar="MIB", help="a virtio-mem device beside it")
    parser.add_argument("--vcpus", type=int, default=1, metavar="N")
    parser.add_argument("--kernel-args", default="", metavar="ARGS", help="more arguments for the guest's kernel")
    parser.add_argument("--balloon", default="virtio", choices=("virtio", "none"))
    parser.add_argument("--no-agent", action="store_true", help="do not start the agent in the guest")
    parser.add_argument("--no-guest", action="store_true", help="only the hosts")
    parser.add_argument("--mbit", type=int, metavar="N", help="limit the link to N Mbit/s")
    parser.add_argument("--root", default="/", help="folder of a Debian whose libvirt and QEMU the hosts run")
    parser.add_argument("--python", action="store_true", help="a Python prompt instead of a shell")
    parser.add_argument("command", nargs="*", help="run this on src instead of a shell")
    return parser.parse_args(argv)


def main(argv):
    args = _parse(argv)
    with Bed(root=args.root) as bed:
        if args.mbit:
            bed.limit_mbit(args.mbit)
        guest = None
        if not args.no_guest:
            guest = bed.guest(GuestSpec(
                "g1", memory_mib=args.memory, virtio_mem_mib=args.virtio_mem, vcpus=args.vcpus,
                kernel_args=args.kernel_args, balloon=args.balloon, agent=not args.no_agent)).start(bed.src)
        if args.python:
            code.interact(local={"bed": bed, "guest": guest, "src": bed.src, "dst": bed.dst})
            return 0
        path = "/usr/sbin:/usr/bin:/sbin:/bin"
        if build_dir():
            path = os.path.join(build_dir(), "host-hook") + ":" + path
        environment = {"PATH": path, "TERM": os.environ.get("TERM", "dumb"), "PS1": "src# "}
        return bed.src.popen(args.command or ["/bin/sh"], env=environment, stdin=None).wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
