# What a package lives through, in this order; sourced by tests/package/run.

config=/etc/keymuster/keymuster.toml
sim=/root/simulated
folders='750 root:keymuster /etc/keymuster
700 root:root /etc/keymuster/credentials.d
700 root:root /etc/keymuster/credentials.encrypted.d'

# As into an image of a machine: user and folders are there before it is ever booted.
installs_without_systemd() {
  local told
  told=$(unbooted dpkg --install "/packages/$first") || fail "it cannot be installed where no systemd runs: $told"
  is 'the folders where no systemd runs' "$folders" "$(unbooted stat -c '%a %U:%G %n' /etc/keymuster /etc/keymuster/credentials.{d,encrypted.d})"
  told=$(unbooted dpkg --purge keymuster) || fail "it cannot be purged where no systemd runs: $told"
  [ ! -e "$scratch/root/etc/keymuster" ] || fail 'a purge leaves /etc/keymuster'
}

installs() {
  local told
  told=$(install "$first") || fail "it cannot be installed: $told"
  # The commands that it prints are typed by later steps.
  # apt gives dpkg a terminal, which ends lines with a carriage return too.
  printf '%s\n' "$told" | tr -d '\r' | sed -n 's/^ *\(install\|editor\|systemd-run\|systemctl\) /\1 /p' >"$scratch/next"
  is 'the steps that the installation tells' 'install editor install systemd-run systemctl' "$(cut -d ' ' -f 1 "$scratch/next" | xargs)"
  is 'who maintains it' 'keymuster maintainers <maintainers@keymuster.invalid>' "$(inside dpkg-query --show --showformat '${Maintainer}' keymuster)"
  is 'status of the package' 'install ok installed' "$(inside dpkg-query --show --showformat '${Status}' keymuster)"
  is 'files that are not as they were packed' '' "$(inside dpkg --verify keymuster)"
  is 'the user' '/var/lib/keymuster:/usr/sbin/nologin' "$(inside getent passwd keymuster | cut -d : -f 6-)"
  is 'the folders' "$folders" "$(modes /etc/keymuster /etc/keymuster/credentials.{d,encrypted.d})"
  holds 'the man page' 'keymuster ctl ack' "$(inside man keymuster)"
  inside test -s /usr/share/doc/keymuster/runbook.md -a -s /usr/share/doc/keymuster/examples/keymuster.example.toml ||
    fail 'documents are missing'
  inside zcat /usr/share/doc/keymuster/third-party-notices.txt.gz >"$scratch/notices"
  for crate in ring rusqlite tokio libsqlite3-sys; do
    grep -q "^$crate [0-9]" "$scratch/notices" || fail "the notices do not name $crate"
  done
  grep -q 'Permission is hereby granted' "$scratch/notices" || fail 'the notices hold no licence'
  inside cat /usr/share/doc/keymuster/keymuster.cdx.json >"$scratch/materials"
  grep -q '"pkg:cargo/rusqlite@' "$scratch/materials" || fail 'the bill of materials does not name rusqlite'
  # shellcheck disable=SC2016 # for the shell inside
  is 'a completion' backup "$(inside bash -c '. /usr/share/bash-completion/completions/keymuster
    COMP_WORDS=(keymuster db b) COMP_CWORD=2; _keymuster keymuster b db; echo "${COMPREPLY[@]}"')"
  links_lead_somewhere
}

# What the documents link is there.
links_lead_somewhere() {
  local document link
  for document in README.md operate.md runbook.md; do
    inside cat "/usr/share/doc/keymuster/$document" >"$scratch/document"
    while IFS= read -r link; do
      inside test -e "/usr/share/doc/keymuster/$link" || fail "$document links $link, which is not there"
    done < <(sed '/^```/,/^```/d' "$scratch/document" | grep -o '](\([^)#:]*\)[#)]' | sed 's/^](//; s/[#)]$//; /^$/d')
  done
}

refuses_without_config() {
  is 'after the installation' 'inactive disabled' "$(state) $(inside systemctl is-enabled keymuster || true)"
  is 'when it was started' 0 "$(unit ExecMainStartTimestampMonotonic)"
  ! again start 2>/dev/null || fail 'it starts without a config'
  # Were it to be started again, it would be activating.
  is 'without a config' 'failed 78' "$(state) $(unit ExecMainStatus)"
  eventually 'it says why' logged "$config: cannot be read"
}

