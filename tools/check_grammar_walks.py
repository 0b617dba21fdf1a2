#!/usr/bin/env python3
"""Checks with Python's jsonschema what the grammar lets a random writer write.

    AHA_GRAMMAR_WALKS=walks.jsonl build/release/grammar_test --gtest_filter=Schema.RandomWalks*
    tools/check_grammar_walks.py walks.jsonl
"""
import json
import sys

import jsonschema

count = bad = 0
for line in open(sys.argv[1], encoding="utf-8"):
    walk = json.loads(line)
    kind = jsonschema.Draft202012Validator
    value = json.loads(walk["text"])
    errors = list(kind(walk["schema"], format_checker=kind.FORMAT_CHECKER).iter_errors(value))
    count += 1
    if errors:
        bad += 1
        print(json.dumps(walk["schema"]), "gave", walk["text"], ":", errors[0].message)
print(count, "texts,", bad, "not valid")
sys.exit(bad > 0)
