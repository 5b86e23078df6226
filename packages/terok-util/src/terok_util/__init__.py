"""Leaf library of the terok wheels: command trees, paths, configuration, files, processes and safe text."""

from __future__ import annotations

from terok_util.lazy import lazy_imports as lazy_imports

with lazy_imports(globals()):
    from terok_util import process as process
    from terok_util import yaml as yaml
    from terok_util.commands.complete import COMPLETIONS as COMPLETIONS
    from terok_util.commands.defs import JSON as JSON
    from terok_util.commands.defs import TAIL as TAIL
    from terok_util.commands.defs import ArgDef as ArgDef
    from terok_util.commands.defs import CommandDef as CommandDef
    from terok_util.commands.defs import whole_number as whole_number
    from terok_util.commands.front import run_cli as run_cli
    from terok_util.commands.output import show as show
    from terok_util.commands.output import show_row as show_row
    from terok_util.commands.output import table as table
    from terok_util.commands.tree import CommandTree as CommandTree
    from terok_util.config.scopes import PRODUCT_KEYS as PRODUCT_KEYS
    from terok_util.config.scopes import SECTIONS as SECTIONS
    from terok_util.config.scopes import ConfigScope as ConfigScope
    from terok_util.config.scopes import config_error as config_error
    from terok_util.config.scopes import config_layers as config_layers
    from terok_util.config.scopes import load_config_file as load_config_file
    from terok_util.config.scopes import load_json_scope as load_json_scope
    from terok_util.config.scopes import load_yaml_scope as load_yaml_scope
    from terok_util.config.scopes import read_config_file as read_config_file
    from terok_util.config.stack import ConfigStack as ConfigStack
    from terok_util.config.stack import Origin as Origin
    from terok_util.config.stack import deep_merge as deep_merge
    from terok_util.errors import ConfigError as ConfigError
    from terok_util.errors import FileError as FileError
    from terok_util.errors import LockTimeout as LockTimeout
    from terok_util.errors import PathError as PathError
    from terok_util.errors import TerokError as TerokError
    from terok_util.errors import UsageError as UsageError
    from terok_util.files.locks import FileLock as FileLock
    from terok_util.files.reading import ExposedFile as ExposedFile
    from terok_util.files.reading import open_private as open_private
    from terok_util.files.reading import read_file as read_file
    from terok_util.files.reading import read_private as read_private
    from terok_util.files.reading import read_tail as read_tail
    from terok_util.files.remember import remembered as remembered
    from terok_util.files.trees import remove_tree as remove_tree
    from terok_util.files.writing import atomic_write as atomic_write
    from terok_util.files.writing import ensure_dir as ensure_dir
    from terok_util.files.writing import ensure_dir_writable as ensure_dir_writable
    from terok_util.files.writing import sync_path as sync_path
    from terok_util.files.writing import write_sensitive_file as write_sensitive_file
    from terok_util.logs import RedactionFilter as RedactionFilter
    from terok_util.logs import configure_logging as configure_logging
    from terok_util.paths import is_host_root as is_host_root
    from terok_util.paths import namespace_config_dir as namespace_config_dir
    from terok_util.paths import namespace_runtime_dir as namespace_runtime_dir
    from terok_util.paths import namespace_state_dir as namespace_state_dir
    from terok_util.paths import system_config_dir as system_config_dir
    from terok_util.podman import podman_userns_args as podman_userns_args
    from terok_util.redaction import redact as redact
    from terok_util.redaction import register_secret as register_secret
    from terok_util.text import last_line as last_line
    from terok_util.text import safe_text as safe_text
    from terok_util.text import sanitize_tty as sanitize_tty
    from terok_util.token_bucket import TokenBucket as TokenBucket
    from terok_util.values import lean_dataclass as lean_dataclass
    from terok_util.yaml import YAMLError as YAMLError
