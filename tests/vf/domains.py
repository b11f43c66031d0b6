# SPDX-License-Identifier: LGPL-2.1-or-later
"""Inner domains: what runs in the host VM and gets VFs."""


def domain_xml(vm, name, interfaces="", metadata="", spare_ports=4, linux=False):
    """A domain's XML for the host VM.

    interfaces: its <interface> elements
    spare_ports: pcie-root-ports for hot-plug; without one libvirt has no place to attach a VF to
    linux: it boots the small test guest, which a hot-unplug needs and which takes a while; "ballast-guest-ready" is in
        its console then. Otherwise it has no operating system.
    """
    boot = console = ""
    if linux:
        boot = (f"<kernel>{vm.kernel}</kernel><initrd>{vm.initrd}</initrd>"
                "<cmdline>console=ttyS0 quiet panic=1 cryptomgr.notests ballast.noagent</cmdline>")
        console = (f"<serial type='file'><source path='{console_path(vm, name)}' append='on'/>"
                   "<target type='isa-serial' port='0'/></serial>")
    ports = "<controller type='pci' model='pcie-root-port'/>" * (spare_ports + interfaces.count("<interface"))
    return f"""\
<domain type='kvm'>
  <name>{name}</name>
  <metadata>{metadata}</metadata>
  <memory unit='MiB'>{256 if linux else 64}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>{boot}</os>
  <features><acpi/></features>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='pci' index='0' model='pcie-root'/>
    {ports}
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    {console}
    {interfaces}
  </devices>
</domain>
"""


def interface_xml(address, mac, extra=""):
    """An <interface> that passes the VF at PCI address `address` through, managed by libvirt."""
    domain, bus, rest = address.split(":")
    slot, function = rest.split(".")
    return (f"<interface type='hostdev' managed='yes'><mac address='{mac}'/><source><address type='pci' "
            f"domain='0x{domain}' bus='0x{bus}' slot='0x{slot}' function='0x{function}'/></source>{extra}</interface>")


def console_path(vm, name):
    """Where an inner Linux's console goes, here and in the VM."""
    return f"{vm.shared}/{name}.console"
