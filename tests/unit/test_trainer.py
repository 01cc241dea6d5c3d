"""The trainer: schedule, seeds, exact resume, early stopping, several processes."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from streamrec.models.trainer import (
    TrainSettings,
    gather,
    learning_rate,
    read_checkpoint,
    seeded,
    train,
)


def regression(n=200, p=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)).astype(np.float32)
    y = (X @ rng.standard_normal(p) + 0.1 * rng.standard_normal(n)).astype(np.float32)
    return {"X": torch.from_numpy(X), "y": torch.from_numpy(y)}


def make(dropout=0.2, seed=0):
    with seeded(seed):
        return nn.Sequential(
            nn.Linear(6, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 1)
        )


def squared(network, batch, generator):
    noise = 0.01 * torch.randn(1, generator=generator)
    return ((network(batch["X"])[:, 0] - batch["y"] + noise) ** 2).mean()


def weights(network):
    return torch.cat([p.detach().reshape(-1) for p in network.parameters()])


SHORT = TrainSettings(epochs=4, batch_size=32, lr=0.01)


class Killed(Exception):
    """Stands for the end of the process."""


def kill_at(step):
    """A loss that dies in the given step of this call."""
    count = [0]

    def loss(network, batch, generator):
        if count[0] == step:
            raise Killed
        count[0] += 1
        return squared(network, batch, generator)

    return loss


# The schedule.


@pytest.mark.parametrize("steps, warmup", [(100, 0.1), (7, 0.3), (10, 0.0)])
def test_the_schedule_rises_to_lr_and_falls_along_half_a_cosine(steps, warmup):
    s = TrainSettings(epochs=1, batch_size=1, lr=0.3, warmup=warmup)
    w = round(warmup * steps)
    expected = [0.3 * (t + 1) / w for t in range(w)]
    expected += [
        0.3 * math.cos(math.pi * (t - w) / (2 * (steps - w))) ** 2
        for t in range(w, steps)
    ]
    assert [learning_rate(t, steps, s) for t in range(steps)] == pytest.approx(expected)


def test_a_constant_schedule_stays():
    s = TrainSettings(epochs=1, batch_size=1, lr=0.3, warmup=0.2, schedule="constant")
    found = [learning_rate(t, 10, s) for t in range(10)]
    assert found == pytest.approx([0.15, *[0.3] * 9])


# Learning.


def test_it_learns_and_returns_to_evaluation_mode():
    network = make(dropout=0.0)
    s = TrainSettings(epochs=60, batch_size=32, lr=0.02)
    history = train(network, squared, regression(), s)
    assert history.losses[-1] < 0.1 < 1 < history.losses[0]
    assert not network.training
    assert history.best_epoch == 59 and len(history.losses) == 60


def test_one_step_is_adamw_with_a_clipped_gradient():
    data = regression(32)
    s = TrainSettings(1, 32, lr=0.01, warmup=0.0, clip=0.5, weight_decay=0.1)
    network, twin = make(0.0), make(0.0)

    def loss(net, batch, generator):
        return ((net(batch["X"])[:, 0] - batch["y"]) ** 2).mean()

    train(network, loss, data, s)
    names = dict(twin.named_parameters())
    groups = [
        {"params": [names["0.weight"], names["3.weight"]], "weight_decay": 0.1},
        {"params": [names["0.bias"], names["3.bias"]], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=0.01)
    loss(twin, data, None).backward()
    nn.utils.clip_grad_norm_(twin.parameters(), 0.5)
    adamw.step()
    torch.testing.assert_close(weights(network), weights(twin), rtol=1e-5, atol=1e-7)


def test_a_total_with_its_weight_is_the_same_as_their_mean():
    def pair(network, batch, generator):
        noise = 0.01 * torch.randn(1, generator=generator)
        e = (network(batch["X"])[:, 0] - batch["y"] + noise) ** 2
        return e.sum(), len(e)

    a, b = make(), make()
    first = train(a, squared, regression(), SHORT)
    second = train(b, pair, regression(), SHORT)
    torch.testing.assert_close(weights(a), weights(b))
    assert first.losses == pytest.approx(second.losses, rel=1e-5)


def test_batches_are_of_nearly_equal_size_and_hold_every_row_once():
    seen = []

    def loss(network, batch, generator):
        seen.append(batch["row"])
        return network(batch["X"]).mean()

    data = {"X": torch.randn(21, 6), "row": torch.arange(21)}
    train(make(), loss, data, TrainSettings(epochs=2, batch_size=10))
    assert [len(s) for s in seen] == [7] * 6
    for part in (seen[:3], seen[3:]):
        assert torch.cat(part).sort().values.tolist() == list(range(21))
    assert torch.cat(seen[:3]).tolist() != torch.cat(seen[3:]).tolist()


# Seeds.


def test_a_seed_decides_everything_and_nothing_global_changes():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    runs = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        network = make()
        train(network, squared, regression(), SHORT)
        runs.append(weights(network))
    assert torch.equal(*runs)
    torch.random.set_rng_state(before)
    train(make(), squared, regression(), SHORT)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_another_seed_is_another_training():
    a, b = make(), make()
    train(a, squared, regression(), SHORT)
    train(b, squared, regression(), TrainSettings(4, 32, lr=0.01, seed=1))
    assert not torch.allclose(weights(a), weights(b))


# Validation.


def test_the_best_pass_is_kept_and_patience_stops():
    scores = iter([0.1, 0.5, 0.3, 0.5, 0.2, 0.9])
    kept = []

    def validate(network):
        assert not network.training and not torch.is_grad_enabled()
        kept.append(weights(network))
        return next(scores)

    network = make()
    s = TrainSettings(epochs=6, batch_size=32, patience=3)
    history = train(network, squared, regression(), s, validate=validate)
    assert history.scores == [0.1, 0.5, 0.3, 0.5, 0.2]
    assert history.best_epoch == 1
    assert torch.equal(weights(network), kept[1])


# Checkpoints.


@pytest.mark.parametrize("kills", [(0,), (3,), (7, 1), (13, 4, 2), (27,)])
@pytest.mark.parametrize("every", [None, 2])
def test_resume_is_exact(tmp_path, kills, every):
    def validate(network):
        return -float(weights(network).abs().sum() % 1)

    whole = make()
    expected = train(whole, squared, regression(), SHORT, validate=validate)
    file = tmp_path / "state.pt"
    for step in kills:
        # A start that a checkpoint must replace, once there is one.
        network = make(seed=9 if file.exists() else 0)
        with pytest.raises(Killed):
            train(
                network,
                kill_at(step),
                regression(),
                SHORT,
                validate=validate,
                checkpoint=file,
                every=every,
            )
    network = make()
    found = train(
        network, squared, regression(), SHORT, validate=validate, checkpoint=file
    )
    assert torch.equal(weights(network), weights(whole))
    assert found.losses == expected.losses and found.scores == expected.scores
    assert found.best_epoch == expected.best_epoch
    assert list(tmp_path.iterdir()) == [file]


def test_finished_training_is_not_repeated(tmp_path):
    file = tmp_path / "state.pt"
    first, second = make(), make(seed=1)
    train(first, squared, regression(), SHORT, checkpoint=file)
    history = train(second, kill_at(0), regression(), SHORT, checkpoint=file)
    assert history.resumed_from == 28
    assert torch.equal(weights(first), weights(second))


def test_a_damaged_checkpoint_is_named(tmp_path):
    file = tmp_path / "state.pt"
    train(make(), squared, regression(), SHORT, checkpoint=file)
    whole = file.read_bytes()
    for damaged in (b"", b"not a checkpoint", whole[: len(whole) // 2]):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"state\.pt .*delete it"):
            train(make(), squared, regression(), SHORT, checkpoint=file)


@pytest.mark.parametrize("other", ["settings", "data", "network", "identity"])
def test_a_foreign_checkpoint_is_refused(tmp_path, other):
    file = tmp_path / "state.pt"
    train(make(), squared, regression(), SHORT, checkpoint=file)
    s = TrainSettings(5, 32, lr=0.01) if other == "settings" else SHORT
    data = regression(seed=1 if other == "data" else 0)
    network = nn.Linear(6, 1) if other == "network" else make()
    with pytest.raises(ValueError, match="another training"):
        identity = "other" if other == "identity" else ""
        train(network, squared, data, s, checkpoint=file, identity=identity)


def test_a_failed_write_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    file = tmp_path / "state.pt"
    with pytest.raises(Killed):
        train(make(), kill_at(10), regression(), SHORT, checkpoint=file)
    before = file.read_bytes()

    def full(state, stream):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        train(make(), squared, regression(), SHORT, checkpoint=file)
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]


def test_checkpoints_hold_plain_values_only(tmp_path):
    file = tmp_path / "state.pt"
    train(make(), squared, regression(), SHORT, checkpoint=file)
    assert read_checkpoint(file)["step"] == 28


# Bad input.


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"lr": 0.0},
        {"weight_decay": -1.0},
        {"warmup": 1.0},
        {"schedule": "linear"},
        {"clip": 0.0},
        {"patience": 0},
    ],
)
def test_settings_out_of_range(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        TrainSettings(**{"epochs": 1, "batch_size": 1} | change)


def test_data_that_do_not_fit():
    with pytest.raises(ValueError, match="same first dimension"):
        train(make(), squared, {"X": torch.ones(3, 6), "y": torch.ones(2)}, SHORT)
    with pytest.raises(ValueError, match="same first dimension"):
        train(make(), squared, {"X": torch.ones(0, 6), "y": torch.ones(0)}, SHORT)


def test_a_loss_that_is_not_finite_says_what_to_do():
    data = regression()
    data["y"][3] = torch.nan
    with pytest.raises(ValueError, match="lower lr"):
        train(make(), squared, data, SHORT)


# Several processes.

PROCESSES = """
import sys, torch
from torch import nn
from streamrec.models.trainer import TrainSettings, gather, position, seeded
from streamrec.models.trainer import train, uniform, world

