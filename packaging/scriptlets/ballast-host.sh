# What happens when ballast-host comes and goes, in the deb and the rpm alike. Nothing here fails: a package that can
# neither be installed nor removed helps nobody. ballast_unit is systemctl, in the way of the distribution.

# Guests are not touched by a restart of libvirt, but a migration that is under way is lost. Its status files tell.
ballast_migration_runs ()
{
  grep -qs "async='migration" /run/libvirt/qemu/*.xml
}

# libvirt reads its hooks' folder once, when its daemon starts. A daemon that is not active will when it is.
ballast_show_hooks ()
{
  [ -d /run/systemd/system ] || return 0
  for daemon in libvirtd virtqemud; do
    ballast_unit is-active $daemon.service >/dev/null || continue
    if ballast_migration_runs; then
      echo "ballast-host: a migration is under way, so $daemon was not restarted: run" \
        "\"systemctl restart $daemon\" when it is over, before that libvirt does not call Ballast's hooks." >&2
    else
      ballast_unit try-restart $daemon.service \
        || echo "ballast-host: $daemon could not be restarted: until it is, libvirt does not call Ballast's hooks." >&2
    fi
  done
}

ballast_start ()
{
  [ -d /run/systemd/system ] || return 0
  ballast_unit restart ballastd.service \
    || echo "ballast-host: ballastd did not start: see \"systemctl status ballastd\"." >&2
}

# ballastd comes first: a hook that libvirt runs asks it.
ballast_installed ()
{
  ballast_start
  ballast_show_hooks
}

# The new program goes on with what the old one had begun: journal, ledger and held memory stay.
ballast_upgraded ()
{
  [ -d /run/systemd/system ] || return 0
  ballast_unit try-restart ballastd.service \
    || echo "ballast-host: ballastd did not start again: see \"systemctl status ballastd\"." >&2
}

# Whether libvirt can be reached, or Ballast remembers anything: else there is nothing to retire, and nobody to ask.
ballast_has_work ()
{
  [ -S /run/libvirt/libvirt-sock ] || [ -S /run/libvirt/virtqemud-sock ] \
    || [ -n "$(find /var/lib/ballast -type f -size +0 2>/dev/null)" ]
}

# While the program is still there. What a domain in a migration keeps, `ballast retire` tells.
ballast_removing ()
{
  if [ -d /run/systemd/system ]; then
    ballast_unit stop ballastd.service || true
  fi
  ballast_has_work || return 0
  timeout 600 ballast -c qemu:///system retire \
    || echo "ballast-host: what \"ballast retire\" names above is left as it is: with the package installed again," \
      "\"ballast retire\" puts it back." >&2
}
