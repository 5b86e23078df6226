"""The walls between rooms and wheels hold, and what checks them sees each way to break one."""

from __future__ import annotations

from pathlib import Path

import pytest
from import_walls import Layers, problems, repository_problems

LAYERS = Layers("one", (frozenset({"cli"}), frozenset({"gate", "shield"}), frozenset({"values"})), frozenset())
CLEAN = {
    "one/__init__.py": 'from x import lazy\nT = lazy({".cli": "main", ".gate.mirror": "Mirror"})\n',
    "one/cli.py": 'from one.gate import mirror\nVERBS = {"push": "one.shield:check"}\n',
    "one/gate/__init__.py": '"""The room of one.cli and "one.cli"."""\n',
    "one/gate/mirror.py": "from one.values import Scope\n",
    "one/shield.py": 'ARGV = ["python3", "-m", "one.cli"]\n',
    "one/values.py": "class Scope: ...\n",
    "two/__init__.py": "",
    "two/user.py": "from one import main\nfrom two import user as itself\n",
}
BROKEN = [
    (
        "one/values.py",
        "def f():\n    from one.gate.mirror import Mirror\n",
        "one.values:2: imports upwards: one.gate.mirror",
    ),
    ("one/values.py", "if TYPE_CHECKING:\n    import one.shield\n", "one.values:2: imports upwards: one.shield"),
    ("one/gate/mirror.py", 'ENTRY = "one.cli:main"\n', "one.gate.mirror:1: imports upwards: one.cli"),
    ("one/gate/mirror.py", "from .. import shield\n", "one.gate.mirror:1: imports upwards: one.shield"),
    ("one/extra.py", "", "one.extra: is in no layer"),
    ("two/user.py", "from one.gate import mirror\n", "two.user:1: imports inside a sibling: one.gate.mirror"),
    ("two/user.py", 'NAME = "one.gate.mirror:Mirror"\n', "two.user:1: imports inside a sibling: one.gate.mirror"),
    ("one/gate/refs.py", "from one.gate import a\n", "a circle of files: one.gate.a, one.gate.refs"),
    ("one/gate/refs.py", "def f():\n    import one.gate.a\n", "a circle of files: one.gate.a, one.gate.refs"),
    ("one/gate/refs.py", "if TYPE_CHECKING:\n    from .a import A\n", "a circle of files: one.gate.a, one.gate.refs"),
    ("one/gate/refs.py", 'A = "one.gate.a:A"\n', "a circle of files: one.gate.a, one.gate.refs"),
]


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_tree_without_faults_has_none(tmp_path: Path) -> None:
    assert problems([write(tmp_path, CLEAN)], [LAYERS]) == []


@pytest.mark.parametrize(("name", "text", "fault"), BROKEN)
def test_each_way_to_break_a_wall_is_seen(tmp_path: Path, name: str, text: str, fault: str) -> None:
    other = {"one/gate/a.py": "import one.gate.refs\n"} if name == "one/gate/refs.py" else {}
    assert fault in problems([write(tmp_path, CLEAN | other | {name: text})], [LAYERS])


def test_the_repository_keeps_its_walls() -> None:
    assert repository_problems() == []
