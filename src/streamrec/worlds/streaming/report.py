"""A page and a figure about one world, from what can be observed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from streamrec.worlds.streaming.settings import LANGUAGES

if TYPE_CHECKING:
    from streamrec.worlds.streaming.world import StreamingWorld


def describe(world: StreamingWorld) -> str:
    """The page printed by ``world.describe()``: size, people, items, one week."""
    c = world._c
    who = np.arange(min(c.n_users, 5_000))
    log = world.log(7, users=who)
    world._runs.pop()  # a look, not a run that the truth refers to
    users, x = world.users, world._items
    rec, hit = log["recommended"].to_numpy(), log["clicked"].to_numpy()
    minutes = log["minutes"].to_numpy()
    known = int((users["signup_day"].to_numpy()[who] < 7).sum())
    first = users["language"].value_counts(normalize=True).head(3)
    kinds = np.bincount(x.format, minlength=3) / len(x.format)
    shares = np.bincount(x.language, minlength=8) / len(x.language)
    rows = np.bincount(log["user"], minlength=len(who))
    return "\n".join(
        [
            f"Streaming world, size {world.size}, seed {world.seed}, "
            f"version {world.version}",
            "",
            "Who and what",
            f"  {c.n_users:,} registered users, of whom "
            f"{int((users['signup_day'] >= 0).sum()):,} sign up during the first "
            f"{c.arrival_days} days",
            "  first languages: "
            + ", ".join(f"{k} {v:.0%}" for k, v in first.items())
            + ", five others",
            f"  {c.n_items:,} items by {x.n_creators:,} creators: "
            f"{kinds[0]:.0%} articles, {kinds[1]:.0%} videos, {kinds[2]:.0%} podcasts",
            "  languages of items: "
            + ", ".join(f"{g} {s:.0%}" for g, s in zip(LANGUAGES, shares, strict=True)),
            "",
            f"One week of the incumbent (bernoulli logging, {len(who):,} users)",
            f"  {len(log):,} impressions, {rows[rows > 0].mean():.0f} for each of the "
            f"{(rows > 0).sum():,} users who came",
            f"  recommended {rec.mean():.1%} of impressions; click-through "
            f"{hit[rec].mean():.1%} recommended, {hit[~rec].mean():.1%} organic",
            f"  {hit.sum():,} plays, {(hit & rec).sum() / hit.sum():.0%} of them from "
            f"the carousel; {minutes[hit].mean():.1f} minutes a play",
            f"  {minutes.sum() / (7 * known):.1f} minutes a day for a registered user",
            "",
            "How to use it",
            "  log(days, policy, mode)     impressions with propensities",
            "  user_item_weeks(log)        one row a user-item-week",
            "  experiment(new, old, unit)  policy against policy, A/A included",
            "  contexts, step, evaluate    bandits and policy values",
            "  truth                       what only the world knows; never data",
            "",
            "What it cannot show: people. A method that succeeds here is sound under",
            "the written equations; whether they hold elsewhere is another question.",
        ]
    )


def plot(world: StreamingWorld) -> Any:
    """Four panels: popularity by rank, sessions a user, the week, exposure by language.

    Each answers one question: how long the tail is, how uneven users are, when people
    come, and which languages the carousel shows.
    """
    import matplotlib.pyplot as plt

    log = world.log(14, users=np.arange(min(world._c.n_users, 2_000)))
    world._runs.pop()
    fig, axes = plt.subplots(2, 2, figsize=(7.2, 5.2), layout="constrained")
    plays = np.bincount(world.ratings(np.arange(min(world._c.n_users, 2_000)))["item"])
    count = np.sort(plays[plays > 0])[::-1]
    axes[0, 0].loglog(np.arange(1, len(count) + 1), count)
    axes[0, 0].set(title="Popularity", xlabel="rank of item", ylabel="ratings")
    visits = log.groupby("user")["session"].nunique()
    axes[0, 1].hist(visits, bins=np.arange(0.5, visits.max() + 1.5), density=True)
    axes[0, 1].set(
        title="Sessions in 14 days", xlabel="sessions", ylabel="share of users"
    )
    hour = log.drop_duplicates(["user", "session"])["timestamp"].dt.hour
    axes[1, 0].hist(hour, bins=np.arange(25), density=True)
    axes[1, 0].set(title="When people come", xlabel="hour of day", ylabel="share")
    g = world._items.language[log["item"].to_numpy()[log["recommended"].to_numpy()]]
    size = np.maximum(np.bincount(world._items.language, minlength=8), 1)
    per_item = np.bincount(g, minlength=8) / size
    axes[1, 1].bar(LANGUAGES, per_item / per_item.mean())
    axes[1, 1].set(
        title="Carousel exposure an item", xlabel="language of creator", ylabel="ratio"
    )
    return fig
