#!/usr/bin/env python3
"""Writes src/grammar/testdata/schema_goldens.json: what Python's jsonschema says of JSON texts.

Needs `pip install "jsonschema[format]"`. For each schema below: instances that are meant to be valid
(checked) and others that are not, with mutations of the valid ones; what jsonschema calls invalid
must never be accepted by our grammar, what stands first must be. Only its verdicts are kept.
"""
import copy
import json
import random
import sys
from importlib.metadata import version
from pathlib import Path

import jsonschema

# schema, valid instances, other instances (valid or not: jsonschema says)
CASES = [
    ({"type": "object"}, [{}, {"a": 1}, {"a": {"b": [None, True, "x\n\"\\"]}}], [[], 1, None]),
    ({}, [1, "a", None, True, [], {}, -2.5e-7], []),
    (True, [1, {"a": []}], []),
    ({"type": "string"}, ["", "a", "é€😀", "\u0001\t\"/\\"], [1, None, ["a"]]),
    ({"type": ["string", "null"]}, ["x", None], [1, True, {}]),
    ({"type": "boolean"}, [True, False], ["true", 0]),
    ({"type": "integer"}, [0, -1, 12345678901234567, 9], [1.5, "1", None]),
    ({"type": "number"}, [0, -1, 1.5, 0.25, 1e10, -2e-3, 123456], ["1", None]),
    ({"type": "string", "minLength": 2, "maxLength": 4}, ["ab", "abcd", "éé", "😀😀😀", "\n\n"],
     ["", "a", "abcde", "😀", "\n"]),
    ({"type": "string", "minLength": 100, "maxLength": 120}, ["x" * 100, "é" * 120], ["x" * 99, "x" * 121, ""]),
    ({"type": "string", "maxLength": 0}, [""], ["a"]),
    ({"type": "string", "maxLength": 1000000000}, ["", "abc"], [1]),
    ({"type": "integer", "minimum": 0}, [0, 1, 17], [-1, 1.5]),
    ({"type": "integer", "minimum": -12, "maximum": 345}, [-12, -9, -1, 0, 7, 99, 100, 345], [-13, 346, 1000, -100]),
    ({"type": "integer", "exclusiveMinimum": 5, "exclusiveMaximum": 10}, [6, 9], [5, 10, 0, 55]),
    ({"type": "integer", "minimum": 2.5, "maximum": 7.5}, [3, 7], [2, 8, 2.5]),
    ({"type": "integer", "maximum": -100}, [-100, -999], [-99, 0, 100]),
    ({"type": "integer", "minimum": 99999, "maximum": 100001}, [99999, 100000, 100001], [99998, 100002, 9]),
    ({"type": "number", "minimum": 0, "maximum": 1}, [0, 1, 0.5, 0.999, 1.0, 0.0], [-0.1, 1.001, 2]),
    ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, [0.5, 0.001], [0, 1, 0.0, 1.0, -0.5]),
    ({"type": "number", "minimum": -1.25, "maximum": 10.5}, [-1.25, -1.2, 0, 10.5, 10.49, -0.5, 9.99], [-1.26, 10.51, 11, -2]),
    ({"type": "number", "minimum": 0.125, "exclusiveMaximum": 0.5}, [0.125, 0.13, 0.2, 0.4999], [0.1249, 0.5, 0.12, 0]),
    ({"type": "number", "multipleOf": 0.01}, [1.25, 3, 0.1], [1.255]),
    ({"enum": ["red", "green", 1, None, 2.5, {"a": [1, {"b": 2}]}, [], "\"q\"", "é"]},
     ["red", "green", 1, None, 2.5, {"a": [1, {"b": 2}]}, [], "\"q\"", "é"], ["blue", 2, {}, "redd", "re", {"a": [1]}]),
    ({"type": "string", "enum": ["a", "ab", 1]}, ["a", "ab"], [1, "b", "abc"]),
    ({"const": "only"}, ["only"], ["other", "onl", 1]),
    ({"const": {"x": 1, "y": [True]}}, [{"x": 1, "y": [True]}], [{"x": 2, "y": [True]}, {}]),
    ({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"]},
     [{"a": 1}, {"a": 1, "b": "x"}], [{}, {"b": "x"}, {"a": "1"}, {"a": 1, "b": 2}]),
    ({"type": "object", "properties": {c: {"type": "boolean"} for c in "abcd"}, "additionalProperties": False},
     [{}, {"a": True}, {"b": True, "d": False}, {"a": True, "b": True, "c": True, "d": True}, {"d": True}],
     [{"e": True}, {"a": 1}]),
    ({"type": "object", "properties": {c: {"type": "null"} for c in "abc"}, "required": ["b", "c"]},
     [{"b": None, "c": None}, {"a": None, "b": None, "c": None}], [{"b": None}, {"a": None, "c": None}, {}]),
    ({"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "string"}},
     [{}, {"a": 1}, {"a": 1, "x": "y"}, {"x": "y", "ab": "z"}, {"": "e", "A": "f"}], [{"a": "1"}, {"x": 1}]),
    ({"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1, "maxProperties": 3},
     [{"x": 1}, {"x": 1, "y": 2, "z": 3}], [{}, {"a": 1, "b": 2, "c": 3, "d": 4}, {"x": "1"}]),
    ({"type": "object", "required": ["z"]}, [{"z": 1}, {"z": None}], [{}, {"y": 1}]),
    ({"type": "object", "properties": {"a\"b\\\n": {"type": "integer"}, "é/~": {"type": "null"}}, "required": ["a\"b\\\n", "é/~"]},
     [{"a\"b\\\n": 1, "é/~": None}], [{"a\"b\\\n": 1}]),
    ({"type": "object", "properties": {"p": {"type": "object", "properties": {"q": {"type": "array", "items": {"type": "object", "properties": {"r": {"type": "number"}}, "required": ["r"]}}}, "required": ["q"]}}, "required": ["p"]},
     [{"p": {"q": []}}, {"p": {"q": [{"r": 1.5}, {"r": 2}]}}], [{"p": {}}, {"p": {"q": [{}]}}, {"p": {"q": {}}}]),
    ({"type": "array"}, [[], [1, "a", None]], [{}, "a"]),
    ({"type": "array", "items": {"type": "integer"}}, [[], [1], [1, 2, 3]], [["a"], [1, None], {}]),
    ({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3}, [[1, 2], [1, 2, 3]], [[], [1], [1, 2, 3, 4]]),
    ({"type": "array", "items": {"type": "boolean"}, "minItems": 1}, [[True], [True] * 5], [[], [1]]),
    ({"type": "array", "items": {"enum": [0, 1]}, "minItems": 200, "maxItems": 210}, [[0] * 200, [1] * 210], [[0] * 199, [0] * 211]),
    ({"type": "array", "maxItems": 0}, [[]], [[1]]),
    ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
     [[], [1], [1, "a"]], [["a"], [1, 2], [1, "a", 3]]),
    ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": {"type": "null"}, "minItems": 2, "maxItems": 4},
     [[1, "a"], [1, "a", None], [1, "a", None, None]], [[1], [1, "a", 2], [1, "a", None, None, None], []]),
    ({"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 2}]}, [1, "ab", ""], ["abc", None, 1.5]),
    ({"oneOf": [{"type": "null"}, {"type": "array", "items": {"type": "null"}}]}, [None, [], [None]], [1, [1]]),
    ({"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"],
      "anyOf": [{"properties": {"k": {"const": "a"}, "x": {"type": "integer"}}, "required": ["k", "x"]},
                {"properties": {"k": {"const": "b"}, "y": {"type": "string"}}, "required": ["k", "y"]}]},
     [{"id": 1, "k": "a", "x": 2}, {"id": 1, "k": "b", "y": "s"}], [{"id": 1}, {"id": 1, "k": "a", "y": "s"}, {"k": "a", "x": 2}]),
    ({"allOf": [{"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a"]},
                {"properties": {"a": {"maximum": 5}, "b": {"type": "string"}}, "required": ["b"]}]},
     [{"a": 3, "b": ""}, {"a": 5, "b": "x"}], [{"a": 2, "b": ""}, {"a": 6, "b": ""}, {"a": 3}, {"b": ""}]),
    ({"allOf": [{"type": ["integer", "string"]}, {"type": ["number", "null"]}]}, [1, -3], ["a", None, 1.5]),
    ({"allOf": [{"enum": [1, 2, 3, "x"]}, {"enum": [2, "x", 4]}]}, [2, "x"], [1, 3, 4]),
    ({"$defs": {"p": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
      "type": "object", "properties": {"a": {"$ref": "#/$defs/p"}, "b": {"$ref": "#/$defs/p"}}, "required": ["a"]},
     [{"a": {"name": "x"}}, {"a": {"name": "x"}, "b": {"name": "y"}}], [{"a": {}}, {"b": {"name": "y"}}]),
    ({"$defs": {"node": {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]}}, "required": ["v", "next"], "additionalProperties": False}}, "$ref": "#/$defs/node"},
     [{"v": 1, "next": None}, {"v": 1, "next": {"v": 2, "next": {"v": 3, "next": None}}}], [{"v": 1}, {"v": 1, "next": {"v": 2}}, {"v": 1, "next": 1}]),
    ({"type": "object", "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}}, "required": ["name"]},
     [{"name": "a"}, {"name": "a", "children": [{"name": "b", "children": []}, {"name": "c"}]}], [{"children": []}, {"name": "a", "children": [1]}]),
    ({"definitions": {"a~b/c%": {"type": "integer"}}, "$ref": "#/definitions/a~0b~1c%25"}, [1], ["a"]),
    ({"$defs": {"base": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}},
      "allOf": [{"$ref": "#/$defs/base"}], "properties": {"tag": {"type": "string"}}, "required": ["tag"]},
     [{"tag": "x", "id": 1}], [{"id": 1}, {"tag": "x"}, {"tag": 1, "id": 1}]),
    ({"type": "string", "pattern": "^[a-z]{2,4}[0-9]?$"}, ["ab", "abcd9"], ["a", "abcde", "AB", "ab99", "xab"]),
    ({"type": "string", "pattern": "ab+c"}, ["abc", "xxabbbcyy", "\nabc\""], ["ac", "ab c"]),
    ({"type": "string", "pattern": "^(foo|ba[rz])+$|^$"}, ["", "foobar", "baz"], ["fo", "foox"]),
    ({"type": "string", "pattern": "^\\d{3}-\\w+\\s?\\.$"}, ["123-a_B.", "123-x ."], ["12-a.", "123-.", "123-ax"]),
    ({"type": "string", "pattern": "^[^a-c\"\\\\]*$"}, ["xyz", "é\n"], ["a", "\"", "\\"]),
    ({"type": "string", "pattern": "^\\u00e9\\x41[\\]\\-x]$"}, ["éA]", "éA-", "éAx"], ["eA]", "éAy"]),
    ({"type": "string", "pattern": "^(?:a|b)*?c{0,2}$"}, ["", "abba", "abcc", "c"], ["ccc", "ca", "d"]),
    ({"type": "string", "pattern": "^[ab]{1,3}$", "minLength": 1, "maxLength": 3}, ["a", "bab"], ["", "abab", "c"]),
    ({"type": "string", "format": "date"}, ["2024-02-29", "1999-12-31", "2000-02-29"], ["2023-02-29", "2024-13-01", "2024-1-1", "1900-02-29", "2024-04-31"]),
    ({"type": "string", "format": "date-time"}, ["2024-05-06T07:08:09Z", "2024-05-06T07:08:09.123+02:00"], ["2024-05-06", "2024-05-06T25:00:00Z"]),
    ({"type": "string", "format": "time"}, ["07:08:09Z", "23:59:59-11:30"], ["7:8:9", "24:00:00Z"]),
    ({"type": "string", "format": "uuid"}, ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567", "123e4567-e89b-12d3-a456-42661417400g"]),
    ({"type": "string", "format": "email"}, ["a@b.cd", "x.y+z@sub.example.org"], ["nobody", ""]),
    ({"type": "string", "format": "ipv4"}, ["127.0.0.1", "255.255.255.255"], ["256.1.1.1", "1.2.3"]),
    ({"type": "string", "format": "ipv6"}, ["2001:db8:0:0:0:0:0:1"], ["12345::", "1:2"]),
    ({"type": "string", "format": "hostname"}, ["localhost", "a-b.example.com"], ["-a", "a..b"]),
    ({"type": "string", "format": "duration"}, ["P1D", "PT5M", "P1Y2M3DT4H5M6S", "P3W"], ["P", "1D", "PT"]),
    ({"properties": {"a": {"type": "integer"}}, "title": "no type", "description": "x", "default": 3, "x-unknown": 1},
     [{"a": 1}, {}], [{"a": "x"}]),
    ({"type": ["object", "null"], "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False},
     [None, {"a": ""}], [{}, {"a": "", "b": 1}]),
]


def mutations(value, rng):
    """Values that differ from `value` in one place."""
    out = []
    if isinstance(value, dict):
        for key in value:
            less = copy.deepcopy(value)
            del less[key]
            out.append(less)
            for sub in mutations(value[key], rng)[:4]:
                changed = copy.deepcopy(value)
                changed[key] = sub
                out.append(changed)
        out.append({**value, "zz": 1})
    elif isinstance(value, list):
        out += [value[:-1], value + [1], value + [None]] if value else [[0], [None]]
        for i in range(min(2, len(value))):
            for sub in mutations(value[i], rng)[:3]:
                out.append(value[:i] + [sub] + value[i + 1:])
    elif isinstance(value, str):
        out += [value + "x", value[:-1], value.upper(), 5, None]
        if value:
            at = rng.randrange(len(value))
            out.append(value[:at] + rng.choice("aZ09-_.\" \\") + value[at + 1:])
    elif isinstance(value, bool) or value is None:
        out += [0, "", []]
    else:
        out += [value + 1, value - 1, -value, value * 10, value + 0.5, str(value)]
    return out


def main():
    rng = random.Random(5)
    cases = []
    for schema, valid, others in CASES:
        checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        for value in valid:
            checker.validate(value)
        invalid = []
        for value in others + [m for v in valid for m in mutations(v, rng)]:
            if not checker.is_valid(value) and value not in invalid and len(json.dumps(value)) < 4000:
                invalid.append(value)
        invalid = invalid[:25]
        cases.append({"schema": schema, "valid": valid, "invalid": invalid})
    out = {"provenance": f"tools/make_grammar_goldens.py, jsonschema {version('jsonschema')}, Python {sys.version.split()[0]}",
           "cases": cases}
    path = Path(__file__).parent.parent / "src/grammar/testdata/schema_goldens.json"
    lines = [json.dumps(c, ensure_ascii=False) for c in cases]
    path.write_text('{"provenance": ' + json.dumps(out["provenance"]) + ',\n"cases": [\n' + ",\n".join(lines) + "\n]}\n")
    print(len(cases), "schemas,", sum(len(c["valid"]) + len(c["invalid"]) for c in cases), "instances")


if __name__ == "__main__":
    main()
