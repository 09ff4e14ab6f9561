#!/bin/sh
# Alerts: rules files, right and wrong; what is found is told to a webhook and to Debian's Alertmanager, is on the API, in the CLI, on the
# stream and in the history; a restart (kill -9) neither forgets nor tells it twice. The same rules are right for Prometheus.
. "$(dirname "$0")/lib.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)

check "promtool takes the rules that come with the agent" promtool check rules "$top/deploy/prometheus/sonde.rules.yml"
check "so does the agent" "$SONDE" alerts check "$top/deploy/prometheus/sonde.rules.yml"

mkdir "$WORK/rules.d"
cat >"$WORK/rules.d/right.yml" <<'END'
groups:
  - name: test
    interval: 1s
    rules:
      - record: test:marker:count
        expr: count(sonde_files_limit{process="marker"})
      - alert: MarkerRuns
        expr: test:marker:count > 0
        labels: {severity: critical, team: "{{ $value }}s"}
        annotations:
          summary: '{{ $value | humanize }} marker runs'
          action: end it
      - alert: MarkerStays
        expr: count(sonde_files_limit{process="marker"}) > 0
        for: 2s
END
cat >"$WORK/rules.d/wrong.yaml" <<'END'
groups:
  - name: wrong
    rules:
      - alert: Typo
        expr: rat(up[5m])
      - alert: Good
        expr: vector(0) > 1
      - alert: Misspelt
        exprr: up
END
"$SONDE" alerts check "$WORK/rules.d" >"$WORK/out" 2>"$WORK/err"
equal "wrong rules end with 1" 1 $?
check "with file, line, and what was meant" grep -q "wrong.yaml:9: a rule has no 'exprr'; did you mean 'expr'?" "$WORK/err"
check "and the place in the expression" grep -q "wrong.yaml:5: 'expr': 1:1: parse error" "$WORK/err"
check "the others are counted" grep -q "4 rules in 2 groups" "$WORK/out"

# a webhook that writes down what it gets
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$WORK/hook.py" <<'END'
import http.server, sys
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(sys.argv[2], "ab") as file:
            file.write(body + b"\n")
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Hook).serve_forever()
END
: >"$WORK/hook.log"
manager=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'route: {receiver: none}\nreceivers: [{name: none}]\n' >"$WORK/alertmanager.yml"
prometheus-alertmanager --config.file="$WORK/alertmanager.yml" --storage.path="$WORK/manager" --web.listen-address="127.0.0.1:$manager" \
	--cluster.listen-address= >"$WORK/manager.log" 2>&1 &
at_end "kill $!"
set_up() {
	start_agent --set store.interval=1s --set "alerts.rules=[$WORK/rules.d]" --set "alerts.webhook=['http://127.0.0.1:$port/hook']" \
		--set "alerts.alertmanager=['http://127.0.0.1:$manager']" --set items.requests.on=false
}
set_up
check "what is wrong is said" grep -q "wrong.yaml:5: 'expr'" "$WORK/agent.log"
rules() { get /api/v1/rules | jq -e "$1"; }
asked() { rules '[.data.groups[] | select(.name == "test") | .rules[].health] == ["ok", "ok", "ok"]'; }
check "rules are asked" wait_for 30 asked
check "the wrong ones are left out, the others stay" rules '[.data.groups[] | select(.name == "wrong") | .rules[].name] == ["Good"]'
check "rules that come with the agent are there" rules '[.data.groups[] | select(.file == "(built in)") | .rules[]] | length > 25'
check "type=record" sh -c "curl -s --unix-socket $SONDE_SOCKET 'http://localhost/api/v1/rules?type=record' | jq -e '[.data.groups[].rules[].type] | unique == [\"recording\"]'"

# something is wrong; the webhook is not there yet
curl -sN --unix-socket "$SONDE_SOCKET" "http://localhost/v1/stream?item=alerts" >"$WORK/stream" 2>/dev/null &
at_end "kill $!"
cp "$(command -v sleep)" "$WORK/marker"
"$WORK/marker" 1000 &
marker=$!
at_end "kill $marker"
firing() { get /api/v1/alerts | jq -e "[.data.alerts[] | select(.labels.alertname == \"$1\" and .state == \"firing\")] | length == 1"; }
check "it is found" wait_for 30 firing MarkerRuns
check "and what lasts" wait_for 30 firing MarkerStays
equal "labels and texts are what templates say" '1s 1 marker runs' \
	"$(get /api/v1/alerts | jq -r '.data.alerts[] | select(.labels.alertname == "MarkerRuns") | .labels.team + " " + .annotations.summary')"
