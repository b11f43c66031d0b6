# SPDX-License-Identifier: LGPL-2.1-or-later
"""What test guests boot from: Debian's kernel and an initramfs, nothing installed.

The *base* (kernel, busybox, modules, guest-tool) is cached below $BALLAST_CACHE (default
/var/cache/ballast-tests), one folder per kernel version and recipe; the cache is a
convenience, never a requirement, and a folder appears there by rename once it is complete.
The *overlay* (the freshly built agent with its libraries) is made anew for every bed.
"""

import contextlib
import fcntl
import glob
import hashlib
import lzma
import os
import re
import shutil
import subprocess
import tempfile

from .cpio import CpioWriter

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GUEST_SOURCES = os.path.join(TESTS, "guest")

BOOT_MODULES = ("virtio_pci", "virtio_console", "virtio_balloon", "virtio_mem", "virtio_blk", "virtio_net")
# Found by modprobe when something in the guest asks for them.
EXTRA_MODULES = ("zram", "lzo-rle", "lzo", "zstd", "ext4", "loop", "9p", "9pnet_virtio", "igbvf")

_XZ_MAGIC = b"\xfd7zXZ\x00"
_ELF_MAGIC = b"\x7fELF"


class ImageError(Exception):
    """The guest image cannot be made; one sentence."""


def cache_dir():
    path = os.environ.get("BALLAST_CACHE", "/var/cache/ballast-tests")
    os.makedirs(path, exist_ok=True)
    return path


