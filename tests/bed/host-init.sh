#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# host-init.sh NAME BED-DIR ROOT BIND...: first process of one host of the test bed, in fresh
# mount, UTS, network, IPC and PID namespaces. Makes the host's root and becomes its PID 1.
#
# The host's root is an overlay over ROOT that is thrown away; /run, /tmp and the state
# folders of libvirt and Ballast are the host's own, the latter below BED-DIR/NAME on disk.
# BED-DIR and every BIND appear at their own paths, shared and writable.

set -e
name=$1 bed=$2 root=$3
trap 'echo "$name failed"' EXIT
shift 3

new=$bed/$name/root
scratch=$bed/$name/scratch

hostname "$name"
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch/upper" "$scratch/work"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work" "$new"

mount -t proc proc "$new/proc"
mount --rbind /sys "$new/sys"
mount --rbind /dev "$new/dev"
mount -t tmpfs tmpfs "$new/run"
mount -t tmpfs tmpfs "$new/tmp"
mkdir -p "$new/run/lock" "$new/var/tmp"
# Relative, so that it also leads to the host's own when followed from outside.
rm -rf "$new/var/run"
ln -s ../run "$new/var/run"

for path in etc/libvirt etc/ballast var/lib/libvirt var/lib/ballast var/log/libvirt var/cache/libvirt; do
	own=$bed/$name/$(echo "$path" | tr / -)
	mkdir -p "$own" "$new/$path"
	mount --bind "$own" "$new/$path"
done
for path in "$bed" "$@"; do
	mkdir -p "$new$path"
	mount --bind "$path" "$new$path"
done

cat >"$new/etc/hosts" <<EOF
127.0.0.1 localhost
10.77.0.1 src
10.77.0.2 dst
EOF

# libvirtd looks its default user up even when qemu.conf names another; Debian makes that
# user with libvirt-daemon-system, which the bed does without.
grep -q '^libvirt-qemu:' "$new/etc/passwd" ||
	echo 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin' >>"$new/etc/passwd"
grep -q '^libvirt-qemu:' "$new/etc/group" || echo 'libvirt-qemu:x:64055:' >>"$new/etc/group"

echo "$name ready"
exec >/dev/null
# The wait is for ever; meanwhile the shell reaps what daemons leave to PID 1.
exec chroot "$new" /bin/sh -c 'cd /; sleep infinity & while :; do wait $!; done'
