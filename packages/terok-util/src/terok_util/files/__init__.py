"""Directories and files that are complete or absent, locked by one, and never reached through somebody's link."""

from __future__ import annotations

from terok_util.lazy import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_util.files.locks import FileLock
    from terok_util.files.trees import remove_tree
    from terok_util.files.writing import atomic_write, ensure_dir, ensure_dir_writable, write_sensitive_file

    __all__ = ["FileLock", "atomic_write", "ensure_dir", "ensure_dir_writable", "remove_tree", "write_sensitive_file"]
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "FileLock": ".locks",
            "atomic_write": ".writing",
            "ensure_dir": ".writing",
            "ensure_dir_writable": ".writing",
            "remove_tree": ".trees",
            "write_sensitive_file": ".writing",
        },
    )
