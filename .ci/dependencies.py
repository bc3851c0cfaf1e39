"""Holds the dependencies to what is stated of them: the `rust-version`, the licences, and that crates.io has them all."""

import json
import re
import subprocess
import sys

ALLOWED = {
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",  # Root certificates, which reqwest brings.
    "IJG",  # The JPEG encoder of the simulator's pictures.
    "ISC",  # What loads the vendor's library, and the cryptography under TLS.
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


def version(text):
    return tuple(int(part) for part in (text or "0").split("."))[:2]


def allows(licence):
    """Whether an SPDX expression can be met by what is allowed: its names become truth values, and Python does the rest."""
    names = r"[\w.+-]+(?: WITH [\w.+-]+)?"
    words = (licence or "none").replace("/", " OR ")
    words = re.sub(names, lambda name: name[0].lower() if name[0] in ("AND", "OR") else str(name[0] in ALLOWED), words)
    return eval(words, {"__builtins__": {}})


command = ["cargo", "metadata", "--format-version", "1", "--all-features"]
metadata = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
packages = {package["id"]: package for package in metadata["packages"]}
own = [packages.pop(member) for member in metadata["workspace_members"]]

# What the packages' users build.
reached, waiting = {package["id"] for package in own}, [package["id"] for package in own]
while waiting:
    for dependency in nodes[waiting.pop()]["deps"]:
        at = dependency["pkg"]
        if at not in reached and any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
            reached.add(at)
            waiting.append(at)

wrong = [f"{package['id']}: licence {package['license']}" for package in packages.values() if not allows(package["license"])]
wrong += [f"{package['id']}: not from crates.io" for package in packages.values() if package["source"] != CRATES_IO]
highest = max((packages[at] for at in reached if at in packages), key=lambda package: version(package["rust_version"]))
asks = f"{highest['name']} {highest['version']} asks for Rust {highest['rust_version']}"
for package in own:
    if version(package["rust_version"]) != version(highest["rust_version"]):
        wrong.append(f"{package['name']} states rust-version {package['rust_version']}, and {asks}")
print(f"{len(packages)} dependencies; {asks}")
sys.exit("\n".join(wrong) or 0)
