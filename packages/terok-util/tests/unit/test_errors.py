from __future__ import annotations

import pickle

from terok_util import ConfigError, FileError, LockTimeout, TerokError, UsageError, YAMLError, process


def test_message_hint_and_exit_code() -> None:
    error = UsageError("what happened", hint="what to do")
    assert (str(error), error.message, error.hint, error.exit_code) == (
        "what happened",
        "what happened",
        "what to do",
        2,
    )
    assert TerokError("x").hint is None
    assert pickle.loads(pickle.dumps(error)).hint == "what to do"


def test_one_tree() -> None:
    codes = {kind.__name__: kind.exit_code for kind in (TerokError, FileError, LockTimeout, ConfigError, YAMLError)}
    assert codes == {"TerokError": 1, "FileError": 1, "LockTimeout": 75, "ConfigError": 78, "YAMLError": 78}
    assert issubclass(process.ToolNotFound, process.ProcessError)
    assert issubclass(process.ProcessError, TerokError)
    assert (process.ToolNotFound.exit_code, process.ProcessTimeout.exit_code) == (127, 124)
