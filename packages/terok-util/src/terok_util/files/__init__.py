"""Directories and files that are complete or absent, locked by one, and never reached through somebody's link."""

from __future__ import annotations

from terok_util.lazy import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_util.files.locks import FileLock as FileLock
    from terok_util.files.trees import remove_tree as remove_tree
    from terok_util.files.writing import atomic_write as atomic_write
    from terok_util.files.writing import ensure_dir as ensure_dir
    from terok_util.files.writing import ensure_dir_writable as ensure_dir_writable
    from terok_util.files.writing import write_sensitive_file as write_sensitive_file
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            ".locks": "FileLock",
            ".trees": "remove_tree",
            ".writing": "atomic_write ensure_dir ensure_dir_writable write_sensitive_file",
        },
    )