# The simulated providers as a service, their credentials as the package wants them: two files, and one that is encrypted.
configure() {
  inside systemd-run --quiet --unit=simulated keymuster simulate --write-config "$sim"
  eventually 'the simulated providers are there' inside test -s "$sim/keymuster.toml"
  inside sh -c "cd $sim && install -m 0600 openai-admin-key /etc/keymuster/credentials.d/openai &&
    install -m 0600 braintrust-key /etc/keymuster/credentials.d/braintrust &&
    systemd-creds encrypt --name=encrypted_den den-session /etc/keymuster/credentials.encrypted.d/den" >/dev/null 2>&1 ||
    fail 'no credential can be encrypted'
  inside sed -e '/^\[inventory\]/,/^path/d' -e 's/credential_file = "openai-admin-key"/credential = "key_openai"/' \
    -e 's/credential_file = "braintrust-key"/credential = "key_braintrust"/' \
    -e 's/credential_file = "den-session"/credential = "encrypted_den"/' "$sim/keymuster.toml" >"$scratch/keymuster.toml"
  is 'credentials that systemd passes' 3 "$(grep -c '^credential = "' "$scratch/keymuster.toml")"
  inside install -m 0640 -g keymuster /dev/stdin "$config" <"$scratch/keymuster.toml"
  inside useradd --groups keymuster reader
}

runs() {
  # A start that was refused has made it, and most people check before any start.
  inside rm -r /var/lib/keymuster
  configure
  # Before it runs, as the installation says it; and starts it.
  inside sh -c "$(grep '^systemd-run ' "$scratch/next")" >"$scratch/check" 2>&1 ||
    fail "check before the first start: $(cat "$scratch/check")"
  is 'what check accepts' 3 "$(grep -c ' accepts the credential' "$scratch/check")"
  inside systemctl reset-failed keymuster 2>/dev/null || true
  inside sh -c "$(grep '^systemctl ' "$scratch/next")" 2>/dev/null || fail 'it does not start'
  is 'once started' 'active running' "$(state) $(unit SubState)"
  holds 'a poll' 'demo-den' "$(inside keymuster ctl poll 2>&1)"
  polled || fail 'not every account was polled'
  eventually 'it tells systemd of its keys' standing
  holds 'metrics' 'keymuster_account_up{account="demo-den",provider="den"} 1' "$(inside curl -sS http://127.0.0.1:10847/metrics)"
  is 'readiness' 200 "$(inside curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:10847/readyz)"
  [ "$(sql 'SELECT count(*) FROM keys')" -gt 100 ] || fail 'the inventory holds nearly nothing'
  is 'the state' "2750 keymuster:keymuster /var/lib/keymuster
640 keymuster:keymuster /var/lib/keymuster/inventory.db" "$(modes /var/lib/keymuster /var/lib/keymuster/inventory.db)"
  ! inside runuser -u nobody -- cat /var/lib/keymuster/inventory.db >/dev/null 2>&1 || fail 'everybody reads the inventory'
  holds 'what the group is told' demo-den "$(inside runuser -u reader -- keymuster ctl status 2>&1)"
  is 'what root checks by credentials lent from the service' 3 "$(inside keymuster check 2>&1 | grep -c ' accepts the credential')"
  eventually 'lines of an account in the journal' lines_of demo-openai
  ! lines_of demo-nobody || fail 'there are lines of an account that there is not'
  confined
}

lines_of() { inside journalctl --unit=keymuster --output=cat "KEYMUSTER_ACCOUNT=$1" | grep '^polled ' >/dev/null; }

standing() { case "$(unit StatusText)" in "3 accounts, "[1-9]*" keys, "*) ;; *) return 1 ;; esac; }

# The kernel's word for what the unit asks.
confined() {
  local pid
  pid=$(unit MainPID)
  is 'its confinement' 'CapEff: 0000000000000000
NoNewPrivs: 1
Seccomp: 2' "$(inside grep -E '^(CapEff|NoNewPrivs|Seccomp):' "/proc/$pid/status" | tr '\t' ' ')"
}

