# What happens when ballast-guest-agent comes and goes, in the deb and the rpm alike. Nothing here fails: a package that
# can neither be installed nor removed helps nobody.

ballast_port=/dev/virtio-ports/org.ballast.guest_agent.0

# systemctl in the way of the distribution: Debian's asks whether a policy is against it.
ballast_unit ()
{
  "$(command -v deb-systemd-invoke || echo systemctl)" "$@"
}

# The rule came or went: udev looks at the ports once more, so that systemd knows.
ballast_look_at_ports ()
{
  udevadm control --reload || return 1
  udevadm trigger --action=add --subsystem-match=virtio-ports || return 1
}

# Debian's way never starts a unit that something else is to start, so its policy is asked here.
ballast_may_start ()
{
  command -v policy-rc.d >/dev/null || return 0
  status=0
  policy-rc.d ballast-agent.service start || status=$?
  [ $status -ne 101 ]
}

# systemd starts what a rule wants when the port comes, or the want does; neither does when the agent was here before. So
# it is started by name as well, without waiting for udev.
ballast_installed ()
{
  [ -d /run/systemd/system ] || return 0
  ballast_look_at_ports || echo "ballast-guest-agent: udev did not answer: the agent starts at the next boot." >&2
  if [ -e $ballast_port ] && ballast_may_start && ! systemctl --no-block start ballast-agent.service; then
    echo "ballast-guest-agent: the agent did not start: see \"systemctl status ballast-agent\"." >&2
  fi
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

# Without the rule nothing wants the agent any more: a port that comes later starts nothing that is not there.
ballast_removed ()
{
  [ ! -d /run/systemd/system ] || ballast_look_at_ports || true
}
