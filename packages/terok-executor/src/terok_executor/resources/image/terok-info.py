#!/usr/bin/env python3
"""Says what is in this container: terok-info agents | provider | models [--sync].

`models` asks the provider through the vault; `--sync` writes the answer into the agent's own configuration.
"""

import json
import os
import pathlib
import sys
import urllib.error
import urllib.request

INSTALLED = pathlib.Path("/etc/terok/installed.json")
MODEL_PATHS = {"anthropic-messages": "/v1/models", "google-generative": "/v1beta/models"}
SECONDS = 20


def agents() -> int:
    """Print one line for everything installed; a star marks what this task has configuration and a token for."""
    here = {os.environ.get("TEROK_AGENT", ""), *os.environ.get("TEROK_TOOLS", "").split(",")}
    installed = json.loads(INSTALLED.read_text())
    for section, title in (("agent", "agents"), ("dev_tool", "tools")):
        entries = [entry for entry in installed if entry["section"] == section]
        if entries:
            print(f"\n{title} (* works in this task)")
        for entry in entries:
            print(f"  {'*' if entry['name'] in here else ' '} {entry['binary']:<18}{entry['label']}: {entry['help']}")
    return 0


def provider() -> int:
    """Print the provider of this task and how it is reached."""
    for label, name in (("provider", "TEROK_PROVIDER"), ("protocol", "TEROK_PROTOCOL"), ("address", "TEROK_BASE_URL")):
        print(f"  {label:<10}{os.environ.get(name, '-')}")
    return 0


def models(sync: bool) -> int:
    """Print the provider's models."""
    base, token = os.environ.get("TEROK_BASE_URL"), os.environ.get(os.environ.get("TEROK_TOKEN_ENV", ""), "")
    if not base or not token:
        print("terok-info: this container has no provider", file=sys.stderr)
        return 3
    url = base + MODEL_PATHS.get(os.environ.get("TEROK_PROTOCOL", ""), "/models")
    try:
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            data = json.load(answer)
    except (OSError, ValueError) as error:
        print(f"terok-info: the provider does not say its models: {error}", file=sys.stderr)
        return 1
    rows = data.get("data") or data.get("models") or []
    names = sorted({str(row.get("id") or row.get("name", "")).removeprefix("models/") for row in rows} - {""})
    print("\n".join(names))
    return write(names) if sync else 0


def write(names: "list[str]") -> int:
    """Replace the list of models in the agent's configuration file."""
    mine = [entry for entry in json.loads(INSTALLED.read_text()) if entry["name"] == os.environ.get("TEROK_AGENT")]
    place = mine[0].get("model_list") if mine else None
    if place is None:
        print("terok-info: this agent keeps no list of models", file=sys.stderr)
        return 1
    path = pathlib.Path(place["file"])
    document = json.loads(path.read_text())
    node = document
    *parents, last = place["key"].split(".")
    for key in parents:
        node = node.setdefault(key, {})
    node[last] = {name: {"name": name} for name in names} if place["form"] == "map" else [{"id": n} for n in names]
    partial = path.with_name(path.name + ".new")
    partial.write_text(json.dumps(document, indent=2) + "\n")
    partial.replace(path)
    return 0


def main(words: "list[str]") -> int:
    """Run one subcommand."""
    if words == ["agents"]:
        return agents()
    if words == ["provider"]:
        return provider()
    if words and words[0] == "models" and words[1:] in ([], ["--sync"]):
        return models("--sync" in words)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