check "the command says it, and what to do" sh -c "$SONDE alerts | grep -A2 'MarkerRuns' | grep -q 'do: end it'"
check "as JSON too" sh -c "$SONDE alerts --json | jq -se 'any(.labels.alertname == \"MarkerRuns\")'"
check "the stream has it" wait_for 20 grep -q '"alert":"MarkerStays","state":"firing"' "$WORK/stream"
check "Alertmanager has it" wait_for 30 sh -c "curl -s 127.0.0.1:$manager/api/v2/alerts | jq -e '[.[].labels.alertname] | contains([\"MarkerRuns\", \"MarkerStays\"])'"
check "the webhook could not be told" wait_for 20 sh -c "curl -s --unix-socket $SONDE_SOCKET http://localhost/v1/status | jq -e '.alerts.receivers[] | select(.kind == \"webhook\") | .queued > 0 and .failures > 0 and .trouble'"
python3 "$WORK/hook.py" "$port" "$WORK/hook.log" &
at_end "kill $!"
check "it is told when it is there" wait_for 60 grep -q '"alertname":"MarkerStays"' "$WORK/hook.log"
flows() { get /v1/status | jq -e '.alerts.receivers | length == 2 and all(.offered == .accepted + .refused and .accepted == .delivered + .queued + .expired)'; }
check "numbers add up" flows
check "ALERTS is a series" wait_for 20 sh -c "$SONDE query 'ALERTS{alertname=\"MarkerStays\",alertstate=\"firing\"}' --json | jq -e '.value[1] == \"1\"'"

# a restart
kill -9 "$agent_pid"; wait "$agent_pid" 2>/dev/null; agent_pid=
since=$(jq -r '.alerts[] | select(.labels.alertname == "MarkerStays") | .startsAt' "$WORK/hook.log" | head -n 1)
told() { grep -c '"alertname":"MarkerStays"' "$WORK/hook.log"; }
before=$(told)
restarted=$(($(date +%s) + 1))
set_up
check "after kill -9 it still fires" wait_for 30 firing MarkerStays
equal "since the same moment" "${since%.*}" "$(get '/v1/records/alerts?source=recent' | jq -r '[.records[] | select(.alert == "MarkerStays" and .state == "firing") | .time][0]' | cut -c1-19)"
equal "and nobody is told twice" "$before" "$(told)"

# what an agent that was killed saw last holds for five minutes, as in Prometheus: the new one must have seen it
seen_again() { "$SONDE" query "timestamp(sonde_files_limit{process=\"marker\"}) > $restarted" --json | jq -se "length > 0"; }
check "the new agent sees it too" wait_for 30 seen_again
kill "$marker"
over() { ! firing "$1"; }
check "it is over" wait_for 30 over MarkerStays
check "the webhook hears of it" wait_for 30 sh -c "jq -e '.alerts[] | select(.labels.alertname == \"MarkerStays\" and .status == \"resolved\")' $WORK/hook.log"
check "Alertmanager too" wait_for 30 sh -c "curl -s 127.0.0.1:$manager/api/v2/alerts?active=true | jq -e '[.[].labels.alertname] | contains([\"MarkerStays\"]) | not'"
check "the history knows all changes" wait_for 20 sh -c "$SONDE query alerts 'alert = MarkerStays' --order asc --json | jq -se 'map(.state) == [\"pending\", \"firing\", \"resolved\"]'"

# rules that are changed take effect at a reload
sed -i 's/MarkerStays/MarkerLingers/' "$WORK/rules.d/right.yml"
kill -HUP "$(pgrep -P "$agent_pid")" 2>/dev/null || kill -HUP "$agent_pid"
check "new rules are read" wait_for 30 rules '[.data.groups[].rules[].name] | contains(["MarkerLingers"])'
