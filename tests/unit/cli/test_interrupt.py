"""Ctrl-C is a wish first and an end when repeated; the work says when it no longer listens."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from clusterbayes.cli.interrupt import stoppable

SIGNALS = [signal.SIGINT, signal.SIGTERM]


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_a_wish_the_second_an_end(number):
    with stoppable() as stop:
        assert not stop.wanted()
        send(number)
        assert stop.wanted()
        with pytest.raises(KeyboardInterrupt):
            send(number)


@pytest.mark.parametrize("number", SIGNALS)
def test_work_that_does_not_listen_ends_at_once(number):
    with stoppable() as stop:
        stop.now()
        with pytest.raises(KeyboardInterrupt):
            send(number)


def test_a_wish_that_was_not_heard_in_time_is_not_lost():
    with stoppable() as stop:
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            stop.now()


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(ValueError), stoppable():
        assert [signal.getsignal(number) for number in SIGNALS] != before
        raise ValueError
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_other_threads_can_use_it_too():
    seen = []

    def work():
        with stoppable() as stop:
            seen.append(stop.wanted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
