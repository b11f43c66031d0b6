#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# supervisor.sh BED-DIR ROOT BIND...: parent of the two hosts and their janitor.
#
# stdin is a pipe from the test process. When that ends, for whatever reason (SIGKILL
# included), both hosts are killed and BED-DIR is removed. The QEMU lock, when there is one,
# is inherited here and so stays taken until everything is gone. Should this script be
# killed itself, the parent-death signals still take the hosts down.

bed=$1
script=${0%/*}/host-init.sh
pids=

for name in src dst; do
	setpriv --pdeathsig KILL -- \
		unshare --mount --uts --net --ipc --pid --fork --kill-child -- \
		/bin/sh "$script" "$name" "$@" </dev/null 2>"$bed/$name/init.log" &
	pids="$pids $!"
	echo "$name $!"
done
exec >/dev/null

cat >/dev/null

# Killing a namespace's PID 1 kills all in it, and unshare ends only after that.
for pid in $pids; do
	# No newline at the end of that file, so read "fails" after reading.
	inner=
	read -r inner <"/proc/$pid/task/$pid/children"
	[ -n "$inner" ] && kill -KILL "$inner"
done 2>/dev/null
wait
rm -rf --one-file-system "$bed"
