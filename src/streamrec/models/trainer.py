"""Training a PyTorch network: one loop for every model of the book.

AdamW on mini-batches, a warm-up and a schedule, clipped gradients, early stopping on a
validation score, a checkpoint. Three promises:

*Deterministic.* Every random number (order of the rows, dropout, negatives) is a
function of the seed and of the step's number, and nothing global is seeded: the state
of PyTorch's generator is the same after training as before it.

*Exact resume.* Training that was killed and is started again with the same arguments
ends with the weights of an uninterrupted run, bit for bit (same machine, same number
of threads).

*Many processes.* Under ``torchrun`` the same call trains on slices of the same global
batches and adds up their gradients, so its weights are those of one process, to the
tolerance of floating-point sums. (Dropout masks differ between the processes: with
dropout the two agree in law only.)

Source: Loshchilov and Hutter (2019), Decoupled weight decay regularization.
Shapes: n training rows, B rows in a batch.
"""

from __future__ import annotations

import copy
import json
import math
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

Loss = Callable[[nn.Module, dict[str, Tensor], torch.Generator], Any]
FORMAT = 1  # raised when a checkpoint's layout changes
ORDER, DRAWS, DROPOUT, START = range(4)  # streams of random numbers


@dataclass(frozen=True)
class TrainSettings:
    """How to train; what is trained is the network and the loss.

    epochs: passes over the rows. batch_size: rows in a global batch, about: a pass is
    cut into ceil(n / batch_size) batches of nearly equal size. lr: the highest step
    size. weight_decay: decoupled, on arrays of two or more axes (not on offsets and
    gains). warmup: share of the steps in which the step size rises from 0 to lr.
    schedule: "cosine" falls to 0 at the last step, "constant" stays. clip: largest norm
    of the whole gradient, None for no limit. patience: passes without a better
    validation score after which training stops, None to run all epochs. seed: of all
    random numbers.

    Raises ValueError for settings out of range.
    """

    epochs: int
    batch_size: int
    lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.05
    schedule: str = "cosine"
    clip: float | None = 1.0
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "lr", "clip", "patience"):
            value = getattr(self, name)
            if value is None and name in ("clip", "patience"):
                continue
            if not value > 0:
                raise ValueError(f"{name} must be positive, not {value}")
        if not self.weight_decay >= 0:
            raise ValueError(f"weight_decay must be >= 0, not {self.weight_decay}")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup must be a share in [0, 1), not {self.warmup}")
        if self.schedule not in ("cosine", "constant"):
            raise ValueError(
                f"schedule must be 'cosine' or 'constant', not {self.schedule!r}"
            )


@dataclass(frozen=True)
class History:
    """What happened: mean training loss of each pass, validation score of each pass.

    best_epoch: pass (from 0) whose weights the network has now: the best score, or the
    last pass without validation. seconds: of this call. resumed_from: steps that were
    already done when this call began, None if it started afresh.
    """

    losses: list[float]
    scores: list[float]
    best_epoch: int
    seconds: float
    resumed_from: int | None = None


# derivation
def learning_rate(step: int, steps: int, settings: TrainSettings) -> float:
    """Step size of step t = 0, 1, ..., T - 1 with w = round(warmup T) warm-up steps.

    lr (t + 1) / w for t < w; afterwards lr ("constant") or
    lr (1 + cos(pi (t - w) / (T - w))) / 2 ("cosine").

    >>> s = TrainSettings(epochs=1, batch_size=1, lr=0.4, warmup=0.2)
    >>> [round(learning_rate(t, 10, s), 3) for t in (0, 1, 2, 6)]
    [0.2, 0.4, 0.4, 0.2]
    """
    warm = round(settings.warmup * steps)
    if step < warm:
        return settings.lr * (step + 1) / warm
    if settings.schedule == "constant":
        return settings.lr
    return settings.lr * (1 + math.cos(math.pi * (step - warm) / (steps - warm))) / 2


def _mix(*numbers: int) -> int:
    """One seed from several numbers, without visible pattern."""
    words = np.random.SeedSequence(numbers).generate_state(2, np.uint32)
    return int(words[0]) << 31 ^ int(words[1])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it PyTorch draws from this seed; afterwards from where it was before.

    For the random start of a network: ``with seeded(0): network = nn.Linear(3, 1)``.

    >>> with seeded(1): a = torch.rand(1)
    >>> with seeded(1): b = torch.rand(1)
    >>> bool(a == b)
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_mix(seed, START))
        yield


