# A machine for the tests, sourced by tests/package/run: a layer over the Debian of tests/package/root, booted by
# systemd-nspawn, without any network but its own loopback.

scratch=
nspawn=
init=

# Runs a command on the machine, with a clean environment.
inside() {
  nsenter -t "$init" -a env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive SYSTEMD_COLORS=0 SYSTEMD_PAGER= "$@"
}

# The folder that the machine sees as its root.
machine() { echo "$scratch/root"; }

boot() {
  local below=$1 packages=$2
  scratch=$(mktemp -d "$PWD/target/debian-root/run.XXXXXX")
  mkdir "$scratch/root" "$scratch/layer" "$scratch/work"
  # Where there can be no layer over a layer, as in some containers, a copy does.
  mount -t overlay keymuster-test -o "lowerdir=$below,upperdir=$scratch/layer,workdir=$scratch/work" "$scratch/root" 2>/dev/null ||
    cp -a --reflink=auto "$below/." "$scratch/root"
  systemd-nspawn --quiet -D "$scratch/root" --machine="keymuster-test-$$" --boot --private-network --register=no --keep-unit \
    --bind-ro="$packages:/packages" </dev/null >"$scratch/console" 2>&1 &
  nspawn=$!
  eventually 'the machine boots' booted
}

booted() {
  # It is told apart from nspawn's own helper by what it runs.
  init=$(pgrep -P "$nspawn" -f systemd/systemd) || { kill -0 "$nspawn" 2>/dev/null || fail "systemd-nspawn ended: $(tail -n 5 "$scratch/console")"; return 1; }
  inside systemctl is-system-running 2>/dev/null | grep -q -e running -e degraded
}

halt() {
  if [ -n "$nspawn" ] && kill -0 "$nspawn" 2>/dev/null; then
    # nspawn makes an orderly end of that; whoever does not end within a minute is ended.
    kill -TERM "$nspawn" 2>/dev/null || true
    timeout 60 tail --pid="$nspawn" -f /dev/null || kill -KILL "$init" "$nspawn" 2>/dev/null || true
    wait "$nspawn" 2>/dev/null || true
  fi
  [ -n "$scratch" ] || return 0
  if mountpoint -q "$scratch/root"; then umount "$scratch/root" || umount --lazy "$scratch/root"; fi
  rm -rf --one-file-system "$scratch"
}
