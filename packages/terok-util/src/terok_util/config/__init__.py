"""Layered configuration: scopes from files, merged from the lowest to the highest, every value with its origin."""

from __future__ import annotations

from terok_util.lazy import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_util.config.merge import deep_merge as deep_merge
    from terok_util.config.scopes import ConfigScope as ConfigScope
    from terok_util.config.scopes import load_json_scope as load_json_scope
    from terok_util.config.scopes import load_yaml_scope as load_yaml_scope
    from terok_util.config.stack import ConfigStack as ConfigStack
    from terok_util.config.stack import Origin as Origin
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            ".merge": "deep_merge",
            ".scopes": "ConfigScope load_json_scope load_yaml_scope",
            ".stack": "ConfigStack Origin",
        },
    )
