"""Every kind of archive that is sent, by name."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.reliability import archives_bytes, archives_names
from tests.reliability.archives_craft import Craft, Crafted

_CORPUS_EACH = 8

KINDS: Mapping[str, Callable[[Craft], Crafted]] = {
    make.__name__: make
    for make in (
        archives_bytes.honest,
        archives_bytes.bomb,
        archives_bytes.nested,
        archives_bytes.overlapping,
        archives_bytes.odd_zip,
        archives_bytes.truncated,
        archives_bytes.flipped,
        archives_bytes.spliced,
        archives_bytes.wrong_size,
        archives_bytes.long_header,
        archives_bytes.wrong_digest,
        archives_bytes.damaged_manifest,
        archives_bytes.damaged_records,
        archives_bytes.other_format,
        archives_bytes.noise,
        archives_bytes.gzip_tail,
        archives_names.escaping_path,
        archives_names.nul_in_name,
        archives_names.special_member,
        archives_names.special_zip_member,
        archives_names.duplicate,
        archives_names.look_alike,
        archives_names.many_members,
    )
}


def corpus(outside: Path) -> Iterator[Crafted]:
    """The fixed ones: some of each kind, the same in every run but for their ids."""
    for number, (name, index) in enumerate((name, index) for name in KINDS for index in range(_CORPUS_EACH)):
        rng = random.Random(f"{name}/{index}")
        yield KINDS[name](Craft(name, number, rng, outside))


def generated(count: int, seed: int, outside: Path, *, first: int = 0) -> Iterator[Crafted]:
    """``count`` more from the one numbered ``first`` on, each kind as often as another; numbered after the corpus."""
    names = list(KINDS)
    for index in range(first, first + count):
        rng = random.Random(f"{seed}/{index}")
        name = names[index % len(names)]
        yield KINDS[name](Craft(name, len(names) * _CORPUS_EACH + index, rng, outside))