g = torch.Generator().manual_seed(0)
data = {"X": torch.randn(50, 6, generator=g), "Z": torch.randn(50, 5, generator=g),
        "w": torch.randint(0, 3, (50,), generator=g)}

class Towers(nn.Module):
    def __init__(self):
        super().__init__()
        # An offset in b would shift all logits of a row alike: its gradient is noise.
        self.a, self.b = nn.Linear(6, 4), nn.Linear(5, 4, bias=False)

def loss(network, batch, generator):
    a, b = network.a(batch["X"]), gather(network.b(batch["Z"]))
    target = torch.arange(len(a)) + position()
    noise = uniform(generator, len(a), 4)
    each = nn.functional.cross_entropy((a + noise) @ b.T, target, reduction="none")
    w = batch["w"].float()
    return (each * w).sum(), w.sum()

with seeded(world()[0]):  # only the first process's start may count
    network = Towers()
s = TrainSettings(epochs=3, batch_size=13, lr=0.01, patience=3)
def validate(network):
    return -float(network.a.weight.abs().sum())
history = train(network, loss, data, s, validate=validate, checkpoint=sys.argv[2])
if world()[0] == 0:
    out = {"weights": network.state_dict(), "losses": history.losses}
    torch.save(out, sys.argv[1])
"""


def torchrun(script: Path, n: int, *arguments: Path):
    command = [sys.executable, script, *arguments]
    if n > 1:
        command[1:1] = ["-m", "torch.distributed.run", "--standalone"]
        command[4:4] = [f"--nproc-per-node={n}"]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="gloo under torchrun")
def test_processes_together_learn_what_one_learns_alone(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(PROCESSES)
    found = []
    for n in (1, 2, 3):
        torchrun(script, n, tmp_path / f"{n}.pt", tmp_path / f"{n}.state")
        found.append(torch.load(tmp_path / f"{n}.pt", weights_only=True))
    for several in found[1:]:
        assert several["losses"] == pytest.approx(found[0]["losses"], rel=1e-5)
        for name, value in found[0]["weights"].items():
            torch.testing.assert_close(
                several["weights"][name], value, rtol=1e-4, atol=1e-6
            )


def test_gather_in_one_process_is_the_identity():
    t = torch.ones(2, 3, requires_grad=True)
    assert gather(t) is t
