# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test bed: two libvirt hosts on one machine, and small Linux guests to move between them.

    from bed import Bed, GuestSpec

    with Bed() as bed:
        guest = bed.guest(GuestSpec(name="g1", memory_mib=512))
        guest.start(bed.src)
        guest.canary_start(16)
        bed.src.virsh("migrate", "--live", "--unsafe", "g1", bed.dst.uri)
        guest.moved_to(bed.dst)
        guest.canary_check()

hosts.py makes the hosts (each is a Host, host.py), guest.py the guests that
guest_spec.py describes, image.py what they boot from.
For people: `python3 -m bed --help` in this folder's parent.
"""

from .guest import Guest, GuestError
from .guest_spec import GuestSpec
from .host import BedError, CommandError, Host, wait_until
from .hosts import Bed

__all__ = ["Bed", "BedError", "CommandError", "Guest", "GuestError", "GuestSpec", "Host", "wait_until"]
