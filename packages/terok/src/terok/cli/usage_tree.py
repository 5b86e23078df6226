"""`terok usage`: data only."""

from __future__ import annotations

from terok_util import ArgDef, CommandDef

USAGE = CommandDef(
    "usage",
    help="what tasks have used and cost",
    handler="terok.cli.usage:usage",
    args=(
        ArgDef(
            "--by", choices=("task", "project", "day", "model", "agent"), default="task", help="add up by (%(default)s)"
        ),
        ArgDef("--since", metavar="TIME", help="only since then: 24h, 7d, or a date"),
        ArgDef("--csv", dest="as_csv", action="store_true", help="print CSV", group="format"),
        ArgDef("--json", dest="as_json", action="store_true", help="print JSON", group="format"),
    ),
    epilog="""\
A cost is `?` where a price is not known, and `plan` where a subscription pays for the calls. Days are those of UTC. A
journal that has grown large is put together: what it held then counts on the day of its last row.
""",
    source="terok",
)
