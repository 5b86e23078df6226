"""The rules of the current namespace through nft's own library: no process to start, which every launch waits for."""

from __future__ import annotations

import ctypes
from typing import Final

from terok_sandbox.errors import NetnsError

_NAME: Final = "libnftables.so.1"
_OUTPUT_JSON: Final = 1 << 4


def _load() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(_NAME)
    except OSError:
        return None
    context, text = ctypes.c_void_p, ctypes.c_char_p
    library.nft_ctx_new.argtypes, library.nft_ctx_new.restype = [ctypes.c_uint32], context
    library.nft_ctx_output_set_flags.argtypes = [context, ctypes.c_uint]
    library.nft_run_cmd_from_buffer.argtypes = [context, text]
    for name, result in (("buffer_output", ctypes.c_int), ("buffer_error", ctypes.c_int)):
        function = getattr(library, f"nft_ctx_{name}")
        function.argtypes, function.restype = [context], result
    for name in ("output", "error"):
        function = getattr(library, f"nft_ctx_get_{name}_buffer")
        function.argtypes, function.restype = [context], text
    return library


_library: Final = _load()
AVAILABLE: Final = _library is not None  # whether this host has the library; else the program `nft` does the same


def load_and_list(ruleset: str, listing: str) -> str:
    """Load `ruleset` in one transaction, then return what the command `listing` prints as JSON; nothing is freed."""
    library = _library
    context = library and library.nft_ctx_new(0)
    if library is None or not context:
        raise NetnsError("nft's library cannot be used")
    library.nft_ctx_buffer_output(context)
    library.nft_ctx_buffer_error(context)
    _run(library, context, ruleset)
    library.nft_ctx_output_set_flags(context, _OUTPUT_JSON)
    _run(library, context, listing)
    return str(library.nft_ctx_get_output_buffer(context).decode("utf-8", "replace"))


def _run(library: ctypes.CDLL, context: int, command: str) -> None:
    if library.nft_run_cmd_from_buffer(context, command.encode()) != 0:
        message = library.nft_ctx_get_error_buffer(context).decode("utf-8", "replace")
        raise NetnsError(f"nft refused: {' '.join(message.split())[:500]}")
