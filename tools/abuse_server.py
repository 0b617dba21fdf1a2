#!/usr/bin/env python3
"""Bytes that are no requests, for minutes, at a server that answers others meanwhile.

    python tools/abuse_server.py --aha build/asan/aha --seconds 300

Starts the program (best: the asan build) and, from several threads, sends what parsers fear: broken and mutated
requests, endless chunks, giant headers, smuggled lengths, slow senders, readers that leave in mid-stream, JSON bombs.
Two clients ask properly all the while: each of their answers must be whole. Ends with an error when the program
died, an answer failed, /health took longer than two seconds, or the program said something of a sanitizer.
"""

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = b"Host: localhost\r\n"
JSON_TYPE = b"Content-Type: application/json\r\n"


def chat(**more):
    return json.dumps({"messages": [{"role": "user", "content": "Use 9, 7 and 8 to make 10"}], **more}).encode()


def post(path, body, extra=b""):
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST + JSON_TYPE + extra + b"Content-Length: %d\r\n\r\n" % len(body) + body


def seeds():
    yield b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
    yield post(b"/v1/chat/completions", chat(stream=True, max_tokens=400))
    yield post(b"/v1/chat/completions", chat(n=3, logprobs=True, top_logprobs=5, max_tokens=30))
    yield post(b"/v1/completions", json.dumps({"prompt": [[1, 2], [3]], "echo": True, "logprobs": 1, "max_tokens": 2}).encode())
    yield post(b"/v1/messages", json.dumps({"max_tokens": 20, "messages": [{"role": "user", "content": "x"}], "stream": True}).encode())
    yield post(b"/v1/responses", json.dumps({"input": "x", "stream": True, "max_output_tokens": 20}).encode())
    yield post(b"/api/conversations", b"{}")
    yield b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + JSON_TYPE + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n"
    yield b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n"
    yield post(b"/v1/chat/completions", b"[" * 5000)
    yield post(b"/v1/chat/completions", chat(response_format={"type": "json_schema", "json_schema": {"schema": {"$ref": "#"}}}))
    yield b"GET /" + b"a" * 70000
    yield b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 500


def mutate(draw, data):
    data = bytearray(data)
    for _ in range(draw.randint(0, 8)):
        kind, at = draw.randint(0, 5), draw.randrange(len(data) + 1)
        if kind == 0 and at < len(data):
            data[at] = draw.randrange(256)
        elif kind == 1:
            data[at:at] = bytes(draw.randrange(256) for _ in range(draw.randint(1, 20)))
        elif kind == 2:
            del data[at:at + draw.randint(1, 40)]
        elif kind == 3:
            data[at:at] = draw.choice([b"\r\n", b"\0", b"\r\n\r\n", b"Content-Length: 7\r\n", b"%00", b"18446744073709551616", b"\xff\xfe", b'"'])
        elif kind == 4:
            data[at:at] = data[:draw.randrange(len(data) + 1)]
        else:
            data = data[:at]
            if not data:
                data = bytearray(b"\r\n")
    return bytes(data[:1 << 20])


def attack(port, draw, until, counts):
    all_seeds = list(seeds())
    while time.time() < until:
        counts["sent"] += 1
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                data = mutate(draw, draw.choice(all_seeds))
                how = draw.randint(0, 9)
                if how == 0:  # slowly, and never whole
                    for byte in data[:draw.randint(1, 40)]:
                        connection.sendall(bytes([byte]))
                        time.sleep(0.01)
                elif how == 1:  # chunks without an end
                    connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + JSON_TYPE + b"Transfer-Encoding: chunked\r\n\r\n")
                    for _ in range(draw.randint(1, 60)):
                        connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                else:
                    at = draw.randrange(len(data) + 1)
                    connection.sendall(data[:at])
                    connection.sendall(data[at:])
                if how < 5:
                    continue  # gone at once
                connection.settimeout(draw.choice([0.01, 0.1, 0.5]))
                connection.recv(draw.choice([1, 4096]))
        except OSError:
            pass


def ask(url, until, counts, failures):
    body = chat(temperature=0)
    first = None
    while time.time() < until:
        try:
            begin = time.time()
            with urllib.request.urlopen(url + "/health", timeout=30) as answer:
                answer.read()
            counts["slowest_health"] = max(counts["slowest_health"], time.time() - begin)
            request = urllib.request.Request(url + "/v1/chat/completions", body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                content = json.load(answer)["choices"][0]["message"]["content"]
            first = first or content
            if content != first:
                failures.append(f"another answer: {content!r}, not {first!r}")
            counts["answers"] += 1
        except Exception as error:  # whatever it is, it is a failure
            if time.time() < until:
                failures.append(repr(error))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aha", default="build/asan/aha")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        errors = open(Path(folder) / "errors", "w+")
        server = subprocess.Popen([options.aha, "serve", "--port", "0", "--data", folder + "/data", "--runs", folder + "/runs"],
                                  stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, "AHA_MODELS": str(ROOT / "models")})
        url = server.stdout.readline().strip()
        port = int(url.rsplit(":", 1)[1])
        until = time.time() + options.seconds
        counts, failures = {"sent": 0, "answers": 0, "slowest_health": 0.0}, []
        threads = [threading.Thread(target=attack, args=(port, random.Random(f"{options.seed}-{i}"), until, counts)) for i in range(6)]
        threads += [threading.Thread(target=ask, args=(url, until, counts, failures)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        alive = server.poll() is None
        peak = "?"
        if alive:
            peak = next(line.split()[1] for line in open(f"/proc/{server.pid}/status") if line.startswith("VmHWM"))
        server.terminate()
        code = server.wait(60)
        errors.seek(0)
        said = errors.read()
    print(f"{counts['sent']} attacks, {counts['answers']} answers beside them, slowest /health {counts['slowest_health'] * 1e3:.0f} ms, "
          f"peak memory {int(peak) // 1024 if peak.isdigit() else peak} MB, exit code {code}")
    for failure in failures[:5]:
        print("failed:", failure)
    if "ERROR: " in said or "runtime error" in said:
        print(said[-4000:])
    bad = not alive or code != 0 or failures or "Sanitizer" in said or "runtime error" in said or counts["slowest_health"] > 2
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
