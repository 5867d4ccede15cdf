"""Reads what is written for programs as strangers read it: programs.py PROGRAM FOLDER-OF-PACKAGES"""

import csv
import importlib.util
import io
import json
import re
import subprocess
import sys
from xml.etree import ElementTree

program, parser = sys.argv[1:]

# The package's one file that reads text; the others want a network's clients.
spec = importlib.util.spec_from_file_location("parse", f"{parser}/routemap_engine/parse.py")
parse = importlib.util.module_from_spec(spec)
sys.modules["parse"] = parse
spec.loader.exec_module(parse)


def demo(name, word):
    command = [program, "demo", name, "--format", word]
    return subprocess.run(command, capture_output=True, check=True).stdout.decode()


def same(left, right, what):
    if left != right:
        raise SystemExit(f"{what}: {left!r} is not {right!r}")


for name in ("proton", "clear", "firewall"):
    run = json.loads(demo(name, "json"))
    paths = [run["target"], *run["references"]]
    answers = [
        (path["host"], hop["ttl"], one["address"])
        for path in paths
        for hop in path["hops"]
        for one in hop["responders"]
    ]

    rows = list(csv.DictReader(io.StringIO(demo(name, "csv"), newline=""), strict=True))
    found = [(row["host"], int(row["ttl"]), row["responder"]) for row in rows if row["responder"]]
    same(found, answers, f"{name}: CSV")
    same({len(row) for row in rows}, {41}, f"{name}: columns")

    lines = [json.loads(line) for line in demo(name, "jsonl").splitlines()]
    found = [
        (line["host"], line["ttl"], line["responder"]["address"])
        for line in lines
        if line["type"] == "hop" and line["responder"]
    ]
    same(found, answers, f"{name}: JSON lines")

    same(len(demo(name, "ooni").splitlines()), 1, f"{name}: OONI")

    # Pictures stand alone: each is a whole XML document.
    pictures = re.findall(r"<svg.*?</svg>", demo(name, "html"), re.DOTALL)
    same([ElementTree.fromstring(one).tag for one in pictures], ["{http://www.w3.org/2000/svg}svg"] * 2, name)

    # The parser reads mtr's reports without AS numbers; the table is the same otherwise.
    blocks = re.split(r"(?m)^Start: ", demo(name, "mtr"))[1:]
    same(len(blocks), len(paths), f"{name}: mtr's blocks")
    for block, path in zip(blocks, paths):
        text = re.sub(r"(?m)^( *\d+\.) AS\S+ +", r"\1|-- ", "Start: " + block)
        trace = parse.parse_trace(text)
        same(trace.parser, "mtr", f"{name}: parser")
        shown = path["hops"][: len(trace.hops)]
        same([hop.hop for hop in trace.hops], [hop["ttl"] for hop in shown], f"{name}: mtr's hops")
        same([hop.sent for hop in trace.hops], [hop["sent"] for hop in shown], f"{name}: mtr's probes")
        same(
            [hop.sent - hop.lost for hop in trace.hops],
            [min(hop["answered"], hop["sent"]) for hop in shown],
            f"{name}: mtr's answers",
        )
        if path["distance"]:
            same(len(trace.hops), path["distance"], f"{name}: mtr's end")

print("programs: CSV, JSON lines, OONI, pictures and mtr's reports read the same as the runs")
