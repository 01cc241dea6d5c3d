"""M9: the funnel: retrieve, rank, rules; the popular where a stage fails or is late."""

import queue
import threading
import time

import numpy as np


class Late(Exception):
    """A stage did not answer in time."""


class Lane:
    """A thread that runs stages; it is left behind when one hangs."""

    def __init__(self):
        self.tasks, self.done = queue.SimpleQueue(), queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self):
        while (task := self.tasks.get()) is not None:
            stage, args = task
            try:
                self.done.put((stage(*args), None))
            except Exception as error:
                self.done.put((None, error))

    def close(self):
        """End the thread, once what it runs has ended."""
        self.tasks.put(None)

    def run(self, stage, args, seconds):
        """What the stage returns, within so many seconds."""
        self.tasks.put((stage, args))
        try:
            value, error = self.done.get(timeout=max(seconds, 1e-3))
        except queue.Empty:
            raise Late from None
        if error is not None:
            raise error
        return value


def _whole_numbers(items):
    items = np.asarray(items)
    if items.ndim != 1 or items.dtype.kind not in "iu":
        raise ValueError("a retriever returns whole numbers")
    return items


def make_lists(users, retrieve, rank, popular, seen, blocked, k, deadline):
    """{"items": (B, k), "fallback": (B,)}: whether a stage failed or was late."""
    popular = np.asarray(popular)
    allowed = np.zeros(int(popular.max()) + 1, dtype=bool)
    allowed[popular] = True
    allowed[np.asarray(blocked, dtype=int)] = False
    lane, lists, told = Lane(), [], []
    for u, own in zip(np.asarray(users).tolist(), seen):
        mine = allowed.copy()
        mine[np.asarray(own, dtype=int)] = False
        end, best, failed = time.monotonic() + deadline, [], False
        try:
            found = _whole_numbers(lane.run(retrieve, (u,), end - time.monotonic()))
            inside = found[(found >= 0) & (found < len(mine))]
            failed = len(inside) < len(found) or len(found) == 0
            items = np.array(list(dict.fromkeys(inside[mine[inside]].tolist())), int)
            args = (u, items)
            scores = np.asarray(lane.run(rank, args, end - time.monotonic()), float)
            if scores.shape != items.shape or not np.isfinite(scores).all():
                raise ValueError("a ranker returns a number for each item")
            best = items[np.argsort(-scores, kind="stable")].tolist()
        except Exception as error:
            failed = True
            if isinstance(error, Late):
                lane.close()
                lane = Lane()
        mine[best] = False
        lists.append((best + popular[mine[popular]].tolist())[:k])
        told.append(failed)
    lane.close()
    return {"items": np.array(lists), "fallback": np.array(told)}
