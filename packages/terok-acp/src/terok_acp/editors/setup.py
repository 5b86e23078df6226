"""The configuration of each editor: where it goes, and what it says."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class EditorSetup:
    """One editor's entry: its name for people, the place of the text, the text, and what else to know."""

    label: str
    place: str
    text: str
    notes: tuple[str, ...] = ()


def setup_of(editor: str, command: Sequence[str]) -> EditorSetup | None:
    """Return what `editor` needs to start `command`, None for an editor that is not in `EDITORS`.

    The command's first word should be an absolute path, as editors that are started from a desktop have another PATH
    than a shell.
    """
    make = _EDITORS.get(editor)
    return make(list(command)) if make else None


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _quoted(words: Sequence[str], separator: str = ", ") -> str:
    """Return words as string literals; Lua and Emacs Lisp escape quotes and backslashes as JSON does."""
    return separator.join(json.dumps(word, ensure_ascii=False) for word in words)


def _zed(command: list[str]) -> EditorSetup:
    entry = {"type": "custom", "command": command[0], "args": command[1:], "env": {}}
    return EditorSetup("Zed", "settings.json (`zed: open settings`)", _json({"agent_servers": {"terok": entry}}))


def _jetbrains(command: list[str]) -> EditorSetup:
    entry = {
        "command": command[0],
        "args": command[1:],
        "env": {},
        "use_idea_mcp": False,
        "use_custom_mcp": False,
    }
    note = "the IDE's own MCP servers are switched off: they run on this machine, which a container does not reach"
    return EditorSetup("JetBrains IDEs", "~/.jetbrains/acp.json", _json({"agent_servers": {"terok": entry}}), (note,))


def _toad(command: list[str]) -> EditorSetup:
    return EditorSetup("toad", "a shell", f"toad acp {shlex.quote(shlex.join(command))} .\n")


def _codecompanion(command: list[str]) -> EditorSetup:
    text = f"""require("codecompanion").setup({{
  adapters = {{
    acp = {{
      terok = function()
        return require("codecompanion.adapters").extend("goose", {{
          name = "terok",
          formatted_name = "terok",
          commands = {{ default = {{ {_quoted(command)} }} }},
          defaults = {{ auth_method = "terok" }},
        }})
      end,
    }},
  }},
  interactions = {{ chat = {{ adapter = "terok" }} }},
}})
"""
    note = "the entry extends the adapter `goose` only because that one brings no settings of its own"
    return EditorSetup("CodeCompanion (Neovim)", "init.lua", text, (note,))


def _avante(command: list[str]) -> EditorSetup:
    text = f"""require("avante").setup({{
  provider = "terok",
  acp_providers = {{
    terok = {{ command = {_quoted(command[:1])}, args = {{ {_quoted(command[1:])} }} }},
  }},
}})
"""
    return EditorSetup("avante.nvim (Neovim)", "init.lua", text)


def _agent_shell(command: list[str]) -> EditorSetup:
    text = f"""(with-eval-after-load 'agent-shell
  (add-to-list 'agent-shell-agent-configs
               (agent-shell-make-agent-config
                :identifier 'terok
                :mode-line-name "terok"
                :buffer-name "terok"
                :shell-prompt "terok> "
                :shell-prompt-regexp "terok> "
                :client-maker (lambda (buffer)
                                (acp-make-client :command {_quoted(command[:1])}
                                                 :command-params '({_quoted(command[1:], " ")})
                                                 :context-buffer buffer)))))
"""
    note = "no container command prefix and no path resolver: terok maps paths itself"
    return EditorSetup("agent-shell (Emacs)", "init.el", text, (note,))


_EDITORS: Final[Mapping[str, Callable[[list[str]], EditorSetup]]] = MappingProxyType(
    {
        "zed": _zed,
        "jetbrains": _jetbrains,
        "toad": _toad,
        "codecompanion": _codecompanion,
        "avante": _avante,
        "agent-shell": _agent_shell,
    }
)
EDITORS: Final = tuple(_EDITORS)
"""The editors that have an entry, by the name that `config` takes."""
