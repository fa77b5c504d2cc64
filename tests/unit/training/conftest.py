"""What tests of training share: a job that is killed."""

from collections.abc import Callable

import pytest

from leukoflow.training import checkpoint


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Runs a training that is interrupted right after its first checkpoint is written."""
    saved = checkpoint.save

    def save_then_die(*arguments) -> None:
        saved(*arguments)
        raise KeyboardInterrupt

    def attempt(train: Callable[[], object]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "save", save_then_die)
            with pytest.raises(KeyboardInterrupt):
                train()

    return attempt
