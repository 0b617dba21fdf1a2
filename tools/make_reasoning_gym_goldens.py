#!/usr/bin/env python3
"""Writes src/envs/testdata/reasoning_gym_countdown.json: reasoning-gym's countdown items and its scores.

Needs `pip install reasoning-gym`. For each item, answers of many kinds with what its score_answer says.
"""
import json
from importlib.metadata import version
from pathlib import Path

import reasoning_gym

dataset = reasoning_gym.create_dataset("countdown", size=12, seed=7)
items = []
for item in dataset:
    numbers, right = item["metadata"]["numbers"], item["answer"]
    answers = [right, f"  {right.replace(' ', '')} ", f"({right})", f"({right}) + 1", " + ".join(map(str, numbers)),
               "-" + " - ".join(map(str, numbers)), " * ".join(map(str, numbers[1:])), f"{right} = ", "", "no way", "(",
               str(item["metadata"]["target"]), f"{numbers[0]}/0"]
    items.append({**item, "scored": [[a, dataset.score_answer(a, item)] for a in answers]})
out = {"made_by": f"tools/make_reasoning_gym_goldens.py, reasoning-gym {version('reasoning-gym')}", "items": items}
path = Path(__file__).parent.parent / "src/envs/testdata/reasoning_gym_countdown.json"
path.parent.mkdir(exist_ok=True)
path.write_text(json.dumps(out, indent=1) + "\n")
print(path, path.stat().st_size, "bytes;", sum(i["answer"].startswith("-") for i in items), "answers begin with a sign")
