#!/usr/bin/env python3
"""Adapters that aha trained, loaded by PEFT: the same log-probabilities, and the same model when merged.

    python tools/check_lora.py --aha build/release/aha --base FOLDER --adapter RUN/final/adapter

FOLDER is a Hugging Face folder (a GGUF: `aha models import` it as f32 first, and train over that). Exits
with an error when a log-probability differs by more than 1e-3, or a merged weight by more than 1e-6.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import peft
import torch
import transformers
from safetensors.torch import load_file

TEXTS = ["The sun rises in the east and sets in the", "What is 12 + 30? The answer is 42.",
         "def add(a, b):\n    return a + b\n"]


def scores(aha, model, texts):
    lines = "".join(json.dumps({"text": t}) + "\n" for t in texts)
    out = subprocess.run([aha, "score", "-m", str(model), "--jsonl"], input=lines, text=True,
                         capture_output=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def farthest(model, scored):
    most = 0.0
    for one in scored:
        with torch.no_grad():
            logits = model(torch.tensor([one["ids"]])).logits[0].float()
        want = torch.log_softmax(logits, -1)[:-1].gather(1, torch.tensor(one["ids"][1:])[:, None])[:, 0]
        got = torch.tensor(one["logprobs"][1:], dtype=torch.float32)
        most = max(most, (want - got).abs().max().item())
    return most


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aha", default="build/release/aha")
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--text", action="append", help="instead of the three texts here")
    args = parser.parse_args()
    texts = args.text or TEXTS
    base = transformers.AutoModelForCausalLM.from_pretrained(
        args.base, dtype=torch.float32, attn_implementation="eager").eval()
    plain = scores(args.aha, args.base, texts)
    print(f"base: log-probabilities differ by at most {farthest(base, plain):.2g}")
    model = peft.PeftModel.from_pretrained(base, args.adapter).eval()
    adapted = scores(args.aha, args.adapter, texts)
    off = farthest(model, adapted)
    moved = max(abs(a - b) for p, q in zip(plain, adapted) for a, b in zip(p["logprobs"][1:], q["logprobs"][1:]))
    print(f"adapter: differ by at most {off:.2g}; the adapter itself moves them by up to {moved:.2g}")
    assert off < 1e-3 and moved > 10 * off
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "merged"
        subprocess.run([args.aha, "models", "merge", str(args.adapter), "--base", str(args.base),
                        "--type", "f32", "--out", str(out)], check=True, capture_output=True)
        merged = model.merge_and_unload()
        ours = load_file(out / "model.safetensors")
        theirs = merged.state_dict()
        worst = max((ours[name] - theirs[name]).abs().max().item() for name in ours)
        print(f"merged: {len(ours)} tensors, weights differ by at most {worst:.2g}")
        assert worst < 1e-6
        loaded = transformers.AutoModelForCausalLM.from_pretrained(
            out, dtype=torch.float32, attn_implementation="eager").eval()
        off = farthest(loaded, scores(args.aha, out, texts))
        print(f"merged folder in transformers: differ by at most {off:.2g}")
        assert off < 1e-3


if __name__ == "__main__":
    main()
