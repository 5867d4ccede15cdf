#!/usr/bin/env python3
"""What is inside the binary: a bill of materials, and the notices that its licences ask for.

    inventory.py sbom TARGET      CycloneDX 1.5 (JSON) on standard output
    inventory.py notices TARGET   the licence texts of all that is linked in, each once, with whom it is for
    inventory.py check FILE       what is wrong with a bill of materials; status 1 if anything

Both come from `cargo metadata` and Cargo.lock, for TARGET and the default features, so that they cannot differ from what is
built; beside the crates they name what no lock file does: SQLite, the standard library, musl, the data. Nothing in them hangs
on time or place but SOURCE_DATE_EPOCH.

`check` always looks at what a scheme cannot: that every crate of the graph is listed once, with a checksum and a licence, and
that all references lead somewhere. If the Python library cyclonedx-python-lib with json-validation is there, the official
scheme is held to it, too, and that is said.
"""
import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOTICE = re.compile(r"^(licen[cs]e|copying|notice|unlicense|copyright)([-_.].*)?$", re.IGNORECASE)


def run(*words: str) -> str:
    return subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True, timeout=300).stdout


def crates(target: str, edges: str) -> set[tuple[str, str]]:
    """Names and versions that the default build for `target` takes, as `cargo tree` has them."""
    said = run("cargo", "tree", "--locked", "--prefix", "none", "--edges", edges, "--target", target)
    words = (line.split() for line in said.splitlines() if line.strip())
    return {(name, version.removeprefix("v")) for name, version, *_ in words}


class Tree:
    """The crates that the default build for one target links in, and those that only run while it is built.

    `cargo metadata` has the links and the licences, but turns features on that only tests ask for; `cargo tree` has the set
    that is built.
    """

    def __init__(self, target: str):
        words = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
        metadata = json.loads(run(*words))
        self.packages = {package["id"]: package for package in metadata["packages"]}
        self.root = metadata["resolve"]["root"]
        named = {id: (package["name"], package["version"]) for id, package in self.packages.items()}
        built = crates(target, "normal,build")
        # Macros run in the compiler: neither they nor what they alone need are in the binary.
        inside = crates(target, "normal,no-proc-macro")
        self.linked = {id for id, name in named.items() if name in inside}
        self.links: dict[str, list[str]] = {}
        for node in metadata["resolve"]["nodes"]:
            if named[node["id"]] in built:
                wanted = (link["pkg"] for link in node["deps"]
                          if {kind["kind"] for kind in link["dep_kinds"]} & {None, "build"})
                self.links[node["id"]] = [id for id in wanted if named[id] in built]


def licence(package: dict) -> str:
    # The slash is how crates wrote "or" before SPDX expressions.
    return re.sub(r"\s*/\s*", " OR ", package["license"] or "")


def purl(package: dict) -> str:
    return f"pkg:cargo/{package['name']}@{package['version']}"


def checksums() -> dict[tuple[str, str], str]:
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return {(one["name"], one["version"]): one["checksum"] for one in lock["package"] if "checksum" in one}


def beside(tree: Tree, target: str) -> list[dict]:
    """What is in the binary without being a crate of the lock file."""
    found = []
    for id in tree.linked:
        if tree.packages[id]["name"] == "libsqlite3-sys":
            header = pathlib.Path(tree.packages[id]["manifest_path"]).parent / "sqlite3/sqlite3.h"
            version = re.search(r'#define SQLITE_VERSION\s+"([0-9.]+)"', header.read_text()).group(1)
            found.append({
                "type": "library", "bom-ref": f"sqlite@{version}", "name": "sqlite", "version": version,
                "description": "built from the copy in libsqlite3-sys",
                "licenses": [{"license": {"name": "Public domain (sqlite.org/copyright.html)"}}],
                "cpe": f"cpe:2.3:a:sqlite:sqlite:{version}:*:*:*:*:*:*:*",
            })
    rust = run("rustc", "-vV")
    version = re.search(r"^release: (.*)$", rust, re.MULTILINE).group(1)
    found.append({
        "type": "library", "bom-ref": f"rust-std@{version}", "name": "rust-std", "version": version,
        "description": "the standard library of Rust",
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
    })
    if target.endswith("-musl"):
        library = pathlib.Path(run("rustc", "--print", "sysroot").strip())
        library = library / "lib/rustlib" / target / "lib/self-contained/libc.a"
        version = re.search(rb"\0(1\.[0-9]+\.[0-9]+)\0", library.read_bytes())
        musl = {
            "type": "library", "bom-ref": "musl", "name": "musl",
            "description": "the C library that comes with Rust's standard library for this target",
            "licenses": [{"expression": "MIT"}],
        }
        if version:
            musl |= {"version": version[1].decode(), "bom-ref": f"musl@{version[1].decode()}"}
        found.append(musl)
    for path, terms in [
        ("data/asn.lht", {"expression": "CC-BY-4.0"}),
        ("data/ixp-pools.tsv", None),
        ("data/fonts/NotoSans-Regular.ttf", {"expression": "OFL-1.1"}),
        ("data/fonts/NotoSans-Bold.ttf", {"expression": "OFL-1.1"}),
        ("data/fonts/NotoSansMono-Regular.ttf", {"expression": "OFL-1.1"}),
    ]:
        digest = hashlib.sha256((ROOT / path).read_bytes()).hexdigest()
        part = {
            "type": "file", "bom-ref": path, "name": path,
            "hashes": [{"alg": "SHA-256", "content": digest}],
        }
        if terms:
            part["licenses"] = [terms]
        found.append(part)
    return found


