"""Makes pages of several runs, and of a run whose every name is a stranger's: sets.py PROGRAM FOLDER"""

import json
import subprocess
import sys

program, folder = sys.argv[1:]


def demo(name):
    return json.loads(subprocess.run([program, "demo", name, "--json"], capture_output=True, check=True).stdout)


def page(document, name):
    subprocess.run(
        [program, "report", "-", "-o", f"{folder}/{name}.html"], input=json.dumps(document).encode(), check=True
    )


runs = []
for place, name in enumerate(["proton", "clear", "border", "reject", "host-down", "no-reference", "port"]):
    run = demo(name)
    run["vantage"]["label"] = ["Moscow", "Frankfurt", "Kazan, the home line of a colleague", "Tver"][place % 4]
    run["target"]["host"] = f"mx{1 + place // 4}.proton"
    runs.append(run)
page({"schema": "lasthop.set/1", "runs": runs, "conclusion": None}, "set")

strange = "\u202e\x1b[2J<script>alert(1)</script><img src=//x.example/y onerror=alert(2)>\"'>" + "W" * 10_000


def poison(value):
    if isinstance(value, dict):
        names = ("host", "as_name", "label", "interface", "summary", "next_step", "origin", "licence", "words")
        return {key: strange if key in names else poison(inner) for key, inner in value.items()}
    return [poison(inner) for inner in value] if isinstance(value, list) else value


page(poison(runs[0]), "strange")

# The widest addresses there are, and as many paths as the table shows.
wide = json.loads(subprocess.run([program, "demo", "-6", "--json"], capture_output=True, check=True).stdout)
wide["references"] = [dict(wide["references"][0], host=f"mx{number}.example") for number in (1, 2, 3, 4)]
for path in [wide["target"], *wide["references"]]:
    for hop in path["hops"]:
        for one in hop["responders"]:
            one["address"] = f"2001:db8:aaaa:bbbb:cccc:dddd:eeee:{0x1000 + hop['ttl']:x}"
page(wide, "wide")
