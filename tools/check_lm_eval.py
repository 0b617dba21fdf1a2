#!/usr/bin/env python3
"""The same scores by lm-evaluation-harness, whether transformers computes them or `aha serve`.

    python tools/check_lm_eval.py --aha build/release/aha --model FOLDER

FOLDER is a Hugging Face folder (a GGUF: `aha models import --type f32` it first). The harness's `hf` backend and its
`local-completions` backend run the same tasks, made here: multiple choice (acc, acc_norm) over arithmetic and words,
the next word of a text (acc: each of its tokens is the likeliest; perplexity), and the perplexity of a text. Exits with an error when a score differs in its first four digits.
Needs: lm-eval[api], torch, transformers, datasets.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

CHOICE = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{label}}}}"
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: acc_norm, aggregation: mean, higher_is_better: true}}
"""
TEXT = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{{{text}}}}"
metric_list:
  - metric: word_perplexity
  - metric: byte_perplexity
"""
NEXT = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {file}}}}}
test_split: test
output_type: loglikelihood
doc_to_text: "{{{{text}}}}"
doc_to_target: "{{{{word}}}}"
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: perplexity, aggregation: perplexity, higher_is_better: false}}
"""
PAIRS = {"hot": "cold", "big": "small", "up": "down", "day": "night", "left": "right", "old": "young", "wet": "dry",
         "fast": "slow", "light": "dark", "happy": "sad", "open": "closed", "first": "last"}
SENTENCES = ["The sun rises in the east and sets in the west.", "A cat sat on the mat and looked at the rain.",
             "Water boils at one hundred degrees.", "She opened the door, and nobody was there.",
             "In the beginning there was only a small village by the river.", "Numbers are words that count."]


def make_tasks(folder, items):
    draw = random.Random(0)
    rows = []
    for i in range(items):
        if i % 2:
            a, b = draw.randint(2, 30), draw.randint(2, 30)
            wrong = draw.sample([n for n in range(2, 60) if n != a + b], 3)
            choices = [f" {n}" for n in [a + b, *wrong]]
            question = f"{a} plus {b} equals"
        else:
            word, opposite = draw.choice(list(PAIRS.items()))
            wrong = draw.sample([w for w in PAIRS.values() if w != opposite], 3)
            choices = [f" {w}" for w in [opposite, *wrong]]
            question = f"The opposite of {word} is"
        right = choices[0]
        draw.shuffle(choices)
        rows.append({"question": question, "choices": choices, "label": choices.index(right)})
    texts = [{"text": " ".join(draw.choices(SENTENCES, k=draw.randint(3, 12)))} for _ in range(max(4, items // 10))]
    ends = []
    for _ in range(items):
        words = " ".join(draw.choices(SENTENCES, k=3)).split(" ")
        end = draw.randint(3, len(words) - 1)
        ends.append({"text": " ".join(words[:end]), "word": " " + words[end]})
    for name, template, data in [("aha_choice", CHOICE, rows), ("aha_next", NEXT, ends), ("aha_text", TEXT, texts)]:
        file = folder / f"{name}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in data))
        (folder / f"{name}.yaml").write_text(template.format(name=name, file=file))


def evaluate(model, args, folder):
    import lm_eval
    from lm_eval.tasks import TaskManager
    results = lm_eval.simple_evaluate(model=model, model_args=args, tasks=["aha_choice", "aha_next", "aha_text"], batch_size=8,
                                      bootstrap_iters=0, task_manager=TaskManager(include_path=str(folder)))
    return {f"{task}/{name.split(',')[0]}": value for task, scores in results["results"].items()
            for name, value in scores.items() if isinstance(value, float) and "stderr" not in name}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aha", default="build/release/aha")
    parser.add_argument("--model", required=True)
    parser.add_argument("--items", type=int, default=200)
    options = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_tasks(folder, options.items)
        os.environ["HF_HOME"] = str(folder / "cache")
        theirs = evaluate("hf", f"pretrained={options.model},dtype=float32,device=cpu", folder)
        server = subprocess.Popen([options.aha, "serve", "-m", options.model, "--port", "0", "--data", str(folder / "data")],
                                  stdout=subprocess.PIPE, text=True)
        try:
            url = server.stdout.readline().strip()
            args = (f"model={Path(options.model).name},base_url={url}/v1/completions,tokenizer={options.model},tokenizer_backend=huggingface,"
                    "num_concurrent=1,max_retries=2")
            ours = evaluate("local-completions", args, folder)
        finally:
            server.terminate()
            server.wait()
    failed = False
    for name in sorted(theirs):
        same = f"{theirs[name]:.4g}" == f"{ours[name]:.4g}" or abs(theirs[name] - ours[name]) < 5e-5 * abs(theirs[name])
        failed |= not same
        print(f"{'ok  ' if same else 'FAIL'} {name}: transformers {theirs[name]:.6f}, aha {ours[name]:.6f}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
