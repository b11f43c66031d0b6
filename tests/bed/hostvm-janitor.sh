#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# hostvm-janitor.sh FOLDER ROOT ARGUMENT...: QEMU of the Debian in folder ROOT, and what cleans up after it.
#
# stdin is a pipe from the test process. When that ends, for whatever reason (SIGKILL
# included), QEMU is killed and FOLDER is removed. The QEMU lock, when there is one, is
# inherited here and so stays taken until then. Should this script be killed itself, the
# parent-death signal still takes QEMU down.

folder=$1 root=$2
shift 2

# All but programs and libraries is this machine's. The mount is QEMU's own and goes with it.
TMPDIR=$folder setpriv --pdeathsig KILL -- unshare --mount -- /bin/sh -c '
	mount --bind "$0/etc/ld.so.cache" /etc/ld.so.cache &&
	mount --bind "$0/usr" /usr &&
	exec qemu-system-x86_64 "$@"' "$root" "$@" </dev/null >"$folder/qemu.log" 2>&1 &
qemu=$!
echo "$qemu"
exec >/dev/null

cat >/dev/null

kill -KILL "$qemu" 2>/dev/null
wait
rm -rf --one-file-system "$folder"
