# What happens when ballast-guest-agent comes and goes, in the deb and the rpm alike. Nothing here fails: a package that
# can neither be installed nor removed helps nobody. ballast_unit is systemctl, in the way of the distribution.

# The rule is new: udev looks at the port once more, and systemd starts the agent when it is there.
ballast_installed ()
{
  [ -d /run/systemd/system ] || return 0
  udevadm control --reload && udevadm trigger --action=add --subsystem-match=virtio-ports \
    || echo "ballast-guest-agent: udev did not answer: the agent starts at the next boot." >&2
}

# Memory that it holds comes back with the old one, and the host goes on without.
ballast_upgraded ()
{
  [ -d /run/systemd/system ] || return 0
  ballast_unit try-restart ballast-agent.service \
    || echo "ballast-guest-agent: the agent did not start again: see \"systemctl status ballast-agent\"." >&2
}

ballast_removing ()
{
  [ -d /run/systemd/system ] || return 0
  ballast_unit stop ballast-agent.service || true
}
