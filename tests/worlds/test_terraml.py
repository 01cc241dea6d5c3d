"""TerraML: schema, secrecy, two distinct canonical objects, fields and stations.

Statistical tests allow 4.5 standard errors: a correct world fails one of them with
probability 7e-6, and the seeds are fixed.
"""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal

from streamrec.worlds.shape import WorldError, canon_of
from streamrec.worlds.terraml import (
    COLUMNS,
    SCENARIOS,
    TerraML,
    _ar1,
    calibration,
    forced_path,
    solve_bias,
)

SE = 4.5
HIDDEN = {"forced", "deviation", "pattern", "step", "trend_per_decade", "bias"}


@pytest.fixture(scope="module")
def world():
    return TerraML("small", seed=3)


@pytest.fixture(scope="module")
def tiny():
    return TerraML("tiny", seed=3)


@pytest.mark.parametrize("frame", COLUMNS)
def test_schema(tiny, frame):
    data = getattr(tiny, frame)
    assert list(data) == list(COLUMNS[frame])
    assert not set(data) & HIDDEN and not data.attrs
    assert not data.drop(columns="temperature", errors="ignore").isna().any().any()


def test_same_seed_same_bytes(tiny):
    again, other = TerraML("tiny", seed=3), TerraML("tiny", seed=4)
    assert tiny.fields.tobytes() == again.fields.tobytes() != other.fields.tobytes()
    for frame in COLUMNS:
        assert getattr(tiny, frame).to_csv() == getattr(again, frame).to_csv()
    first = tiny.model_field(3, "paris", 2080)
    assert_array_equal(first, again.model_field(3, "paris", 2080))
    view = tiny.fields
    view[:] = 0
    assert tiny.fields.tobytes() == again.fields.tobytes()


def test_a_dial_changes_only_what_it_is_about(tiny):
    gappy = TerraML("tiny", seed=3, gap_share=0.5)
    assert gappy.fields.tobytes() == tiny.fields.tobytes()
    assert_frame_equal(gappy.truth.station_temperature, tiny.truth.station_temperature)
    both = gappy.stations["temperature"].notna() & tiny.stations["temperature"].notna()
    assert_frame_equal(gappy.stations[both], tiny.stations[both])


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"size": "huge"}, WorldError, "choose from tiny, small, medium"),
        ({"stations": -2}, WorldError, "at least 1"),
        ({"stations": 900}, WorldError, "finer grid"),
        ({"latitudes": 2}, WorldError, "at least 6"),
        ({"seed": "0"}, WorldError, "seed"),
        ({"internal": 1}, TypeError, "unknown parameter 'internal'"),
        ({"internal_sd": -0.1}, WorldError, "0 or more"),
        ({"internal_sd": 3.0}, WorldError, "below 0.69"),
        ({"gap_share": 1.2}, WorldError, "share"),
        ({"persistence": 1.0}, WorldError, "below 1"),
    ],
)
def test_bad_input_says_what_to_do(kwargs, error, words):
    with pytest.raises(error, match=words):
        TerraML(**kwargs)


def test_bad_questions_say_what_to_do(tiny):
    with pytest.raises(WorldError, match="choose current or paris"):
        tiny.predictive("net-zero")
    with pytest.raises(WorldError, match="model must be 1 to 12"):
        tiny.model_field(13, "paris", 2050)
    with pytest.raises(WorldError, match="year must be 1980 to 2100"):
        tiny.model_field(1, "paris", 2150)


def test_pages(tiny):
    assert "two objects" in tiny.describe()
    assert len(tiny.plot().axes) == 5  # with the colour bar


# ------------------------------------------------------------------ the two objects
@pytest.mark.parametrize("seed", range(4))
def test_span_and_probability(seed):
    world, canon = TerraML("tiny", seed), canon_of("terraml")
    for s in SCENARIOS:
        values = world.ensemble.query("scenario == @s")["warming_2100"]
        assert_allclose([values.min(), values.max()], canon["span_celsius"][s])
        assert len(values) == canon["models"]
        above = world.predictive(s).probability_above(2.0)
        assert_allclose(100 * above, canon["percent_above_two_celsius"][s], rtol=1e-6)
        assert world.ensemble_normal(s).probability_above(2.0) > above + 0.1


