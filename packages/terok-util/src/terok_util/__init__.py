"""Leaf library of the terok wheels: command trees, paths, configuration, files, processes and safe text."""

from __future__ import annotations

from terok_util.lazy import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_util import process, yaml
    from terok_util.commands.args import ArgDef
    from terok_util.commands.complete import COMPLETIONS
    from terok_util.commands.defs import CommandDef
    from terok_util.commands.front import run_cli
    from terok_util.commands.tree import CommandTree
    from terok_util.config.merge import deep_merge
    from terok_util.config.scopes import ConfigScope, load_json_scope, load_yaml_scope
    from terok_util.config.stack import ConfigStack, Origin
    from terok_util.errors import ConfigError, FileError, LockTimeout, PathError, TerokError, UsageError
    from terok_util.files.locks import FileLock
    from terok_util.files.trees import remove_tree
    from terok_util.files.writing import atomic_write, ensure_dir, ensure_dir_writable, write_sensitive_file
    from terok_util.logs import RedactionFilter, configure_logging
    from terok_util.paths import is_host_root, namespace_config_dir, namespace_runtime_dir, namespace_state_dir
    from terok_util.podman import podman_userns_args
    from terok_util.redaction import redact, register_secret
    from terok_util.text import safe_text, sanitize_tty
    from terok_util.yaml import YAMLError

    __all__ = [
        "COMPLETIONS",
        "ArgDef",
        "CommandDef",
        "CommandTree",
        "ConfigError",
        "ConfigScope",
        "ConfigStack",
        "FileError",
        "FileLock",
        "LockTimeout",
        "Origin",
        "PathError",
        "RedactionFilter",
        "TerokError",
        "UsageError",
        "YAMLError",
        "atomic_write",
        "configure_logging",
        "deep_merge",
        "ensure_dir",
        "ensure_dir_writable",
        "is_host_root",
        "lazy_exports",
        "load_json_scope",
        "load_yaml_scope",
        "namespace_config_dir",
        "namespace_runtime_dir",
        "namespace_state_dir",
        "podman_userns_args",
        "process",
        "redact",
        "register_secret",
        "remove_tree",
        "run_cli",
        "safe_text",
        "sanitize_tty",
        "write_sensitive_file",
        "yaml",
    ]
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "COMPLETIONS": ".commands.complete",
            "ArgDef": ".commands.args",
            "CommandDef": ".commands.defs",
            "CommandTree": ".commands.tree",
            "ConfigError": ".errors",
            "ConfigScope": ".config.scopes",
            "ConfigStack": ".config.stack",
            "FileError": ".errors",
            "FileLock": ".files.locks",
            "LockTimeout": ".errors",
            "Origin": ".config.stack",
            "PathError": ".errors",
            "RedactionFilter": ".logs",
            "TerokError": ".errors",
            "UsageError": ".errors",
            "YAMLError": ".yaml",
            "atomic_write": ".files.writing",
            "configure_logging": ".logs",
            "deep_merge": ".config.merge",
            "ensure_dir": ".files.writing",
            "ensure_dir_writable": ".files.writing",
            "is_host_root": ".paths",
            "lazy_exports": ".lazy",
            "load_json_scope": ".config.scopes",
            "load_yaml_scope": ".config.scopes",
            "namespace_config_dir": ".paths",
            "namespace_runtime_dir": ".paths",
            "namespace_state_dir": ".paths",
            "podman_userns_args": ".podman",
            "process": ".process:",
            "redact": ".redaction",
            "register_secret": ".redaction",
            "remove_tree": ".files.trees",
            "run_cli": ".commands.front",
            "safe_text": ".text",
            "sanitize_tty": ".text",
            "write_sensitive_file": ".files.writing",
            "yaml": ".yaml:",
        },
    )
