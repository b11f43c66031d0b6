# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test guest is made of, and the domain XML that says so."""

import dataclasses
import os
import uuid

from .kvm import emulator

AGENT_CHANNEL = "org.ballast.guest_agent.0"
TEST_CHANNEL = "org.ballast.test.0"

# What libvirt calls the balloon and the first iothread.
BALLOON_ALIAS = "balloon0"
HINT_IOTHREAD = "iothread1"
_FREE_PAGE_HINT_XML = f"""\
<qemu:override><qemu:device alias='{BALLOON_ALIAS}'><qemu:frontend>
    <qemu:property name='free-page-hint' type='bool' value='true'/>
    <qemu:property name='iothread' type='string' value='{HINT_IOTHREAD}'/>
  </qemu:frontend></qemu:device></qemu:override>
"""

@dataclasses.dataclass(frozen=True)
class GuestSpec:
    """What a guest is made of.

    balloon: "virtio" or "none"; autodeflate: deflate on out-of-memory
    virtio_mem_mib: size of a virtio-mem device beside memory_mib of boot RAM (0: no device);
        virtio_mem_requested_mib: how much of it is plugged (default: all)
    free_page_reporting: the balloon gives free pages back to the host as they come
    free_page_hint: the balloon tells a migration which pages are free; libvirt's XML has no word for it
    channel: the domain has the agent's channel; agent: the agent is started in the guest
    disk_mib: qcow2 disk of that size (0: none), one file for both hosts, or with
        shared_disk=False one on each host (for migrations that copy storage)
    initrd: file that the guest boots from with the bed's kernel (default: the bed's)
    disk_image: raw image that its disk begins as, both hosts see it; it stays as it is
    shared_memory: guest RAM in a shared memfd; default is private anonymous memory
    persistent: defined in libvirt, not only running
    """

    name: str
    memory_mib: int = 512
    vcpus: int = 1
    balloon: str = "virtio"
    autodeflate: bool = False
    free_page_reporting: bool = False
    free_page_hint: bool = False
    virtio_mem_mib: int = 0
    virtio_mem_requested_mib: int | None = None
    channel: bool = True
    agent: bool = True
    kernel_args: str = ""
    disk_mib: int = 0
    shared_disk: bool = True
    initrd: str | None = None
    disk_image: str | None = None
    shared_memory: bool = False
    persistent: bool = True
    extra_devices: str = ""

    @property
    def has_disk(self):
        return self.disk_mib > 0 or self.disk_image is not None

    def disk_path(self, bed):
        """Where QEMU finds the disk (on a host, when the disk is not shared)."""
        folder = bed.shared if self.shared_disk else "/var/lib/libvirt/images"
        return os.path.join(folder, self.name + ".qcow2")

    def domain_xml(self, bed, domain_type):
        """The domain's XML on `bed`."""
        total_mib = self.memory_mib + self.virtio_mem_mib
        append = f"console=ttyS0 quiet panic=1 cryptomgr.notests memhp_default_state=online_movable {self.kernel_args}"
        if not self.agent:
            append += " ballast.noagent"
        return f"""\
<domain type='{domain_type}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{self.name}</name>
  <uuid>{uuid.uuid5(uuid.NAMESPACE_OID, self.name)}</uuid>
  {f"<maxMemory slots='4' unit='MiB'>{total_mib + 1024}</maxMemory>" if self.virtio_mem_mib else ""}
  <memory unit='MiB'>{total_mib}</memory>
  <currentMemory unit='MiB'>{total_mib}</currentMemory>
  {"<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>" if self.shared_memory else ""}
  <vcpu>{self.vcpus}</vcpu>
  {"<iothreads>1</iothreads>" if self.free_page_hint else ""}
  {self._numa_xml() if self.virtio_mem_mib else ""}
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{bed.kernel}</kernel>
    <initrd>{self.initrd or bed.initrd}</initrd>
    <cmdline>{append.strip()}</cmdline>
  </os>
  <features><acpi/></features>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>{emulator(bed.src, self.virtio_mem_mib > 0)}</emulator>
    <controller type='usb' model='none'/>
    <serial type='file'>
      <source path='{os.path.join(bed.shared, self.name + ".console")}' append='on'/>
      <target type='isa-serial' port='0'/>
    </serial>
    {self._channel_xml(TEST_CHANNEL)}
    {self._channel_xml(AGENT_CHANNEL) if self.channel else ""}
    {self._balloon_xml()}
    {self._disk_xml(bed) if self.has_disk else ""}
    {self._virtio_mem_xml() if self.virtio_mem_mib else ""}
    {self.extra_devices}
  </devices>
  {_FREE_PAGE_HINT_XML if self.free_page_hint else ""}
</domain>
"""

    def _numa_xml(self):
        return (f"<cpu><numa><cell id='0' cpus='0-{self.vcpus - 1}' memory='{self.memory_mib}' unit='MiB'/>"
                "</numa></cpu>")

    def _balloon_xml(self):
        options = ((" autodeflate='on'" if self.autodeflate else "")
                   + (" freePageReporting='on'" if self.free_page_reporting else ""))
        return f"<memballoon model='{self.balloon}'{options}/>"

    @staticmethod
    def _channel_xml(name):
        return f"<channel type='unix'><target type='virtio' name='{name}'/></channel>"

    def _disk_xml(self, bed):
        return ("<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/>"
                f"<source file='{self.disk_path(bed)}'/><target dev='vda' bus='virtio'/></disk>")

    def _virtio_mem_xml(self):
        requested = self.virtio_mem_requested_mib
        if requested is None:
            requested = self.virtio_mem_mib
        return (f"<memory model='virtio-mem'><target><size unit='MiB'>{self.virtio_mem_mib}</size><node>0</node>"
                f"<block unit='MiB'>2</block><requested unit='MiB'>{requested}</requested></target></memory>")
