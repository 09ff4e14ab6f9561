#!/bin/sh
# The Debian package is built, installs cleanly, runs, and goes without a trace.
. "$(dirname "$0")/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
was_there=$(dpkg-query -W -f '${Status}' sonde 2>/dev/null || true)
case $was_there in *"ok installed"*) echo "ok package: skipped, sonde is installed here"; exit 0 ;; esac

"$top/deploy/debian/build.sh" "$WORK" >"$WORK/build.log" 2>&1 || { cat "$WORK/build.log"; not_ok "the package builds"; exit 1; }
ok "the package builds"
check "it installs" dpkg -i "$WORK"/sonde_*.deb
check "its program runs" test "$(/usr/sbin/sonde version)" = "$("$SONDE" version)"
check "its configuration is right" /usr/sbin/sonde config check /etc/sonde/sonde.yaml
check "its unit is right" sh -c "command -v systemd-analyze >/dev/null || exit 0; systemd-analyze verify /lib/systemd/system/sonde.service 2>&1 | grep -v 'is not executable' | grep -i sonde && exit 1 || exit 0"
SONDE=/usr/sbin/sonde
start_agent -c /etc/sonde/sonde.yaml
equal "its worker runs as the package's user" "$(awk -F: '$1 == "sonde" { print $3 }' /etc/passwd)" "$(awk '/^Uid/{print $2}' "/proc/$("$SONDE" status --json | jq .worker.pid)/status")"
stop_agent
# the address of the page with its token, as at a first start: it goes with the package
"$SONDE" run --set "listen=[unix:$SONDE_SOCKET, 127.0.0.1:18478]" --set "store.path=$WORK/store" 2>"$WORK/agent.log" & agent_pid=$!
wait_for 60 is_ready
check "the token is made where the configuration is" test -s /etc/sonde/token
stop_agent
check "it can be purged" dpkg --purge sonde
check "nothing of it is left" sh -c '! test -e /usr/sbin/sonde && ! test -e /etc/sonde && ! grep -q ^sonde: /etc/passwd'