# Processes.


def world() -> tuple[int, int]:
    """Number of the process and how many there are: (0, 1) outside ``torchrun``.

    The first call under ``torchrun`` joins the processes (gloo).

    >>> world()
    (0, 1)
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or not dist.is_available():
        return 0, 1
    if not dist.is_initialized():
        dist.init_process_group("gloo")
    return dist.get_rank(), dist.get_world_size()


def gather(t: Tensor) -> Tensor:
    """Rows of all processes under each other, (B_1 + B_2 + ..., ...); differentiable.

    For losses with negatives from the whole batch. One process: t itself. The slices
    may differ in length. A gradient with respect to the result flows back to the
    process whose rows they are, summed over the processes.

    >>> gather(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    if world()[1] == 1:
        return t
    result: Tensor = _Gather.apply(t) if t.requires_grad else _collect(t)[0]
    return result


def position() -> int:
    """Row of the global batch at which this process's slice begins, for ``gather``.

    Only inside a loss given to :func:`train`; 0 in one process.
    """
    return _slice[0]


def uniform(generator: torch.Generator, rows: int, *shape: int) -> Tensor:
    """Numbers in [0, 1) for the rows of this process's slice: (rows, *shape).

    A row gets the numbers that it would get if one process had the whole batch, so a
    loss that draws with it learns the same from any number of processes.

    >>> uniform(torch.Generator().manual_seed(0), 2, 3).shape
    torch.Size([2, 3])
    """
    begin, total = _slice
    drawn = torch.rand((max(total, begin + rows), *shape), generator=generator)
    return drawn[begin : begin + rows]


_slice = (0, 0)  # first row and number of rows of the global batch in training


def _collect(t: Tensor) -> tuple[Tensor, list[int]]:
    """Rows of all processes and how many each has."""
    rank, size = world()
    counts = [torch.zeros(1, dtype=torch.long) for _ in range(size)]
    dist.all_gather(counts, torch.tensor([len(t)]))
    lengths = [int(c) for c in counts]
    most = t.new_zeros((max(lengths), *t.shape[1:]))
    most[: len(t)] = t.detach()
    parts = [torch.empty_like(most) for _ in range(size)]
    dist.all_gather(parts, most)
    return torch.cat([p[:m] for p, m in zip(parts, lengths, strict=True)]), lengths


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, t: Tensor) -> Tensor:
        rows, lengths = _collect(t)
        ctx.begin = sum(lengths[: world()[0]])
        ctx.end = ctx.begin + len(t)
        return rows

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = grads[0].contiguous().clone()
        dist.all_reduce(total)
        return total[ctx.begin : ctx.end]


# The loop.


def train(
    network: nn.Module,
    loss: Loss,
    data: Mapping[str, Tensor],
    settings: TrainSettings,
    *,
    validate: Callable[[nn.Module], float] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    every: int | None = None,
    identity: str = "",
    label: str = "Training",
) -> History:
    """Train ``network`` in place; it is left in evaluation mode.

    loss(network, batch, generator): batch holds rows of ``data`` by name; what it draws
    comes from ``generator`` (the same numbers in every process). It returns the mean
    over the batch's rows, or a pair (total, weight) whose ratio is the mean: for means
    over something else than rows, such as places that are not padding.
    data: tensors with one first dimension n.
    validate(network) -> score, higher is better, after each pass, in evaluation mode
    and without gradients; the best pass's weights are kept. Under ``torchrun`` the
    first process alone computes it.
    checkpoint: file to go on from, if it exists, and to write after each pass and every
    ``every`` steps (a temporary name, then moved). It is left when training is done:
    the same call then returns the finished network at once. Under ``torchrun`` every
    process must see the file.
    identity: whatever else a checkpoint must agree with before it is used, as text;
    settings, network and data are compared anyhow, what the loss uses besides is not.

    Raises ValueError for data that do not fit together, a loss that is not finite, and
    a checkpoint that is damaged or belongs to another training.
    """
    run = _Run(network, loss, data, settings, validate, checkpoint, every)
    run.identity = identity
    with torch.random.fork_rng(devices=[]), _bar(label, run.steps) as progress:
        return run.run(progress)


