"""Holds the stated `rust-version` against the highest one that a dependency asks for."""

import json
import subprocess
import sys

command = ["cargo", "metadata", "--format-version", "1", "--all-features"]
metadata = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
own = next(p for p in metadata["packages"] if p["id"] == metadata["resolve"]["root"])
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
packages = {package["id"]: package for package in metadata["packages"]}

reached, waiting = set(), [own["id"]]
while waiting:
    at = waiting.pop()
    if at in reached:
        continue
    reached.add(at)
    for dependency in nodes[at]["deps"]:
        if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
            waiting.append(dependency["pkg"])


def version(text):
    return tuple(int(part) for part in (text or "0").split("."))[:2]


asking = [packages[i] for i in reached if i != own["id"]]
highest = max(asking, key=lambda package: version(package["rust_version"]))
print(f"stated {own['rust_version']}; {highest['name']} {highest['version']} asks for {highest['rust_version']}")
sys.exit(version(own["rust_version"]) != version(highest["rust_version"]))
