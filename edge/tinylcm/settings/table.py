"""Reads checked values out of one TOML table, and collects what is wrong instead of stopping at it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Table:
    """One table of a file.

    Every method returns a value that fits, or the default after noting a fault; `finish` notes the keys that nobody
    asked for. Sub-tables share the list of faults.
    """

    values: Mapping[str, Any]
    name: str
    folder: Path
    faults: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    def has(self, key: str) -> bool:
        """Says whether the file states the key."""
        return key in self.values

    def fault(self, key: str, text: str) -> None:
        """Notes what is wrong with a key."""
        self.faults.append(f"{self._full(key)}: {text}")

    def table(self, key: str) -> "Table":
        """Returns a sub-table, empty when the file has none."""
        return Table(self.mapping(key), self._full(key), self.folder, self.faults)

    def mapping(self, key: str) -> Mapping[str, Any]:
        """Returns a sub-table as it is."""
        found: Mapping[str, Any] = self._get(key, {}, lambda value: isinstance(value, dict), "a table")
        return found

    def text(
        self,
        key: str,
        default: str | None = None,
        *,
        choices: Sequence[str] = (),
        pattern: re.Pattern[str] | None = None,
        max_length: int = 4096,
    ) -> str:
        """Returns a text, "" after a fault without default."""

        def fits(value: Any) -> bool:
            return (
                isinstance(value, str)
                and len(value) <= max_length
                and (not choices or value in choices)
                and (pattern is None or pattern.fullmatch(value) is not None)
            )

        expected = f"text of at most {max_length} characters"
        if choices:
            expected = f"one of {', '.join(choices)}"
        elif pattern is not None:
            expected = f"text that matches {pattern.pattern}"
        return str(self._get(key, default, fits, expected) or "")

    def path(self, key: str, default: str | None = None) -> Path:
        """Returns a path, relative ones from the file's folder."""
        return self.folder / self.text(key, default)

    def paths(self, key: str) -> tuple[Path, ...]:
        """Returns a list of paths, empty by default."""

        def fits(value: Any) -> bool:
            return isinstance(value, list) and all(isinstance(item, str) for item in value)

        return tuple(self.folder / item for item in self._get(key, [], fits, "a list of file names"))

    def number(self, key: str, default: float | None = None, *, low: float, high: float) -> float:
        """Returns a finite number between two bounds, both allowed."""

        def fits(value: Any) -> bool:
            return type(value) in (int, float) and low <= value <= high

        return float(self._get(key, default, fits, f"a number from {low:g} to {high:g}") or 0)

    def whole(self, key: str, default: int, *, low: int, high: int) -> int:
        """Returns a whole number between two bounds, both allowed."""

        def fits(value: Any) -> bool:
            return type(value) is int and low <= value <= high

        return int(self._get(key, default, fits, f"a whole number from {low} to {high}"))

    def flag(self, key: str, default: bool) -> bool:
        """Returns true or false."""
        return bool(self._get(key, default, lambda value: isinstance(value, bool), "true or false"))

    def finish(self, *, hint: str = "unknown") -> list[str]:
        """Notes the keys nobody asked for, and returns all faults found so far."""
        for key in sorted(self.values.keys() - self.known):
            self.fault(key, f"is {hint}")
        return self.faults

    def _get(self, key: str, default: Any, fits: Callable[[Any], bool], expected: str) -> Any:
        self.known.add(key)
        if key not in self.values:
            if default is None:
                self.fault(key, f"is missing; expected {expected}")
            return default
        value = self.values[key]
        if not fits(value):
            self.fault(key, f"expected {expected}, got {value!r:.80}")
            return default
        return value

    def _full(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key
