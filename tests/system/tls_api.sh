#!/bin/sh
# TLS for addresses that other machines reach: in a network namespace whose loopback has such an address.
[ -n "$IN_NAMESPACE" ] || IN_NAMESPACE=1 exec unshare -n sh "$0" "$@"
. "$(dirname "$0")/lib.sh"
ip link set lo up
ip addr add 10.99.0.1/32 dev lo
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=10.99.0.1 -addext subjectAltName=IP:10.99.0.1 -keyout "$WORK/key" -out "$WORK/certificate" 2>/dev/null
openssl genrsa -out "$WORK/other" 2048 2>/dev/null
printf 'a-token-of-more-than-sixteen-bytes' >"$WORK/token"
chmod 600 "$WORK/key" "$WORK/token"
token="Authorization: Bearer $(cat "$WORK/token")"
at=10.99.0.1:8443
ask() { curl -s -m 20 --cacert "$WORK/certificate" "$@"; }

refused() { # KEY OF THE CERTIFICATE, PATTERN
	timeout 120 "$SONDE" run --set "listen=[unix:$WORK/x, $at]" --set "token_file=$WORK/token" --set store.on=false --set "tls.certificate=$WORK/certificate" $1 2>"$WORK/err"
	status=$?
	[ $status = 1 ] || [ $status = 2 ] && grep -q "$2" "$WORK/err"
}
check "a certificate alone is refused" refused "" 'tls.certificate and tls.key belong together'
check "a key that is missing is refused" refused "--set tls.key=$WORK/nothing" "cannot read tls.key '$WORK/nothing'"
check "the key of another certificate is refused" refused "--set tls.key=$WORK/other" 'tls.key holds no key of that certificate'

start_agent --set "listen=[unix:$SONDE_SOCKET, $at, 127.0.0.1:8470]" --set "token_file=$WORK/token" --set "tls.certificate=$WORK/certificate" --set "tls.key=$WORK/key"
check "the address is said as https" grep -q "https://$at/" "$WORK/agent.log"
equal "with the token everything is answered" 200 "$(ask -o "$WORK/out" -w '%{http_code}' -H "$token" "https://$at/v1/status")"
check "and whole" jq -e .ready "$WORK/out"
equal "without it nothing" 401 "$(ask -o /dev/null -w '%{http_code}' "https://$at/v1/status")"
equal "but the page's own files" 200 "$(ask -o /dev/null -w '%{http_code}' "https://$at/")"
equal "metrics come to their end" "# EOF" "$(ask -H "$token" "https://$at/metrics?format=openmetrics" | tail -n 1)"
equal "two requests go through one connection" 1 "$(ask -H "$token" -w '%{num_connects}\n' -o /dev/null -o /dev/null "https://$at/healthz" "https://$at/healthz" | awk '{ n += $1 } END { print n }')"
check "a change is made" sh -c "curl -sf -m 20 --cacert '$WORK/certificate' -H '$token' -X PATCH -d '{\"on\":true}' https://$at/v1/items/signals | jq -e .on"
equal "plain text is not answered there" 000 "$(curl -s -m 5 -o /dev/null -w '%{http_code}' -H "$token" "http://$at/healthz")"
equal "loopback speaks plainly as before" 200 "$(curl -s -m 20 -o /dev/null -w '%{http_code}' http://127.0.0.1:8470/healthz)"
check "TLS 1.1 is refused" sh -c "! echo | openssl s_client -connect $at -tls1_1 -cipher 'DEFAULT:@SECLEVEL=0' 2>&1 | grep -q 'Cipher is [A-Z]*-'"
check "TLS 1.2 and 1.3 are spoken" sh -c "for v in 2 3; do echo | openssl s_client -connect $at -tls1_\$v 2>&1 | grep -q 'Cipher    : [A-Z]\|Cipher is [A-Z]' || exit 1; done"
ask -N -m 6 -H "$token" "https://$at/v1/stream?item=exec" >"$WORK/stream" & stream=$!
sees_it() { /bin/true; grep -q '"process":"true"' "$WORK/stream"; }
check "live records come" wait_for 30 sees_it
kill $stream 2>/dev/null
# those who connect and never shake hands, or send rubbish, keep nobody out
python3 - "$at" <<'END' & crowd=$!
import socket, sys, time
host, port = sys.argv[1].split(":")
crowd = []
for n in range(600):
    s = socket.create_connection((host, int(port)), 10)
    if n % 3 == 1: s.send(b"GET / HTTP/1.1\r\n\r\n")
    if n % 3 == 2: s.send(b"\x16\x03\x01\x02\x00\x01")
    crowd.append(s)
time.sleep(60)
END
crowded() { [ "$(ask -H "$token" "https://$at/metrics" | awk '/^sonde_api_accepted_total/ { print ($2 > 500) }')" = 1 ]; }
check "600 who never shake hands keep no scrape out" wait_for 30 crowded
kill $crowd 2>/dev/null