reloads() {
  local before
  before=$(unit MainPID)
  inside sed -i 's/^\(schedule *= *\)"@hourly"/\1"@daily"/' "$config"
  inside systemctl reload keymuster
  eventually 'the new schedule counts' daily
  inside sh -c "echo 'wrong = 1' >>$config"
  ! inside systemctl reload keymuster 2>/dev/null || fail 'a reload succeeds though the config is wrong'
  inside sed -i '$d' "$config"
  is 'after a refused reload' 'active 3' "$(state) $(inside keymuster ctl status | grep -c ' demo-')"
  inside systemctl reload keymuster || fail 'no reload succeeds after a refused one'
  is 'the process after reloads' "$before" "$(unit MainPID)"
}

daily() { inside curl -sS http://127.0.0.1:10847/metrics | grep >/dev/null '^keymuster_poll_interval_seconds{account="demo-den",provider="den"} 86400$'; }

# A process that stands still is killed and started again.
is_watched() {
  local before count
  inside mkdir -p /run/systemd/system/keymuster.service.d
  printf '[Service]\nWatchdogSec=10s\nRestartSec=100ms\n' | inside install -m 0644 /dev/stdin /run/systemd/system/keymuster.service.d/test.conf
  inside systemctl daemon-reload
  again restart
  before=$(unit MainPID) count=$(restarts)
  inside sh -c "kill -STOP $before"
  eventually 'a process that stands still is replaced' replaced "$before" "$count"
  eventually 'systemd says why' logged 'Watchdog timeout'
  inside rm -r /run/systemd/system/keymuster.service.d
  inside systemctl daemon-reload
}

replaced() { [ "$(unit MainPID)" != "$1" ] && [ "$(restarts)" -gt "$2" ] && [ "$(state)" = active ]; }

stops() {
  again restart
  inside systemctl stop keymuster
  is 'once stopped' 'inactive success 0' "$(state) $(unit Result) $(unit ExecMainStatus)"
  # No write-ahead log is left, so that readers can open it then too.
  is 'the state' 'inventory.db inventory.db.lock' "$(inside ls /var/lib/keymuster | xargs)"
  inside sh -c "echo 'wrong = 1' >>$config"
  ! again start 2>/dev/null || fail 'it starts with a wrong config'
  is 'with a wrong config' 'failed 78 0' "$(state) $(unit ExecMainStatus) $(restarts)"
  inside sed -i '$d' "$config"
}

# The commands of a block of the installed document, after that heading.
document() {
  inside sed -n "/^### $1\$/,\${/^\`\`\`sh\$/,/^\`\`\`\$/p; /^\`\`\`\$/q}" /usr/share/doc/keymuster/operate.md | grep -v '^```'
}

# Back up and restore, as the document says it.
restores() {
  local before commands
  again start
  polled || fail 'not every account was polled'
  commands=$(document 'Back up')
  inside sh -ec "$commands" >/dev/null || fail 'no backup can be made'
  before=$(sql "$kept")
  inside sqlite3 -cmd '.timeout 60000' /var/lib/keymuster/inventory.db 'DELETE FROM key'
  [ "$(sql "$kept")" != "$before" ] || fail 'nothing was lost that could be restored'
  commands=$(document Restore)
  holds 'the commands of a restore' 'systemctl stop keymuster' "$commands"
  inside sh -ec "$commands" >/dev/null || fail 'the backup cannot be restored'
  is 'once restored' 'active 640 keymuster:keymuster' "$(state) $(inside stat -c '%a %U:%G' /var/lib/keymuster/inventory.db)"
  is 'what was restored' "$before" "$(sql "$kept")"
  inside rm -r /backup
}

# The rows of the inventory in a file of the first schema.
first_schema() {
  local table columns
  { echo 'PRAGMA foreign_keys = OFF; PRAGMA application_id = 0x6b6d7374; PRAGMA user_version = 1;'; cat src/inventory/migrations/0001.sql; } |
    inside sqlite3 -bail "$1"
  for table in $(inside sqlite3 "$1" "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"); do
    columns=$(inside sqlite3 "$1" "SELECT group_concat('\"' || name || '\"') FROM pragma_table_info('$table')")
    echo "INSERT INTO main.\"$table\" ($columns) SELECT $columns FROM newest.\"$table\";"
  done >"$scratch/rows.sql"
  { echo "ATTACH '/var/lib/keymuster/inventory.db' AS newest; BEGIN;"; cat "$scratch/rows.sql"; echo 'COMMIT;'; } |
    inside sqlite3 -bail "$1"
}

upgrades() {
  local newest before rows told written
  newest=$(sql 'PRAGMA user_version')
  first_schema /root/old.db
  again start
  # What an older program leaves when it is stopped for the upgrade.
  inside mkdir -p /run/systemd/system/keymuster.service.d
  printf '[Service]\nExecStopPost=+/bin/cp /root/old.db /var/lib/keymuster/inventory.db\n' |
    inside install -m 0644 /dev/stdin /run/systemd/system/keymuster.service.d/test.conf
  inside systemctl daemon-reload
  before=$(unit MainPID) written=$(inside sha256sum "$config")
  rows=$(inside sqlite3 /root/old.db "$kept")
  is 'rows to be kept' 1 $((${#rows} > 10000))
  told=$(install "$second") || fail "the upgrade fails: $told"
  is 'the version' 9.0.0-1 "$(inside dpkg-query --show --showformat '${Version}' keymuster)"
  is 'who maintains the new one' 'Ana Lopez <ana@example.com>' "$(inside dpkg-query --show --showformat '${Maintainer}' keymuster)"
  holds 'who wrote its changelog' ' -- Ana Lopez <ana@example.com>  ' "$(inside zcat /usr/share/doc/keymuster/changelog.Debian.gz)"
  is 'after the upgrade' 'active enabled' "$(state) $(inside systemctl is-enabled keymuster)"
  [ "$(unit MainPID)" != "$before" ] || fail 'the old process still runs'
  is 'the schema' "$newest" "$(sql 'PRAGMA user_version')"
  is 'the rows' "$rows" "$(sql "$kept")"
  is 'the copy of before' "1 $rows" "1 $(inside sqlite3 -readonly /var/lib/keymuster/inventory.db.schema-1.bak "$kept")"
  is 'its schema' 1 "$(inside sqlite3 -readonly /var/lib/keymuster/inventory.db.schema-1.bak 'PRAGMA user_version')"
  is 'the config' "$written" "$(inside sha256sum "$config")"
  case "$told" in *'not started'*) fail "an upgrade says what an installation does: $told" ;; esac
  inside rm -r /run/systemd/system/keymuster.service.d
  inside systemctl daemon-reload
  inside systemctl stop keymuster
  install "$second" >/dev/null
  is 'what was stopped, after an upgrade' inactive "$(state)"
  again start
}

# What no upgrade may touch.
kept="SELECT 'key', id, remote_id, presence, first_seen_at FROM key WHERE first_seen_at < 0 OR id > 0
  UNION ALL SELECT 'change', id, key_id, change, at FROM change ORDER BY 1, 2"

# Files of its name anywhere but in logs, caches and what the test itself made.
left() {
  inside find / -xdev \( -path /proc -o -path /sys -o -path /var/log -o -path /var/cache -o -path /root \) -prune -o \
    -name '*keymuster*' -print | sort
}

goes() {
  local told files
  files=$(inside dpkg-query --listfiles keymuster)
  inside apt-get remove --yes keymuster >/dev/null 2>&1 || fail 'it cannot be removed'
  is 'once removed' inactive "$(state)"
  for file in $files; do
    inside test ! -f "$file" -o -L "$file" || fail "a file of the package is left: $file"
  done
  inside test -s "$config" -a -s /etc/keymuster/credentials.d/openai -a -s /var/lib/keymuster/inventory.db ||
    fail 'a removal took config, credentials or inventory'
  told=$(inside dpkg --purge keymuster 2>&1) || fail "it cannot be purged: $told"
  holds 'what a purge says' 'the inventory stays in /var/lib/keymuster' "$told"
  is 'what a purge leaves' /var/lib/keymuster "$(left)"
  inside test -s /var/lib/keymuster/inventory.db || fail 'a purge took the inventory'
  inside sh -c "rm -r /var/lib/keymuster && userdel --force keymuster" 2>/dev/null
  # Who never had an inventory is not told of one.
  install "$first" >/dev/null
  told=$(inside dpkg --purge keymuster 2>&1)
  case "$told" in *'inventory stays'*) fail "a purge tells of no inventory: $told" ;; esac
  is 'what a purge leaves of what never ran' '' "$(left)"
}