def test_probability_is_the_share_of_worlds():
    n = 700
    above = np.zeros(2)
    bias = []
    for seed in range(n):
        world = TerraML("tiny", seed)
        above += world._warming[-1] > 2.0
        bias.append(world._bias)
    for k, s in enumerate(SCENARIOS):
        p = canon_of("terraml")["percent_above_two_celsius"][s] / 100
        assert abs(above[k] / n - p) < SE * np.sqrt(p * (1 - p) / n)
    mean, sd = solve_bias()
    assert abs(np.mean(bias) - mean) < SE * sd / np.sqrt(n)
    assert abs(np.std(bias) - sd) < SE * sd / np.sqrt(2 * n)


def test_predictive_distribution(tiny):
    p = tiny.predictive("current")
    rng = np.random.default_rng(0)
    draws = p.draw(20_000, rng)
    assert abs(draws.mean() - p.mean) < SE * p.sd / np.sqrt(20_000)
    assert_allclose(p.quantile(0.5), p.mean)
    assert_allclose(p.probability_above(float(p.quantile(0.3))), 0.7)


def test_averaging_models_does_not_remove_the_shared_bias(world):
    t = world.truth
    central = world.ensemble.groupby("scenario")["warming_2100"].mean()
    for s in SCENARIOS:
        assert_allclose(central[s] - t.forced[s], t.shared_bias)
        deviation = t.model_deviation.query("scenario == @s")["deviation"]
        assert abs(deviation.mean()) < 1e-12
    end = world.projections.query("year == 2100")
    runs = end.set_index(["model", "scenario"])["warming"]
    forced = world.ensemble.set_index(["model", "scenario"])["warming_2100"]
    gap = runs - forced
    assert abs(gap.mean()) < SE * 0.15 / np.sqrt(24)


def test_no_bias_means_models_are_right_on_average():
    world = TerraML("tiny", 0, bias_scale=0.0)
    assert world.truth.shared_bias == solve_bias()[0]
    assert world.predictive("current").sd == pytest.approx(0.15)


def test_forced_path_equation():
    t = np.arange(1980, 2101)
    x = (t - 2024) / 76
    past = 0.45 + 0.8 * (np.minimum(t - 1980, 44) / 44) ** 1.15
    late = t > 2024
    assert_allclose(forced_path(t, 3.1, "current"), past + late * 1.85 * x)
    expected = past + late * 0.85 * (1 - (1 - x) ** 2)
    assert_allclose(forced_path(t, 2.1, "paris"), expected)


def test_a_model_follows_the_forced_path_to_its_own_estimate():
    still = TerraML("tiny", 5, internal_sd=0.0)
    runs = still.projections.set_index(["model", "scenario", "year"])["warming"]
    for m, s, end in still.ensemble.itertuples(index=False):
        run = runs.loc[m, s]
        assert_allclose(run, forced_path(run.index, end, s))


def test_nothing_that_is_seen_knows_the_shared_bias():
    """Worlds that differ in the bias alone show the same data."""
    one, other = TerraML("tiny", 5), TerraML("tiny", 5, bias_scale=0.0)
    assert one.truth.shared_bias != other.truth.shared_bias
    for frame in one.columns:
        assert_frame_equal(getattr(one, frame), getattr(other, frame))
    assert (one.fields == other.fields).all()
    assert (
        one.model_field(3, "paris", 2090) == other.model_field(3, "paris", 2090)
    ).all()


def test_ar1_is_stationary_with_unit_variance():
    noise = np.random.default_rng(0).standard_normal((40, 20_000))
    x = _ar1(noise, 0.6)
    assert (np.abs(x.std(axis=1) - 1) < SE / np.sqrt(40_000)).all()
    lagged = (x[1:] * x[:-1]).mean(axis=1)
    assert (np.abs(lagged - 0.6) < SE * 1.2 / np.sqrt(20_000)).all()


def test_path(world):
    path = world.truth.path
    past = path.query("year <= 2024").pivot(
        index="year", columns="scenario", values="warming"
    )
    assert_array_equal(past["current"], past["paris"])  # one history
    end = path.query("year == 2100").set_index("scenario")["warming"]
    assert end.to_dict() == pytest.approx(dict(world.truth.warming))
    assert (np.diff(forced_path(np.arange(1980, 2101), 3.0, "current")) > 0).all()
    assert forced_path(2060, 2.5, "paris") > forced_path(2060, 2.5, "current")
    seen = world.global_means.set_index("year")["warming"]
    assert (np.abs(seen - past["current"]) < SE * 0.03).all()


