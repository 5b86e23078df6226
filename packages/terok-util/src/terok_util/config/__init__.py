"""Layered configuration: scopes from files, merged from the lowest to the highest, every value with its origin."""

from __future__ import annotations

from terok_util.lazy import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_util.config.merge import deep_merge
    from terok_util.config.scopes import ConfigScope, load_json_scope, load_yaml_scope
    from terok_util.config.stack import ConfigStack, Origin

    __all__ = ["ConfigScope", "ConfigStack", "Origin", "deep_merge", "load_json_scope", "load_yaml_scope"]
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "ConfigScope": ".scopes",
            "ConfigStack": ".stack",
            "Origin": ".stack",
            "deep_merge": ".merge",
            "load_json_scope": ".scopes",
            "load_yaml_scope": ".scopes",
        },
    )
