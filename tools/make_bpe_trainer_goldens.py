#!/usr/bin/env python3
"""Writes src/tokenizer/testdata/bpe_trainer.json: vocabularies that Hugging Face's BpeTrainer learns
from small texts, and the ids that the trained tokenizers give.

Added tokens are cut out of the texts by a Split that removes them, as our trainer does.
Needs: pip install tokenizers. Usage: tools/make_bpe_trainer_goldens.py
"""
import json
import pathlib
import re

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

OUT = pathlib.Path(__file__).parent.parent / "src/tokenizer/testdata/bpe_trainer.json"

PATTERNS = {
    "gpt2": r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""",
    "llama3": r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
    "qwen2": r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
}

PROSE = [
    "The wheel turns, and the wheel turns again; whatever turns will return. It's what we've said: they'll see.",
    "Question: 12 + 345 = ? <think>12 + 345: 2 + 5 = 7, 1 + 4 = 5, 3. So 357.</think><answer>357</answer><eos>",
    "Question: 100 - 99 = ? <think>one hundred less ninety-nine</think><answer>1</answer><eos>",
    "Übermäßig süße Äpfel fallen nicht weit vom Stamm; größere Äpfel fallen größere Weiten.",
    "今日は天気がいいから散歩しましょう。今日は雨です。 Всем привет, привет! 👍🏽👍🏽 👨‍👩‍👧",
    "def f(x):\n\treturn x ** 2  # squared\n\n\nfor i in range(10):\n    print(f(i), end='\\n')\r\n",
    "   spaces    and\ttabs\t\t\n \n  ends   ",
]


def chance(count):
    """Words of a few letters, many equally frequent: ties."""
    state, words = 1, []
    for _ in range(count):
        word = ""
        for _ in range(2 + state % 9):
            state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
            word += "abc"[(state >> 33) % 3]
        words.append(word)
    return " ".join(words)


def runs():
    return " ".join("a" * n + "b" * (n % 5) for n in range(1, 24))


CASES = [
    {"texts": PROSE, "pattern": "qwen2", "vocab_size": 420, "min_frequency": 2, "added": ["<pad>", "<eos>", "<think>", "</think>"]},
    {"texts": PROSE, "pattern": "gpt2", "vocab_size": 360, "min_frequency": 1, "added": []},
    {"texts": PROSE, "pattern": "llama3", "vocab_size": 257, "min_frequency": 1, "added": ["<eos>"]},
    {"texts": [chance(60)], "pattern": "qwen2", "vocab_size": 2000, "min_frequency": 0, "added": []},
    {"texts": [runs(), runs()], "pattern": "gpt2", "vocab_size": 330, "min_frequency": 0, "added": ["<eos>"]},
]
PROBES = ["The wheel returns again, they've said.", "12 + 345 = 357", "größere Äpfel 👍🏽 今日は", "abcabcaabbcc aaaaaaaabb", "\t\n x ** 2", "zebra Quixote"]


def main():
    out = {"made_by": f"tools/make_bpe_trainer_goldens.py, tokenizers {tokenizers.__version__}", "probes": PROBES, "cases": []}
    for case in CASES:
        t = Tokenizer(models.BPE())
        cut = "|".join(re.escape(a) for a in case["added"])
        steps = [pre_tokenizers.Split(Regex(cut), "removed")] if cut else []
        steps += [pre_tokenizers.Split(Regex(PATTERNS[case["pattern"]]), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        t.pre_tokenizer = pre_tokenizers.Sequence(steps)
        t.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=case["vocab_size"],
            min_frequency=case["min_frequency"],
            special_tokens=[AddedToken(a, normalized=False) for a in case["added"]],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        t.train_from_iterator(case["texts"], trainer)
        model = json.loads(t.to_str())["model"]
        learned = sorted(model["vocab"], key=model["vocab"].get)
        out["cases"].append(case | {
            "pattern": PATTERNS[case["pattern"]],
            "learned": learned[len(case["added"]) + 256:],
            "merges": [" ".join(m) for m in model["merges"]],
            "ids": [t.encode(p).ids for p in PROBES],
        })
    OUT.write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
