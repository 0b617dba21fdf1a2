#!/usr/bin/env python3
"""recipes/data/arithmetic.jsonl: small sums in people's words, for recipes/smollm2-lora.toml.

    python tools/make_arithmetic_jsonl.py > recipes/data/arithmetic.jsonl

One {"question", "answer"} a line, each question once, in an order and with numbers of a fixed seed.
"""

import json
import random

WORDS = {
    "+": ["What is {a} + {b}?", "What is {a} plus {b}?", "Add {a} and {b}.",
          "I have {a} apples and get {b} more. How many apples do I have?"],
    "-": ["What is {a} - {b}?", "What is {a} minus {b}?", "Subtract {b} from {a}.",
          "I have {a} coins and give {b} away. How many coins do I have left?"],
    "*": ["What is {a} times {b}?", "Multiply {a} by {b}.",
          "There are {a} boxes with {b} pens in each. How many pens are there?"],
}


def main():
    draw = random.Random(1)
    seen = set()
    while len(seen) < 300:
        op = draw.choice("++--*")
        a, b = (draw.randint(2, 9), draw.randint(2, 9)) if op == "*" else (draw.randint(2, 30), draw.randint(2, 30))
        if op == "-" and a < b:
            a, b = b, a
        question = draw.choice(WORDS[op]).format(a=a, b=b)
        if question in seen:
            continue
        seen.add(question)
        answer = {"+": a + b, "-": a - b, "*": a * b}[op]
        print(json.dumps({"question": question, "answer": str(answer)}))


if __name__ == "__main__":
    main()
