"""GPUs of a launch: what was asked for, and the devices of the Container Device Interface (CDI) that answer it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from terok_sandbox.errors import GpuConfigError

if TYPE_CHECKING:
    from collections.abc import Collection

GPU_VENDORS: Final = ("nvidia", "amd", "intel")
MAX_GPUS: Final = 64

_SELECTOR: Final = re.compile(r"(?P<vendor>[a-z]{1,16})(?::(?P<device>[A-Za-z0-9][A-Za-z0-9_.-]{0,63}))?\Z")
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
                f"{word[:60]!r} names no GPU",
                hint=f"use all, or {', '.join(GPU_VENDORS)}, or a device such as nvidia:0",
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
