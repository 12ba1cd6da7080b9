# A machine for the tests, sourced by tests/package/run: a layer over the Debian of tests/package/root, booted by
# systemd-nspawn, without any network but its own loopback.

scratch=
folder=()
nspawn=
init=

# Runs a command on the machine, with a clean environment.
inside() {
  nsenter -t "$init" -a env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive SYSTEMD_COLORS=0 SYSTEMD_PAGER= "$@"
}

# make BELOW PACKAGES
make() {
  local below=$1
  scratch=$(mktemp -d "$PWD/target/debian-root/run.XXXXXX")
  mkdir "$scratch/root" "$scratch/layer" "$scratch/work"
  # Where there can be no layer over a layer, as in some containers, a copy does.
  mount -t overlay keymuster-test -o "lowerdir=$below,upperdir=$scratch/layer,workdir=$scratch/work" "$scratch/root" 2>/dev/null ||
    cp -a --reflink=auto "$below/." "$scratch/root"
  folder=(--quiet -D "$scratch/root" --machine="keymuster-test-$$" --private-network --register=no --bind-ro="$2:/packages")
  # A systemd of this machine's gives the other one a place among its units; without one there is no such place.
  [ -d /run/systemd/system ] || folder+=(--keep-unit)
}

# Runs a command where nothing else runs, as when an image is built. What nspawn says of itself goes elsewhere.
unbooted() { systemd-nspawn "${folder[@]}" --pipe sh -c 'exec "$@" 2>&1' sh "$@" </dev/null 2>>"$scratch/nspawn"; }

boot() {
  systemd-nspawn "${folder[@]}" --boot </dev/null >"$scratch/nspawn" 2>&1 &
  nspawn=$!
  eventually 'the machine boots' booted
}

booted() {
  kill -0 "$nspawn" 2>/dev/null || fail "systemd-nspawn ended: $(tail -n 5 "$scratch/nspawn")"
  init=$(pgrep --parent "$nspawn" -f systemd/systemd) || return 1
  case "$(inside systemctl is-system-running 2>/dev/null)" in running | degraded) ;; *) return 1 ;; esac
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