def sbom(target: str) -> dict:
    tree = Tree(target)
    sums = checksums()
    root = tree.packages[tree.root]
    components = []
    for id in sorted(tree.links, key=lambda id: purl(tree.packages[id])):
        if id == tree.root:
            continue
        package = tree.packages[id]
        components.append({
            "type": "library",
            "bom-ref": purl(package),
            "name": package["name"],
            "version": package["version"],
            "scope": "required" if id in tree.linked else "excluded",
            "hashes": [{"alg": "SHA-256", "content": sums[package["name"], package["version"]]}],
            "licenses": [{"expression": licence(package)}],
            "purl": purl(package),
        })
    more = beside(tree, target)
    links = {purl(tree.packages[id]): sorted(purl(tree.packages[below]) for below in all)
             for id, all in tree.links.items()}
    for part in more:
        links[part["bom-ref"]] = []
        owner = next((ref for ref in links if part["name"] == "sqlite" and ref.startswith("pkg:cargo/libsqlite3-sys@")),
                     purl(root))
        links[owner].append(part["bom-ref"])
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or run("git", "log", "-1", "--format=%ct")
    when = datetime.datetime.fromtimestamp(int(epoch), datetime.UTC)
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application", "bom-ref": purl(root), "name": root["name"], "version": root["version"],
                "description": root["description"], "licenses": [{"expression": licence(root)}], "purl": purl(root),
            },
            "properties": [{"name": "target", "value": target}],
        },
        "components": components + more,
        "dependencies": [{"ref": ref, "dependsOn": sorted(all)} for ref, all in sorted(links.items())],
    }
    # The same contents have the same number, wherever they are written.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))
    return {"bomFormat": document.pop("bomFormat"), "specVersion": document.pop("specVersion"),
            "serialNumber": f"urn:uuid:{serial}", **document}


def notices(target: str) -> str:
    """The notices of what is linked in. A crate that ships no text has its terms and its authors named."""
    tree = Tree(target)
    texts: dict[str, list[str]] = {}
    without = []
    for id in sorted(tree.linked, key=lambda id: purl(tree.packages[id])):
        if id == tree.root:
            continue
        package = tree.packages[id]
        name = f"{package['name']} {package['version']} ({licence(package)})"
        folder = pathlib.Path(package["manifest_path"]).parent
        files = sorted(file for file in folder.iterdir() if file.is_file() and NOTICE.match(file.name))
        for file in files:
            text = "\n".join(line.rstrip() for line in file.read_text(errors="replace").strip().splitlines())
            texts.setdefault(text, []).append(name)
        if not files:
            without.append(f"{name}: {', '.join(package['authors']) or package['repository']}")
    out = ["Notices of what is linked into lasthop beside its own code. A crate offered under several licences is used under",
           "MIT or Apache-2.0 where those are among them.", ""]
    for text, names in texts.items():
        # Spread over the page as one crate has it; who shares it is named above.
        out += ["=" * 100, *dict.fromkeys(names), "", text, ""]
    out += ["=" * 100, "These come without a text of their own; their terms are those named, as printed above:", ""]
    out += without
    out += ["", "SQLite is in the public domain (sqlite.org/copyright.html).",
            "Rust's standard library: MIT or Apache-2.0, its authors (doc.rust-lang.org)."]
    if target.endswith("-musl"):
        out += ["musl: MIT, copyright 2005-2024 Rich Felker and others (git.musl-libc.org/cgit/musl/tree/COPYRIGHT)."]
    return "\n".join(out) + "\n"


def faults(document: dict, target: str | None) -> list[str]:
    found = []
    refs = [document["metadata"]["component"]["bom-ref"]] + [one["bom-ref"] for one in document["components"]]
    for ref in refs:
        if refs.count(ref) > 1:
            found.append(f"{ref}: listed twice")
    for one in document["components"]:
        if one.get("purl"):
            if not re.fullmatch(r"[0-9a-f]{64}", one.get("hashes", [{}])[0].get("content", "")):
                found.append(f"{one['bom-ref']}: no checksum")
            if not one.get("licenses", [{}])[0].get("expression"):
                found.append(f"{one['bom-ref']}: no licence")
    links = {link["ref"]: link["dependsOn"] for link in document["dependencies"]}
    for ref, below in links.items():
        found += [f"{ref} needs {one}, which is not listed" for one in [ref, *below] if one not in refs]
    reached, waiting = set(), refs[:1]
    while waiting:
        this = waiting.pop()
        if this not in reached:
            reached.add(this)
            waiting += links.get(this, [])
    found += [f"{ref}: nobody needs it" for ref in refs if ref not in reached]
    if target:
        listed = {(one["name"], one["version"]) for one in document["components"] if one.get("purl")}
        root = document["metadata"]["component"]
        listed.add((root["name"], root["version"]))
        found += [f"{name} {version}: in one of list and tree only" for name, version in sorted(crates(target, "normal,build") ^ listed)]
    return found


def check(path: str) -> int:
    text = pathlib.Path(path).read_text()
    document = json.loads(text)
    target = next((one["value"] for one in document["metadata"].get("properties", []) if one["name"] == "target"), None)
    found = faults(document, target)
    try:
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator
        error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
        if error is not None:
            found.append(f"not CycloneDX 1.5: {error}")
        held = "held to the scheme of CycloneDX 1.5"
    except ImportError:
        held = "not held to the official scheme: pip install 'cyclonedx-python-lib[json-validation]'"
    for fault in found:
        print(f"inventory: {fault}", file=sys.stderr)
    print(f"inventory: {len(document['components'])} components, {len(found)} faults; {held}", file=sys.stderr)
    return 1 if found else 0


def main() -> int:
    match sys.argv[1:]:
        case ["sbom", target]:
            print(json.dumps(sbom(target), indent=1, ensure_ascii=False))
        case ["notices", target]:
            print(notices(target), end="")
        case ["check", path]:
            return check(path)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
