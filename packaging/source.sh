# SPDX-License-Identifier: LGPL-2.1-or-later
# Shell functions of build-deb and build-rpm; $top is the project's folder. Where root builds in a user's tree git wants to
# be told that this is meant.

# meson's is the only version.
source_version ()
{
  sed -n "s/^  version: '\(.*\)',$/\1/p" "$top/meson.build"
}

# Seconds since 1970: that of the last commit; without git that of the newest file.
source_date ()
{
  if [ -e "$top/.git" ]; then
    git -C "$top" -c "safe.directory=$top" log -1 --format=%ct
  else
    find "$top" -type f -printf '%T@\n' | sort -n | tail -n 1 | cut -d. -f1
  fi
}

# Copies the tree as it is, also what is not committed, but nothing that was built, to the new folder $1.
source_copy ()
{
  mkdir "$1"
  if [ -e "$top/.git" ]; then
    (cd "$top" && git -c "safe.directory=$top" ls-files -z --cached --others --exclude-standard --deduplicate \
      | xargs -0 sh -c 'for path; do [ ! -e "$path" ] || printf "%s\0" "$path"; done' -) >"$1.list"
    tar -C "$top" --null --no-recursion -T "$1.list" -cf - | tar -C "$1" -xf -
  else
    tar -C "$top" --exclude=./build --exclude=__pycache__ --exclude=.pytest_cache -cf - . | tar -C "$1" -xf -
  fi
}
