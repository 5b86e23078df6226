from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import terok_util
from terok_util.lazy import defer_module, load_reference


def test_every_public_name_is_there() -> None:
    assert set(terok_util.__all__) <= set(dir(terok_util))
    for name in terok_util.__all__:
        assert getattr(terok_util, name) is not None
    with pytest.raises(AttributeError, match="'terok_util' has no attribute 'absent'"):
        _ = terok_util.absent  # type: ignore[attr-defined]


@pytest.mark.parametrize("package", ["terok_util", "terok_util.process"])
def test_types_and_run_time_agree_on_the_names(package: str) -> None:
    """What a type checker reads as imports, carried out, gives the same objects as the recorded exports."""
    __import__(package)
    module = sys.modules[package]
    assert module.__file__ is not None
    source = Path(module.__file__).read_text()
    namespace = {"__name__": package, "__package__": package}
    assert source.count("with lazy_imports(globals()):") == 1
    exec(source.replace("with lazy_imports(globals()):", "if True:"), namespace)
    seen = {name for name in namespace if not name.startswith("__")}
    assert seen - {"annotations", "lazy_imports"} == set(module.__all__)
    assert [name for name in module.__all__ if namespace[name] is not getattr(module, name)] == []


def test_imports_of_other_modules_and_threads_go_on_while_exports_are_recorded(tmp_path: Path) -> None:
    (tmp_path / "facade.py").write_text(
        "import threading\n"
        "from terok_util.lazy import lazy_imports\n"
        "seen = []\n"
        "def elsewhere():\n"
        "    space = {'__name__': 'other'}\n"
        "    exec('from json import dumps', space)\n"
        "    seen.append(space['dumps']([1]))\n"
        "with lazy_imports(globals()):\n"
        "    from fractions import Fraction as Half\n"
        "    import base64\n"
        "    thread = threading.Thread(target=elsewhere)\n"
        "    thread.start()\n"
        "    thread.join()\n"
        "from json import loads\n"
    )
    code = (
        "import sys, facade; print(facade.seen, facade.__all__, 'fractions' in sys.modules, callable(facade.loads))\n"
        "print(facade.base64.b64encode(b''), facade.Half(1, 2), vars(facade)['Half'].__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "['[1]'] ['Half'] False True\nb'' 1/2 Fraction\n"


def test_importing_the_root_imports_nothing_else() -> None:
    code = "import sys, importlib, __future__; old = {*sys.modules}; import terok_util; print({*sys.modules} - old)"
    out = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    assert sorted(eval(out)) == ["terok_util", "terok_util.lazy"]


@pytest.mark.parametrize("reference", ["", "os", "os:", ":path", "os:absent", "os:path.absent"])
def test_wrong_references(reference: str) -> None:
    with pytest.raises(LookupError):
        load_reference(reference)


def test_references() -> None:
    assert load_reference("os:path.join")("a", "b") == "a/b"
    with pytest.raises(ModuleNotFoundError):
        load_reference("no_such_module:x")


def test_a_deferred_module_is_imported_when_it_is_used() -> None:
    code = (
        "import sys; from terok_util.lazy import defer_module; defer_module('inspect'); defer_module('inspect')\n"
        "import inspect as early, dataclasses\n"
        "@dataclasses.dataclass\nclass A:\n    '''Has a docstring.'''\n    x: int\n"
        "print('ast' in sys.modules)\n"
        "from inspect import signature\nimport inspect as late\n"
        "print(str(signature(A)), early.signature is signature is late.signature, 'ast' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    before, after = done.stdout.splitlines()
    assert after == "(x: int) -> None True True"
    assert before == ("True" if sys.version_info >= (3, 13) else "False")


def test_deferring_leaves_a_module_that_is_there_alone() -> None:
    present = sys.modules["re"]
    defer_module("re")
    assert sys.modules["re"] is present
