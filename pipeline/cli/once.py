"""Options that take one value are given once: of two, one would be passed over in silence."""

from collections import Counter
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption

from pipeline.cli.problems import UsageError


class _Command(TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 # its type is private
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for each, times in Counter(given).items():
            if times > 1 and isinstance(each, TyperOption) and _takes_one(each):
                raise UsageError(f"{each.opts[0]}: is given {times} times, and takes one value")
        return super().parse_args(ctx, args)


def _takes_one(option: TyperOption) -> bool:
    return not (option.multiple or option.is_flag or option.count)


def each_option_once(app: typer.Typer) -> None:
    """Hold all commands of an application, and of those within it, to this."""
    for command in app.registered_commands:
        command.cls = _Command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            each_option_once(group.typer_instance)
