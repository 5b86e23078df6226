"""GPUs of a launch: the request, and the devices that the host describes for it (Container Device Interface, CDI)."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from terok_util import TerokError, read_file
from terok_util import yaml as terok_yaml

from terok_sandbox.errors import GpuConfigError

GPU_VENDORS: Final = ("nvidia", "amd", "intel")
MAX_GPUS: Final = 64
CDI_DIRECTORIES: Final = (Path("/etc/cdi"), Path("/var/run/cdi"))  # where Podman looks for descriptions
MAX_SIZE: Final = 1024 * 1024  # bytes of one description
_SELECTOR: Final = re.compile(r"(?P<vendor>[a-z]{1,16})(?::(?P<device>[A-Za-z0-9][A-Za-z0-9_.-]{0,63}))?\Z")
_KIND: Final = re.compile(r"[a-z0-9.-]{1,63}/[a-z0-9_-]{1,63}\Z")
_DEVICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}\Z")
_GENERATE: Final = {
    "nvidia": "run `sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`",
    "amd": "run `sudo amd-ctk cdi generate --output=/etc/cdi/amd.json`",
    "intel": "install intel-cdi-specs-generator and run `sudo intel-cdi-specs-generator gpu`",
}


class GpuSelector(NamedTuple):
    """One wish: a vendor's device by its CDI name, or all of them."""

    vendor: str
    device: str = "all"

    @property
    def kind(self) -> str:
        """The CDI kind of the vendor's GPUs."""
        return f"{self.vendor}.com/gpu"


def normalize_gpus(text: str) -> tuple[GpuSelector, ...]:
    """Return the selectors of `all`, `VENDOR`, `VENDOR:DEVICE` or a comma-separated list of these.

    `all` becomes one selector with the vendor `all`. A vendor asked for as a whole swallows its single devices;
    the order is that of `GPU_VENDORS`. Raises GpuConfigError for anything else.
    """
    words = [word.strip() for word in text.split(",")]
    if len(words) > MAX_GPUS:
        raise GpuConfigError(f"more than {MAX_GPUS} GPUs are asked for")
    found: dict[str, set[str]] = {}
    for word in words:
        match = _SELECTOR.match(word)
        if match is None or match["vendor"] not in (*GPU_VENDORS, "all") or (match["vendor"] == "all" and ":" in word):
            raise GpuConfigError(
                f"invalid GPU {word[:60]!r}", hint=f"use all, or {', '.join(GPU_VENDORS)}, or a device such as nvidia:0"
            )
        found.setdefault(match["vendor"], set()).add(match["device"] or "all")
    if "all" in found:
        return (GpuSelector("all"),)
    return tuple(
        GpuSelector(vendor, device)
        for vendor in GPU_VENDORS
        if vendor in found
        for device in (["all"] if "all" in found[vendor] else sorted(found[vendor]))
    )


def gpu_args(wanted: str | None, cdi_devices: Collection[str], *, runtime: str) -> list[str]:
    """Return the podman arguments for the GPUs `wanted` on a host with `cdi_devices` (`nvidia.com/gpu=0`, …).

    Raises GpuConfigError for a device that is not among them: device nodes are never passed by themselves, since
    nothing would say which of them belong together.
    """
    if wanted is None:
        return []
    selectors = normalize_gpus(wanted)
    if selectors == (GpuSelector("all"),):
        kinds = {name.partition("=")[0] for name in cdi_devices}
        selectors = tuple(found for found in map(GpuSelector, GPU_VENDORS) if found.kind in kinds)
        if not selectors:
            raise GpuConfigError("this host has no GPU that containers can use", hint=_GENERATE["nvidia"])
    names = [name for selector in selectors for name in _devices(selector, cdi_devices)]
    # The nodes of AMD and Intel belong to the host's groups video and render, which only crun can hand on.
    groups = runtime == "crun" and any(selector.vendor != "nvidia" for selector in selectors)
    return [*(word for name in names for word in ("--device", name)), *(["--group-add", "keep-groups"] * groups)]


def _devices(selector: GpuSelector, cdi_devices: Collection[str]) -> list[str]:
    mine = sorted(name for name in cdi_devices if name.startswith(f"{selector.kind}="))
    if not mine:
        raise GpuConfigError(
            f"this host has no CDI description of {selector.vendor} GPUs", hint=_GENERATE[selector.vendor]
        )
    wanted = f"{selector.kind}={selector.device}"
    if wanted in mine:
        return [wanted]
    if selector.device == "all":
        return mine
    offered = ", ".join(name.partition("=")[2] for name in mine[:16])
    raise GpuConfigError(f"there is no GPU {selector.vendor}:{selector.device}", hint=f"this host has: {offered}")


def installed_cdi_devices(directories: Iterable[Path] = CDI_DIRECTORIES) -> frozenset[str]:
    """Return the full names (`nvidia.com/gpu=0`) of every described device; GpuConfigError for a broken file."""
    return frozenset(name for document in _descriptions(directories) for name in read_description(document))


def cdi_grants(directories: Iterable[Path] = CDI_DIRECTORIES) -> tuple[str, ...]:
    """Return the paths and variables that all descriptions of GPUs grant to a container; errors as above."""
    return tuple(sorted({grant for document in _descriptions(directories) for grant in granted(document)}))


def granted(document: Any) -> set[str]:
    """Return paths of nodes and mounts, and names of variables, that one parsed description of GPUs gives out."""
    if not isinstance(document, dict) or document.get("kind") not in [f"{vendor}.com/gpu" for vendor in GPU_VENDORS]:
        return set()
    owners = [document, *(document.get("devices") or ())]
    grants: set[str] = set()
    for edits in (owner.get("containerEdits") for owner in owners if isinstance(owner, dict)):
        if isinstance(edits, dict):
            rows = [row for key in ("deviceNodes", "mounts") for row in edits.get(key) or () if isinstance(row, dict)]
            grants |= {str(row[key]) for row in rows for key in ("path", "hostPath", "containerPath") if key in row}
            grants |= {str(setting).partition("=")[0] for setting in edits.get("env") or ()}
    return grants


def read_description(document: Any) -> set[str]:
    """Return the device names of one parsed description, without those that are malformed."""
    if not isinstance(document, dict) or not isinstance(document.get("devices"), list):
        return set()
    kind = document.get("kind")
    if not isinstance(kind, str) or not _KIND.match(kind):
        return set()
    names = [entry.get("name") for entry in document["devices"] if isinstance(entry, dict)]
    return {f"{kind}={name}" for name in names if isinstance(name, str) and _DEVICE.match(name)}


def _descriptions(directories: Iterable[Path]) -> Iterator[Any]:
    for directory in directories:
        for path in sorted((*directory.glob("*.json"), *directory.glob("*.yaml"))):
            yield _load(path)


def _load(path: Path) -> Any:
    try:
        text = read_file(path, MAX_SIZE).decode()
        return json.loads(text) if path.suffix == ".json" else terok_yaml.load(text)
    except (OSError, ValueError, RecursionError, TerokError, terok_yaml.YAMLError) as error:
        raise GpuConfigError(
            f"{path}: cannot be read: {' '.join(str(error).split())[:200]}", hint="generate the file again"
        ) from error
