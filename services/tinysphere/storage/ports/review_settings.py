"""The settings of reviewing inside a transaction."""

from typing import Protocol

from tinysphere.domain.review import ReviewSettings


class SettingsSteps(Protocol):
    """The settings inside a transaction. Their lock comes before every other of that transaction.

    Who takes verdicts shares it; who changes the settings or the catalogue of labels holds it alone. So nobody judges
    by settings, or names a label, that changes at that moment.
    """

    def share(self) -> ReviewSettings:
        """Returns the settings, which stay as they are until the transaction ends."""

    def lock(self) -> ReviewSettings:
        """Returns the settings when nobody else uses them, and keeps them until the transaction ends."""

    def put(self, settings: ReviewSettings) -> None:
        """Stores settings; `lock` them first."""
