"""Every call of the client and of the questions under one name, for tests that make each of them."""

from typing import Any

from reconciler.providers.base import Provider


class AllCalls:
    """What `provider` can be asked and told, wherever it stands."""

    def __init__(self, provider: Provider) -> None:
        self._parts = (provider.reads, provider.questions)

    def __getattr__(self, name: str) -> Any:
        return next(getattr(part, name) for part in self._parts if hasattr(part, name))
