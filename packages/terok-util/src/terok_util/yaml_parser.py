"""ruamel's round-trip parser with our settings. It imports ruamel, so import it only where YAML is parsed."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scanner import RoundTripScanner, ScannerError

MAX_FLOW_DEPTH = 50
"""Limit of brackets inside brackets, because scanning time grows with the square of their depth."""
_OLD_LINE_ENDS = frozenset("\x85\u2028\u2029")
_WIDE = 4096


class _ShallowScanner(RoundTripScanner):
    def fetch_flow_collection_start(self, TokenClass: Any, to_push: str) -> None:  # noqa: N803 - ruamel's name
        if len(self.flow_context) >= MAX_FLOW_DEPTH:
            raise ScannerError(None, None, f"nested more than {MAX_FLOW_DEPTH} levels deep", self.reader.get_mark())
        super().fetch_flow_collection_start(TokenClass, to_push)


class _Representer(RoundTripRepresenter):
    """Escapes the line ends that only YAML 1.1 knows; unescaped they would be read back as spaces."""

    def represent_text(self, text: str) -> Any:
        style = '"' if _OLD_LINE_ENDS.intersection(text) else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Representer.add_representer(str, _Representer.represent_text)


def new_parser() -> YAML:
    """Return a new parser; used ones keep state, and threads must not share them."""
    parser = YAML(typ="rt", pure=True)
    parser.Scanner = _ShallowScanner
    parser.Representer = _Representer
    parser.preserve_quotes = True
    parser.width = _WIDE
    parser.indent(mapping=2, sequence=4, offset=2)
    return parser