# ----------------------------------------------------------------- fields, stations
def test_global_mean_of_the_fields_is_the_warming(world):
    weight = world.grid["area_weight"].to_numpy()
    assert_allclose(weight.sum(), 1)
    climate = (world.truth.climatology.reshape(12, -1) @ weight).mean()
    mean = world.fields.reshape(540, -1) @ weight
    path = world.truth.path.query("scenario == 'current' and year <= 2024")
    assert_allclose(
        mean.reshape(45, 12).mean(axis=1) - climate, path["warming"], atol=1e-3
    )


def test_fields_look_like_a_planet(world):
    f, grid = world.fields, world.grid
    assert f.dtype == np.float32 and -75 < f.min() < f.max() < 45
    assert 0.25 < (grid["land"] * grid["area_weight"]).sum() < 0.4
    pattern = world.truth.pattern
    assert_allclose((pattern.ravel() * grid["area_weight"]).sum(), 1)
    north, tropics = grid["lat"] > 70, grid["lat"].abs() < 20
    assert pattern.ravel()[north].mean() > 1.4 * pattern.ravel()[tropics].mean()
    july, january = f[6::12].mean(axis=0), f[0::12].mean(axis=0)
    assert (july - january)[-4:].mean() > 5 > -5 > (july - january)[:4].mean()


def test_weather_is_persistent(world):
    season = np.tile(np.arange(12), 45)
    residual = world.fields - world.truth.climatology[season]
    year = residual - residual.mean(axis=0)
    a, b = year[:-1].ravel(), year[1:].ravel()
    assert 0.3 < np.corrcoef(a, b)[0, 1] < 0.6


def test_model_field_has_the_run_as_its_mean(world):
    weight = world.grid["area_weight"].to_numpy()
    run = world.projections.query(
        "model == 'M05' and scenario == 'paris' and year == 2070"
    )
    field = world.model_field(5, "paris", 2070)
    assert_allclose(field.ravel() @ weight, run["warming"].iloc[0])


def test_gaps(world):
    lost = world.stations["temperature"].isna().to_numpy().reshape(60, -1)
    assert 0.04 < lost.mean() < 0.12
    after_gap = lost[:, 1:][lost[:, :-1]].mean()
    assert 0.8 < after_gap < 0.95  # spells of about eight months
    assert not TerraML("tiny", gap_share=0.0).stations["temperature"].isna().any()


def test_stations_find_their_trend(world):
    """Anomaly regression on the clean record; AR(1) errors widen the interval."""
    clean = (
        world.truth.station_temperature["temperature"].to_numpy().reshape(60, 45, 12)
    )
    annual = clean.mean(axis=2)
    t = np.arange(45) - 22.0
    slope = annual @ t / (t @ t)
    residual = annual - annual.mean(axis=1, keepdims=True) - np.outer(slope, t)
    se = (
        residual.std(axis=1) / np.sqrt(t @ t) * 2.2
    )  # (1 + phi)/(1 - phi), phi up to .65
    truth = world.truth.stations["trend_per_decade"] / 10
    assert (np.abs(slope - truth) < SE * se).all()
    assert abs((slope - truth).mean()) < 0.006  # the shared variability of 45 years


def test_steps(world):
    t, d = world.truth.stations, world.stations
    moved = t["break_date"].notna()
    assert 2 <= moved.sum() <= 25 and (t.loc[~moved, "step"] == 0).all()
    s = t[moved].iloc[0]
    gap = d["temperature"] - world.truth.station_temperature["temperature"]
    here = d["station"] == s["station"]
    after = here & (d["date"] >= s["break_date"])
    assert_allclose(gap[after].dropna(), s["step"], atol=0.006)
    assert_allclose(gap[here & ~after].dropna(), 0, atol=0.006)


def test_sites_are_on_land(world):
    sites = world.station_sites.merge(world.grid, on="cell", suffixes=("", "_cell"))
    assert (sites["land"] == 1).all() and sites["cell"].is_unique
    assert (np.abs(sites["lat"] - sites["lat_cell"]) <= 180 / 24 / 2).all()
    assert pd.api.types.is_datetime64_any_dtype(world.stations["date"])


def test_calibration_smoke():
    for row in calibration(range(2)):
        assert abs(row.measured - row.canon) <= 2.5 * row.tolerance, row