class _Run:
    """State of one training; a checkpoint holds ``state()``."""

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        data: Mapping[str, Tensor],
        settings: TrainSettings,
        validate: Callable[[nn.Module], float] | None,
        checkpoint: str | os.PathLike[str] | None,
        every: int | None,
    ) -> None:
        self.network, self.loss, self.settings = network, loss, settings
        self.data, self.validate, self.every = dict(data), validate, every
        self.n = _rows(self.data)
        self.path = None if checkpoint is None else Path(checkpoint)
        self.identity = ""
        self.rank, self.size = world()
        self.batches = -(-self.n // settings.batch_size)
        self.steps = self.batches * settings.epochs
        if self.n // self.batches < self.size:
            raise ValueError(
                f"{self.n} rows in batches of {settings.batch_size} leave a process "
                f"of {self.size} without rows: raise batch_size or use fewer processes"
            )
        self.optimiser = _adamw(network, settings)
        self.generator = torch.Generator()
        self.step, self.total, self.weight = 0, 0.0, 0.0
        self.losses: list[float] = []
        self.scores: list[float] = []
        self.best_epoch, self.best = -1, None

    def run(self, progress: Callable[[int], None]) -> History:
        begin = time.perf_counter()
        resumed = self._resume()
        if resumed is None and self.size > 1:
            for tensor in self.network.state_dict().values():
                dist.broadcast(tensor, 0)
        self.network.train()
        order, drawn = torch.empty(0), -1
        while self.step < self.steps and not self._stopped():
            epoch, batch = divmod(self.step, self.batches)
            if drawn != epoch:
                order, drawn = self._order(epoch), epoch
            self._step(order.tensor_split(self.batches)[batch])
            progress(self.step)
            if self.step % self.batches == 0:
                self._close(epoch)
                self._save()
            elif self.every and self.step % self.every == 0:
                self._save()
        if self.best is not None:
            self.network.load_state_dict(self.best)
        self.network.eval()
        seconds = time.perf_counter() - begin
        best = self.best_epoch if self.best is not None else len(self.losses) - 1
        return History(self.losses, self.scores, best, seconds, resumed)

    def _stopped(self) -> bool:
        patience = self.settings.patience
        if patience is None or self.validate is None or self.step % self.batches:
            return False
        return len(self.scores) - 1 - self.best_epoch >= patience

    def _order(self, epoch: int) -> Tensor:
        generator = self.generator.manual_seed(_mix(self.settings.seed, ORDER, epoch))
        return torch.randperm(self.n, generator=generator)

    def _step(self, rows: Tensor) -> None:
        seed = self.settings.seed
        slices = rows.tensor_split(self.size)
        mine = slices[self.rank]
        global _slice
        _slice = (sum(len(s) for s in slices[: self.rank]), len(rows))
        torch.manual_seed(_mix(seed, DROPOUT, self.step, self.rank))
        self.generator.manual_seed(_mix(seed, DRAWS, self.step))
        self.optimiser.zero_grad(set_to_none=True)
        batch = {name: tensor[mine] for name, tensor in self.data.items()}
        found = self.loss(self.network, batch, self.generator)
        total, weight = found if isinstance(found, tuple) else (None, len(mine))
        whole = self._sum(float(weight))
        if total is None:
            objective = found * (float(weight) / whole)
        else:
            objective = total / max(whole, 1e-12)
        value = self._sum(float(objective.detach()))
        if not math.isfinite(value):
            raise ValueError(
                f"the training loss is not finite in step {self.step}: lower lr "
                f"(now {self.settings.lr}) or look for NaN in the data"
            )
        objective.backward()
        self._update()
        self.total += value * whole
        self.weight += whole
        self.step += 1

    def _sum(self, value: float) -> float:
        if self.size == 1:
            return value
        t = torch.tensor([value], dtype=torch.float64)
        dist.all_reduce(t)
        return float(t)

    def _update(self) -> None:
        parameters = [p for p in self.network.parameters() if p.requires_grad]
        if self.size > 1:
            grads = [
                torch.zeros_like(p) if p.grad is None else p.grad for p in parameters
            ]
            flat = torch.cat([g.reshape(-1) for g in grads])
            dist.all_reduce(flat)
            parts = flat.split([p.numel() for p in parameters])
            for p, part in zip(parameters, parts, strict=True):
                p.grad = part.view_as(p).clone()
        if self.settings.clip is not None:
            nn.utils.clip_grad_norm_(parameters, self.settings.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.steps, self.settings)
        self.optimiser.step()

    def _close(self, epoch: int) -> None:
        """End of a pass: its mean loss, its score, the best weights so far."""
        self.losses.append(self.total / max(self.weight, 1e-12))
        self.total = self.weight = 0.0
        if self.validate is None:
            return
        score = [0.0]
        if self.rank == 0:
            self.network.eval()
            with torch.no_grad():
                score = [float(self.validate(self.network))]
            self.network.train()
        if self.size > 1:
            t = torch.tensor(score, dtype=torch.float64)
            dist.broadcast(t, 0)
            score = t.tolist()
        self.scores += score
        if self.best is None or score[0] > self.scores[self.best_epoch]:
            self.best_epoch = epoch
            self.best = copy.deepcopy(self.network.state_dict())

    # Checkpoints.

    def _identity(self) -> str:
        """What a checkpoint must agree with: settings, network, data."""
        shapes = {k: list(v.shape) for k, v in self.network.state_dict().items()}
        sums = {}
        for name in sorted(self.data):
            array = self.data[name].detach().contiguous().numpy()
            crc = zlib.crc32(array.reshape(-1).view(np.uint8))
            sums[name] = [str(array.dtype), list(array.shape), crc]
        parts = [FORMAT, asdict(self.settings), shapes, sums]
        return json.dumps([*parts, self.validate is not None, self.identity])

    def _save(self) -> None:
        if self.path is None or self.rank != 0:
            return
        state = {
            "identity": self._identity(),
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "sums": [self.total, self.weight],
            "losses": self.losses,
            "scores": self.scores,
            "best_epoch": self.best_epoch,
            "best": self.best,
        }
        write_checkpoint(self.path, state)

    def _resume(self) -> int | None:
        """Go on from the checkpoint if there is one; the steps that it has done."""
        if self.size > 1:
            dist.barrier()
        if self.path is None or not self.path.exists():
            return None
        state = read_checkpoint(self.path)
        if state.get("identity") != self._identity():
            raise ValueError(
                f"{self.path} is the checkpoint of another training (settings, network "
                "or data differ): delete it to start afresh, or name another file"
            )
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, (self.total, self.weight) = state["step"], state["sums"]
        self.losses, self.scores = list(state["losses"]), list(state["scores"])
        self.best_epoch, self.best = state["best_epoch"], state["best"]
        return self.step


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Tensors and plain values to one file, which appears whole or not at all."""
    # One name, so that a killed run leaves no more than one draft behind.
    draft = path.with_name(path.name + ".tmp")
    try:
        with draft.open("wb") as file:
            torch.save(state, file)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What ``write_checkpoint`` wrote.

    Raises ValueError when the file is damaged or something else.
    """
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except OSError:
        raise
    except Exception as error:  # many types; all mean a file that cannot be used
        why = (str(error).splitlines() or [type(error).__name__])[0][:80]
        raise ValueError(
            f"{path} cannot be read as a checkpoint ({why}): delete it and start again"
        ) from None
    if not isinstance(state, dict):
        raise ValueError(f"{path} is not a checkpoint: delete it and start again")
    return state


# Small parts.


def _rows(data: dict[str, Tensor]) -> int:
    lengths = {name: len(t) for name, t in data.items()}
    if len(set(lengths.values())) != 1 or not max(lengths.values()):
        raise ValueError(
            f"data must be tensors with the same first dimension of at least 1, "
            f"not {lengths}"
        )
    return max(lengths.values())


def _adamw(network: nn.Module, settings: TrainSettings) -> torch.optim.AdamW:
    parameters = [p for p in network.parameters() if p.requires_grad]
    wide = [p for p in parameters if p.dim() > 1]
    thin = [p for p in parameters if p.dim() <= 1]
    groups = [
        {"params": wide, "weight_decay": settings.weight_decay},
        {"params": thin, "weight_decay": 0.0},
    ]
    groups = [g for g in groups if g["params"]]
    if not groups:
        raise ValueError("the network has nothing to train: no parameter needs a grad")
    return torch.optim.AdamW(groups, lr=settings.lr, fused=True)


@contextmanager
def _bar(label: str, steps: int, after: float = 2.0) -> Iterator[Callable[[int], None]]:
    """A function to tell the steps done; a bar on a terminal after two seconds."""
    if not sys.stderr.isatty() or world()[0]:
        with nullcontext():
            yield lambda step: None
        return
    from rich.console import Console
    from rich.progress import Progress

    begin = time.monotonic()
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(label, total=steps)

    def tell(step: int) -> None:
        if time.monotonic() - begin >= after:
            bar.start()
            bar.update(task, completed=step)

    try:
        yield tell
    finally:
        bar.stop()
