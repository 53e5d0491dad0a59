"""Batches side by side on a CPU, each in a lane: a thread with its share of torch's threads.

Some steps of a network are done by one thread alone, and after the others all wait for the slowest. Lanes wait for
nobody, and what is to be done before and after the network is done side by side, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def lanes(count: int) -> Iterator[Executor]:
    """So many lanes; one is this thread itself, with all it has. At the end what has begun is waited for, and what has
    not is left out."""
    if count == 1:
        yield _ThisThread()
        return
    threads = torch.get_num_threads()
    shares = [threads // count + (number < threads % count) for number in range(count)]

    def begin() -> None:
        torch.get_num_threads()  # the first time a thread asks, it forgets what it was given before
        torch.set_num_threads(shares.pop())

    pool = ThreadPoolExecutor(count, "lane", begin)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # threads that come later start with what any thread was given last


class _ThisThread(Executor):
    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(call(*arguments, **named))
        return future
