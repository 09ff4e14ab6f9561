#!/usr/bin/env python3
# kube.py PORTFILE - an API server that knows pods of one node and NetworkPolicies, and keeps Kubernetes' rules of list and watch
# (kubernetes.io/docs/reference/using-api/api-concepts): every change has a version, a watch begins behind the version it names,
# a path, parameter or version that it does not know is the client's fault (400, and a line on stderr). Commands on stdin:
#	pod UID NAME NAMESPACE [LABEL=VALUE]...	there is such a pod, or it has these labels now
#	policy NAME				there is such a NetworkPolicy, or it is another one now
#	drop NAME				it is deleted
#	forbid					NetworkPolicies may not be read any more (403)
import http.server, json, sys, threading, urllib.parse

class Kind:
    def __init__(self, kind):
        self.kind, self.objects, self.changes, self.forbidden = kind, {}, [], False

lock = threading.Condition()
version = 1000
kinds = {"/api/v1/pods": Kind("Pod"), "/apis/networking.k8s.io/v1/networkpolicies": Kind("NetworkPolicy")}
pods, policies = kinds.values()

def change(kind, key, thing):
    global version
    with lock:
        version += 1
        old = kind.objects.get(key)
        if thing is None:
            kind.objects.pop(key, None)
        else:
            kind.objects[key] = thing
        shown = dict(thing or old)
        shown["metadata"] = dict(shown["metadata"], resourceVersion=str(version))
        kind.changes.append((version, "DELETED" if thing is None else "MODIFIED" if old else "ADDED", shown))
        lock.notify_all()

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def refuse(self, status, why):
        if status == 400:
            print("fault:", why, self.path, file=sys.stderr, flush=True)
        body = json.dumps({"kind": "Status", "status": "Failure", "code": status, "message": why}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        asked = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        kind = kinds.get(url.path)
        if not kind:
            return self.refuse(404, "no such resource")
        if kind is policies and "fieldSelector" in asked:
            return self.refuse(400, "field label not supported")
        if set(asked) - {"fieldSelector", "watch", "allowWatchBookmarks", "timeoutSeconds", "resourceVersion"}:
            return self.refuse(400, "unknown parameter")
        if kind.forbidden:
            return self.refuse(403, "forbidden")
        if "watch" not in asked:
            with lock:
                body = json.dumps({"kind": kind.kind + "List", "metadata": {"resourceVersion": str(version)},
                                   "items": list(kind.objects.values())}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        if not asked.get("resourceVersion", "").isdigit() or not 1000 <= int(asked["resourceVersion"]) <= version:
            return self.refuse(400, "a version that was never given")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        at = int(asked["resourceVersion"])
        while True:
            with lock:
                while not kind.forbidden and not any(v > at for v, _, _ in kind.changes):
                    lock.wait()
                if kind.forbidden:
                    break
                due = [c for c in kind.changes if c[0] > at]
            for v, what, thing in due:
                line = json.dumps({"type": what, "object": thing}).encode() + b"\n"
                self.wfile.write(b"%x\r\n" % len(line) + line + b"\r\n")
                at = v
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
with open(sys.argv[1] + ".new", "w") as out:
    print(server.server_address[1], file=out)
import os
os.rename(sys.argv[1] + ".new", sys.argv[1])
for line in sys.stdin:
    word = line.split()
    if word[0] == "pod":
        change(pods, word[1], {"kind": "Pod", "metadata": {"uid": word[1], "name": word[2], "namespace": word[3], "labels": dict(w.split("=", 1) for w in word[4:])},
                               "spec": {"nodeName": "n"}, "status": {"phase": "Running"}})
    elif word[0] == "policy":
        change(policies, word[1], {"kind": "NetworkPolicy", "metadata": {"uid": word[1], "name": word[1], "namespace": "shop"},
                                   "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}})
    elif word[0] == "drop":
        change(policies, word[1], None)
    elif word[0] == "forbid":
        with lock:
            policies.forbidden = True
            lock.notify_all()
