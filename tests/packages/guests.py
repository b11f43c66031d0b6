# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests of the real Debian guest share."""

import base64
import xml.etree.ElementTree as ElementTree

from agent_process import HostSide
from bed.debian_guest import DebianImage
from bed.guest import connect_unix
from bed.guest_spec import AGENT_CHANNEL
from bed.host import wait_until
from support import agent_connected

UNIT = "ballast-agent.service"
CONFIG = "/etc/ballast/ballast-agent.conf"


def start_debian(bed, package, name="debian", **fields):
    """A running Debian guest on bed.src with the agent's deb, of which udev has started the service."""
    guest = bed.guest(DebianImage(package, bed.shared).spec(name, **fields)).start(bed.src)
    guest.shell("systemctl is-system-running --wait", timeout=120, check=False)
    wait_for_agent(guest)
    return guest


def wait_for_agent(guest):
    """Waits until the agent has its port open."""
    wait_until(lambda: is_active(guest) and agent_connected(guest), 30, f"the agent of {guest.name} opens its channel")


def is_active(guest):
    return guest.shell(f"systemctl is-active {UNIT}", check=False).strip() == "active"


def connect(guest):
    """A host's connection to the agent, by the channel's socket."""
    host = HostSide(connect_unix(guest.agent_socket_path()))
    host.synchronize()
    return host


def property_of(guest, name):
    """What systemd says of the agent's unit."""
    return guest.shell(f"systemctl show --value -p {name} {UNIT}").strip()


def write(guest, path, text):
    encoded = base64.b64encode(text.encode()).decode()
    guest.shell(f"mkdir -p $(dirname {path}) && echo {encoded} | base64 -d >{path}")


def process_status(guest, pid):
    """/proc/PID/status in the guest as a dict of strings."""
    return dict(line.split(":\t", 1) for line in guest.shell(f"cat /proc/{pid}/status").splitlines() if ":\t" in line)


def pids(guest, name):
    return guest.shell(f"pgrep -x {name}", check=False).split()


def journal(guest, *options):
    """What the agent's unit, and systemd about it, have logged in this boot, without times."""
    return guest.shell(f"journalctl -b -q -o cat --no-pager -u {UNIT} {' '.join(options)}")


def restart(guest):
    """Restarts the agent; its port is open when this returns."""
    guest.shell(f"systemctl restart {UNIT}")
    wait_for_agent(guest)


def unplug_channel(guest):
    """Detaches the agent's channel from the running guest."""
    channel = next(channel for channel in guest.xml().iterfind("devices/channel")
                   if channel.find("target").get("name") == AGENT_CHANNEL)
    guest.host.write("/root/channel.xml", ElementTree.tostring(channel, encoding="unicode"))
    guest.host.virsh("detach-device", guest.name, "/root/channel.xml", "--live")


def plug_channel(guest):
    """Attaches a channel for the agent to the running guest."""
    guest.host.write("/root/channel.xml", f"<channel type='unix'><target type='virtio' name='{AGENT_CHANNEL}'/></channel>")
    guest.host.virsh("attach-device", guest.name, "/root/channel.xml", "--live")


def system_state(guest):
    """"running" unless some unit has failed."""
    return guest.shell("systemctl is-system-running", check=False).strip()
