"""Batches side by side on a CPU, each in a lane: a thread with its share of torch's threads.

When many threads work on one batch, some steps of a network use only one of them, and after every other step all wait
for the slowest. Lanes do not wait for each other. They also prepare slices, and restore results, side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def lanes(count: int) -> Iterator[Executor]:
    """An executor with `count` threads, each with its share of torch's threads. With a `count` of 1, it runs everything
    at once in the calling thread, which has all of torch's threads.

    When the block ends, it waits for what has begun, and drops what has not.
    """
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
