# What happens when ballast-host comes and goes, in the deb and the rpm alike. Nothing here fails: a package that can
# neither be installed nor removed helps nobody.

# systemctl in the way of the distribution: Debian's asks whether a policy is against it.
ballast_unit ()
{
  "$(command -v deb-systemd-invoke || echo systemctl)" "$@"
}

# A unit that is enabled runs after this; one that is not stays as it is, with the new program.
ballast_start ()
{
  [ -d /run/systemd/system ] || return 0
  verb=try-restart
  ! systemctl --quiet is-enabled ballastd.service || verb=restart
  ballast_unit $verb ballastd.service \
    || echo "ballast-host: ballastd did not start: see \"systemctl status ballastd\"." >&2
}

# As rpm's systems have it: what an administrator has stopped stays so.
ballast_upgraded ()
{
  [ -d /run/systemd/system ] || return 0
  ballast_unit try-restart ballastd.service \
    || echo "ballast-host: ballastd did not start again: see \"systemctl status ballastd\"." >&2
}

# libvirt looks once, when its daemon starts, whether there are hooks. The daemons that started before Ballast's were
# there are in this file, each with systemd's ID of that start: neither a clock nor a boot changes what it says.
ballast_before_hooks=/var/lib/ballast/libvirt-before-hooks

# "DAEMON ID" when libvirt's daemon $1 runs. One that does not will see the hooks when it does.
ballast_libvirt_start ()
{
  [ -d /run/systemd/system ] || return 0
  if systemctl --quiet is-active "$1.service"; then
    echo "$1 $(systemctl show --property=InvocationID --value "$1.service")"
  fi
}

# The file stays until the package is removed: what is in it remains to be done however often it is put off.
ballast_note_libvirt ()
{
  [ ! -e $ballast_before_hooks ] || return 0
  [ -d /var/lib/ballast ] || mkdir -m 0700 /var/lib/ballast || true
  { ballast_libvirt_start libvirtd; ballast_libvirt_start virtqemud; } >$ballast_before_hooks \
    || echo "ballast-host: restart libvirtd or virtqemud: until then it does not call Ballast's hooks." >&2
}

# "DOMAIN: JOB" of one that libvirt is at. Its status files have each job that outlives a call: a migration, a start, a
# save. A restart of the daemon would end it: a start's domain is killed, a save's file is half-written.
ballast_job ()
{
  for status in /run/libvirt/qemu/*.xml; do
    job=$(sed -n "/<job type='none' async='none'/d; s/.*<job type='\([^']*\)' async='\([^']*\)'.*/\1=\2/p" "$status" \
      2>/dev/null | head -n 1)
    [ -n "$job" ] || continue
    case $job in
    *=none) job=${job%=*} ;;
    *) job=${job#*=} ;;
    esac
    echo "$(basename "$status" .xml): $job" | LC_ALL=C tr -c '[:print:]\n' '?'
    return
  done
}

# Restarts libvirt's daemon where it has not seen the hooks, unless somebody would lose something by that.
ballast_show_hooks ()
{
  for daemon in libvirtd virtqemud; do
    start=$(ballast_libvirt_start $daemon)
    if [ -z "$start" ] || ! grep -qsxF "$start" $ballast_before_hooks; then
      continue
    fi
    job=$(ballast_job)
    if [ -n "$job" ]; then
      echo "ballast-host: a job is under way ($job), so $daemon was not restarted: run" \
        "\"systemctl restart $daemon\" when it is over, before that libvirt does not call Ballast's hooks." >&2
    else
      ballast_unit try-restart $daemon.service \
        || echo "ballast-host: $daemon could not be restarted: until it is, libvirt does not call Ballast's hooks." >&2
    fi
  done
}

# Without ballastd a hook refuses starts: so the hooks go before it, and come back when the package stays after all.
ballast_unlink_hooks ()
{
  rm -f /etc/libvirt/hooks/qemu.d/50-ballast-memory /etc/libvirt/hooks/qemu.d/60-ballast-vf || true
}

ballast_link_hooks ()
{
  { ln -sf /usr/sbin/ballast-hook-memory /etc/libvirt/hooks/qemu.d/50-ballast-memory \
      && ln -sf /usr/sbin/ballast-hook-vf /etc/libvirt/hooks/qemu.d/60-ballast-vf; } \
    || echo "ballast-host: the links in /etc/libvirt/hooks/qemu.d could not be made: install the package again." >&2
}

# The ledger is a log: which entries it ends with. What is no entry is not for us to throw away.
ballast_ledger_has_entries ()
{
  [ -s /var/lib/ballast/vf/ledger ] && awk '
    { key = "" }
    match($0, /"domain":"[^"]*"/) { key = substr($0, RSTART, RLENGTH) }
    match($0, /"port":"[^"]*"/) { key = key substr($0, RSTART, RLENGTH) }
    NR == 1 && /^[{]"version":1,/ { next }
    /"(put|keep)":[{]/ && key != "" { left[key] = 1; next }
    /"remove":[{]/ && key in left { delete left[key]; next }
    { left["?"] = 1 }
    END { for (key in left) exit 0; exit 1 }' /var/lib/ballast/vf/ledger
}

# Whether something was released or handed out and not given back yet.
ballast_remembers ()
{
  [ -n "$(find /var/lib/ballast/journal -type f 2>/dev/null)" ] || ballast_ledger_has_entries
}

# Where libvirt can be reached domains may have marks of ballastd. Without it, and with nothing remembered, there is
# nothing to retire, and nobody to ask.
ballast_has_work ()
{
  [ -S /run/libvirt/libvirt-sock ] || [ -S /run/libvirt/virtqemud-sock ] || ballast_remembers
}

# While the program is still there. It must not ask the terminal for a password, from behind a time limit: so it has none.
ballast_removing ()
{
  ballast_unlink_hooks
  if [ -d /run/systemd/system ]; then
    ballast_unit stop ballastd.service || true
  fi
  ballast_has_work || return 0
  if setsid --wait timeout -k 10 600 ballast -c qemu:///system retire </dev/null; then
    return 0
  elif ballast_remembers; then
    echo "ballast-host: what is still released is left as it is: with the package installed again," \
      "\"ballast retire\" puts it back." >&2
  else
    echo "ballast-host: \"ballast retire\" failed, but this host's journal and ledger know of nothing that is still" \
      "released." >&2
  fi
}

ballast_removed ()
{
  rm -f $ballast_before_hooks || true
}
