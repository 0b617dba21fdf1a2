#!/usr/bin/env python3
"""Many streams at once against any OpenAI-compatible server: throughput against one stream, and time to the first token.

    python tools/load_test.py http://127.0.0.1:8080 --model MODEL --streams 1,8,32 --tokens 128

Each stream asks its own question and reads its answer token by token. Only the standard library is needed.
"""

import argparse
import http.client
import json
import statistics
import threading
import time
from urllib.parse import urlparse

SUBJECTS = ["rivers", "mountains", "bread", "clocks", "trains", "islands", "bees", "paper", "glass", "winter", "music", "ships",
            "salt", "birds", "bridges", "stars"]


def stream(url, model, question, index, tokens, out):
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=600)
    body = {"model": model, "stream": True, "max_tokens": tokens, "temperature": 0.8, "seed": index,
            "messages": [{"role": "user", "content": question.format(index=index, subject=SUBJECTS[index % 16])}]}
    begin = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    if response.status != 200:
        raise SystemExit(f"{response.status}: {response.read()[:300]}")
    times = []
    for line in response:
        if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
            continue
        choices = json.loads(line[6:]).get("choices") or [{}]
        delta = choices[0].get("delta") or {}
        if delta.get("content") or delta.get("reasoning_content"):
            times.append(time.perf_counter())
    out[index] = (begin, times)


def measure(url, model, question, streams, tokens):
    out = {}
    threads = [threading.Thread(target=stream, args=(url, model, question, i, tokens, out)) for i in range(streams)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begin
    first = sorted(times[0] - start for start, times in out.values() if times)
    pieces = sum(len(times) for _, times in out.values())
    return pieces / seconds, first


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--model", default="")
    parser.add_argument("--question", default="Tell me a long story about {subject}, number {index}.")
    parser.add_argument("--streams", default="1,32")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    url = urlparse(options.url)
    measure(url, options.model, options.question, 1, 8)  # warm
    counts = [int(word) for word in options.streams.split(",")]
    runs = {streams: [] for streams in counts}
    for _ in range(options.repeats):  # in turns: a machine's mood is everybody's
        for streams in counts:
            runs[streams].append(measure(url, options.model, options.question, streams, options.tokens))
    alone = statistics.median(speed for speed, _ in runs[counts[0]])
    for streams in counts:
        speed = statistics.median(speed for speed, _ in runs[streams])
        first = sorted(t for _, firsts in runs[streams] for t in firsts)
        print(f"{streams:4} streams: {speed:8.1f} tokens/s ({speed / alone:.2f}x), first token p50 {first[len(first) // 2] * 1e3:.0f} ms, "
              f"p99 {first[min(len(first) - 1, int(len(first) * 0.99))] * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
