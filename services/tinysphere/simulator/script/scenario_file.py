"""Scenarios from TOML files. A mistake is refused with the name of its field."""

import math
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args, get_type_hints

from tinysphere.errors import InvalidFieldError
from tinysphere.simulator.script.chance import Range
from tinysphere.simulator.script.scenario import Limits, Scenario

MAX_FILE_BYTES = 64 * 1024
_SHIPPED = files("tinysphere.simulator") / "scenarios"
_SHOWN_CHARACTERS = 40


def shipped_names() -> list[str]:
    """Names of the scenarios that come with the simulator."""
    return sorted(
        entry.name.removesuffix(".toml") for entry in _SHIPPED.iterdir() if entry.name.endswith(".toml")
    )


def load_scenario(name_or_path: str) -> Scenario:
    """A shipped scenario by its name, or one from a file.

    Raises:
        InvalidFieldError: There is no such scenario, it is no TOML, or a field breaks its limits.
    """
    if name_or_path in shipped_names():
        return parse_scenario((_SHIPPED / f"{name_or_path}.toml").read_text(encoding="utf-8"))
    try:
        with Path(name_or_path).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        expected = f"one of {', '.join(shipped_names())}, or a TOML file"
        raise InvalidFieldError("scenario", expected, _shown(name_or_path)) from error
    if len(content) > MAX_FILE_BYTES:
        raise InvalidFieldError("scenario", f"a file of at most {MAX_FILE_BYTES} bytes", "a longer one")
    try:
        return parse_scenario(content.decode())
    except UnicodeDecodeError as error:
        raise InvalidFieldError("scenario", "UTF-8 text", str(error)) from error


def parse_scenario(text: str) -> Scenario:
    """A scenario from TOML; fields left out have their defaults.

    Raises:
        InvalidFieldError: It is no TOML, or a field is unknown or breaks its limits.
    """
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidFieldError("scenario", "TOML", str(error)) from error
    sections = get_type_hints(Scenario)
    _refuse_unknown("", tables, sections)
    return Scenario(
        **{name: _read_section(name, tables.get(name, {}), kind) for name, kind in sections.items()}
    )


def _read_section(name: str, table: Any, kind: type) -> Any:
    if not isinstance(table, Mapping):
        raise InvalidFieldError(name, "a table", _shown(table))
    hints = get_type_hints(kind, include_extras=True)
    _refuse_unknown(f"{name}.", table, hints)
    return kind(**{key: _read_value(f"{name}.{key}", value, hints[key]) for key, value in table.items()})


def _read_value(path: str, value: Any, hint: Any) -> Any:
    if hint is bool:
        if not isinstance(value, bool):
            raise InvalidFieldError(path, "true or false", _shown(value))
        return value
    kind, limits = get_args(hint)
    if kind == Range:
        if not isinstance(value, list) or len(value) != 2:
            raise InvalidFieldError(path, "two numbers, the lower one first", _shown(value))
        low, high = (_read_number(f"{path}[{place}]", bound, limits) for place, bound in enumerate(value))
        if low > high:
            raise InvalidFieldError(path, "two numbers, the lower one first", _shown(value))
        return float(low), float(high)
    number = _read_number(path, value, limits)
    if kind is int and not isinstance(number, int):
        raise InvalidFieldError(path, "a whole number", _shown(value))
    return kind(number)


def _read_number(path: str, value: Any, limits: Limits) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidFieldError(path, "a finite number", _shown(value))
    if not limits.minimum <= value <= limits.maximum:
        expected = f"a number from {limits.minimum:g} to {limits.maximum:g}"
        raise InvalidFieldError(path, expected, _shown(value))
    return value


def _refuse_unknown(prefix: str, table: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for name in table:
        if name not in known:
            path = f"{prefix}{name}"[:_SHOWN_CHARACTERS]
            raise InvalidFieldError(path, f"one of {', '.join(known)}", "an unknown name")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