@contextlib.contextmanager
def cache_lock():
    """One builder at a time; the others then find the finished result."""
    with open(os.path.join(cache_dir(), "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class BaseImage:
    """Paths of one finished base: .kernel, .initrd and .version (of the kernel)."""

    def __init__(self, folder, version):
        self.version = version
        self.kernel = os.path.join(folder, "vmlinux")
        self.initrd = os.path.join(folder, "base.cpio")


def base_image():
    """The base for the kernel that this machine's apt offers, built if it is not in the cache.

    When apt knows no kernel (lists gone, no network) the newest cached base of the same
    recipe does. Raises ImageError when there is neither.
    """
    return BaseImage(*cached("guest", _recipe_hash(), _build_base))


def cached(name, recipe, build):
    """(folder of the cache, the kernel's release) of the image `name` for the kernel that apt offers.

    recipe: a hash of all that it is made from
    build: is called with (folder, kernel package, its release), under the cache's lock, when there is none; it has the
    folder appear by rename
    Raises ImageError.
    """
    package = kernel_package()
    if package is None:
        found = sorted(glob.glob(os.path.join(cache_dir(), f"{name}-*-{recipe}")), key=os.path.getmtime)
        if not found:
            raise ImageError(f"apt offers no linux-image-amd64 and no image {name} is cached: run tests/install-deps")
        return found[-1], os.path.basename(found[-1])[len(name) + 1:].partition("_")[0]

    kernel, debian_version = package
    release = kernel[len("linux-image-"):]
    folder = os.path.join(cache_dir(), f"{name}-{release}_{debian_version}-{recipe}")
    if not os.path.isdir(folder):
        with cache_lock():
            if not os.path.isdir(folder):
                build(folder, kernel, release)
    return folder, release


def build_initrd(base, path, agent=None, files=None):
    """Writes the initramfs `path`: the base and, on top of it, what one run adds.

    agent: the ballast-agent to put into the guest, with the libraries that it needs
    files: {path in the guest: bytes or name of a file here}; executable when it says so here
    """
    overlay = CpioWriter()
    if agent:
        overlay.copy("bin/ballast-agent", agent, 0o755)
        for library in _libraries(agent):
            overlay.copy(library, library)
    for target, source in (files or {}).items():
        if isinstance(source, bytes):
            overlay.file(target, source)
        else:
            overlay.copy(target, source)
            for library in _libraries(source):
                overlay.copy(library, library)

    with open(path, "wb") as out:
        with open(base.initrd, "rb") as stream:
            shutil.copyfileobj(stream, out)
        out.write(overlay.bytes())


def _recipe_hash():
    digest = hashlib.sha256()
    sources = sorted(glob.glob(os.path.join(GUEST_SOURCES, "*")))
    for name in [__file__, os.path.join(os.path.dirname(__file__), "cpio.py"), *sources]:
        if os.path.isfile(name):
            with open(name, "rb") as stream:
                digest.update(stream.read())
    return digest.hexdigest()[:12]


def _output(*argv, **kwargs):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, **kwargs).stdout


def kernel_package():
    """(package, its version) of the kernel behind linux-image-amd64, or None."""
    try:
        depends = _output("apt-cache", "depends", "linux-image-amd64", stderr=subprocess.DEVNULL)
        name = re.search(r"Depends: (linux-image-[0-9]\S*)", depends)
        if not name:
            return None
        policy = _output("apt-cache", "policy", name[1], stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return None
    candidate = re.search(r"Candidate: ([0-9]\S*)", policy)
    return (name[1], candidate[1]) if candidate else None


def _build_base(folder, package, release):
    print(f"bed: building the guest image of {package} (once, cached in {cache_dir()})", flush=True)
    work = tempfile.mkdtemp(prefix="building-", dir=cache_dir())
    try:
        unpacked = unpack_kernel(package, work)
        finished = os.path.join(work, "finished")
        os.mkdir(finished)
        with open(os.path.join(unpacked, "boot", "vmlinuz-" + release), "rb") as stream:
            vmlinux = _extract_vmlinux(stream.read())
        with open(os.path.join(finished, "vmlinux"), "wb") as stream:
            stream.write(vmlinux)
        with open(os.path.join(finished, "base.cpio"), "wb") as stream:
            stream.write(_base_cpio(unpacked, release, work))
        os.sync()
        os.rename(finished, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def unpack_kernel(package, work):
    try:
        # The _apt user may not write here, which apt only warns about.
        subprocess.run(["apt-get", "download", "-qq", package], check=True, cwd=work,
                       stderr=subprocess.PIPE, text=True)
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise ImageError(f"apt-get could not download {package} for the guest image: {reason[0]}") from error
    unpacked = os.path.join(work, "unpacked")
    subprocess.run(["dpkg-deb", "-x", glob.glob(os.path.join(work, "*.deb"))[0], unpacked], check=True)
    return unpacked


def _extract_vmlinux(bzimage):
    """The ELF kernel inside Debian's bzImage.

    QEMU starts an ELF kernel by its PVH entry point. That skips the unpacking of the
    compressed one, which takes seconds under emulation.
    """
    at = bzimage.find(_XZ_MAGIC)
    while at >= 0:
        try:
            # The x86 kernel's xz stream ends before the file does: a decompressor object
            # stops there, lzma.decompress() would object to the rest.
            kernel = lzma.LZMADecompressor().decompress(bzimage[at:])
        except lzma.LZMAError:
            kernel = b""
        if kernel.startswith(_ELF_MAGIC):
            return kernel
        at = bzimage.find(_XZ_MAGIC, at + 1)
    raise ImageError("the guest's kernel is not xz-compressed, which tests/bed/image.py expects")


def modules_in_order(unpacked, version, names):
    """Paths of the modules and all that they need, in load order; depmod has run there."""
    ordered = []
    for name in names:
        shown = _output("modprobe", "--show-depends", "-d", unpacked, "-S", version, name)
        for line in shown.splitlines():
            words = line.split()
            if words[0] == "insmod" and words[1] not in ordered:
                ordered.append(words[1])
    return ordered


def slim_modules(unpacked, version, names, root):
    """Copies the modules `names`, and all that they need, with their index below the folder `root`."""
    subprocess.run(["depmod", "-b", unpacked, version], check=True)
    for module in modules_in_order(unpacked, version, names):
        target = root + in_guest(module, unpacked)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(module, target)
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(os.path.join(unpacked, "lib/modules", version, name), os.path.join(root, "lib/modules", version))
    subprocess.run(["depmod", "-b", root, version], check=True)


def in_guest(module, unpacked):
    """The guest's path of a module of the unpacked kernel package."""
    return "/" + os.path.relpath(module, unpacked)


def build_guest_tool(path):
    """The static program that serves commands in a guest."""
    subprocess.run(["cc", "-std=gnu17", "-O2", "-Wall", "-static", "-o", path,
                    *sorted(glob.glob(os.path.join(GUEST_SOURCES, "*.c")))], check=True)


def _base_cpio(unpacked, version, work):
    slim = os.path.join(work, "slim")
    slim_modules(unpacked, version, BOOT_MODULES + EXTRA_MODULES, slim)
    boot = modules_in_order(unpacked, version, BOOT_MODULES)
    tool = os.path.join(work, "guest-tool")
    build_guest_tool(tool)

    archive = CpioWriter()
    for name in ("proc", "sys", "dev", "run", "tmp", "etc/ballast", "root", "mnt", "var"):
        archive.directory(name)
    archive.copy("init", os.path.join(GUEST_SOURCES, "init"), 0o755)
    archive.copy("bin/busybox", "/bin/busybox", 0o755)
    for applet in _output("/bin/busybox", "--list").split():
        if applet not in ("busybox", "init"):
            archive.symlink("bin/" + applet, "/bin/busybox")
    # The kernel's own request_module() calls this path.
    archive.symlink("sbin/modprobe", "/bin/busybox")
    archive.copy("bin/guest-tool", tool, 0o755)
    archive.file("etc/boot-modules", "".join(in_guest(m, unpacked) + "\n" for m in boot).encode())
    archive.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    archive.file("etc/group", b"root:x:0:\n")
    for folder, _, names in os.walk(os.path.join(slim, "lib")):
        for name in sorted(names):
            path = os.path.join(folder, name)
            archive.copy(os.path.relpath(path, slim), path, 0o644)
    return archive.bytes()


def _libraries(program):
    """Absolute paths of the shared objects `program` needs, the dynamic linker included."""
    shown = subprocess.run(["ldd", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return re.findall(r"(/\S+) \(0x", shown.stdout)
