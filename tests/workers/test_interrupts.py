"""Ctrl-C waits for the next step, wherever it falls; the second does not wait."""

from __future__ import annotations

import signal

import pytest

from workers.interrupts import interrupts_heard


class Interrupted:
    """Python forgets an exception that is raised while one of these ends."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def test_an_interrupt_is_heard_at_the_next_check(capfd: pytest.CaptureFixture[str]) -> None:
    with interrupts_heard() as check:
        check()
        Interrupted()
        assert "Ctrl-C again" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            check()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_second_interrupt_does_not_wait() -> None:
    with interrupts_heard():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
