r"""TerraML Climate: fields, stations and twelve models that are wrong together.

Two statements about warming by 2100 live side by side and are different objects.

* The **span of the models' central estimates**: 2.4 to 3.5 C under current policies,
  1.8 to 2.5 C under the Paris commitments. It says how far twelve models disagree.
* The **predictive distribution** of what the world will do: P(> 2.0 C) = 83 % and
  42 %. It adds what all models share, a bias that averaging does not remove, and the
  internal variability of a single year.

No single Normal has both. A Normal whose twelve draws span 2.4 to 3.5 C on average
(mean 2.95, SD 1.1/3.26 = 0.34) puts 99.8 % above 2.0 C, not 83 %; one with that mean
and 83 % above 2.0 C has SD 1.0, and twelve of its draws would span more than 3 C. For
Paris the middle of the span, 2.15 C, is itself above 2.0 C: no symmetric distribution
around it can have less than half above, let alone 42 %.

Structural model (scenario s, model m, year t, x = (t - 2024)/76):

.. math::

   \beta &\sim N(\bar\beta, \sigma_\beta^2)  \quad\text{one shared bias a world}\\
   W_s   &= C_s - \beta, \qquad C_s = \text{mean of the central estimates } W_{ms} \\
   F_s(t) &= 0.45 + 0.8\,((t-1980)/44)^{1.15}\ (t \le 2024), \quad
            1.25 + (W_s - 1.25)\,k_s(x)\ (t > 2024) \\
   k_{current}(x) &= x, \qquad k_{paris}(x) = 1 - (1-x)^2 \\
   M_{ms}(t) &= F_s(t)\text{ with }W_{ms}\text{ in the place of }W_s
            + \text{own variability} \\
   T_s(2100) &= W_s + \varepsilon, \qquad \varepsilon \sim N(0, \sigma_I^2) \\
   \text{field}(t, \text{cell}) &= \text{climatology} + \text{pattern}\cdot F(t)
            + \text{variability} + \text{weather}

:math:`\bar\beta` and :math:`\sigma_\beta` follow from the canon in closed form
(:func:`solve_bias`). Models and world have the same forced past and part after 2024, so
neither the record nor the runs say anything about :math:`\beta`: its prior is what the
literature offers (``world.bias_prior``), its value is ``truth``, and the predictive
distribution is right given everything that is seen. A model has one history. Both kinds
of variability are first-order autoregressions with the same SD and persistence; the
world's own is the same under both scenarios.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal import lfilter
from scipy.special import ndtr, ndtri

from streamrec.worlds.shape import (
    Page,
    Row,
    WorldError,
    canon_of,
    check_seed,
    check_share,
    page,
    parameters,
    stream,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

VERSION = "1.1"
SCENARIOS = ("current", "paris")
FIRST, NOW, LAST = 1980, 2024, 2100

SIZES: dict[str, dict[str, int]] = {
    "tiny": {"latitudes": 12, "longitudes": 24, "stations": 12},
    "small": {"latitudes": 24, "longitudes": 48, "stations": 60},
    "medium": {"latitudes": 48, "longitudes": 96, "stations": 240},
}

COLUMNS: dict[str, dict[str, str]] = {
    "grid": {
        "cell": "identifier: latitude index x number of longitudes + longitude index",
        "lat": "degrees north, centre of the cell",
        "lon": "degrees east, centre of the cell",
        "land": "1 for land",
        "area_weight": "share of the sphere's surface; sums to 1",
    },
    "ensemble": {
        "model": "M01 to M12",
        "scenario": "current (policies) or paris (commitments)",
        "warming_2100": "central estimate, C above 1850-1900",
    },
    "projections": {
        "model": "M01 to M12",
        "scenario": "current or paris",
        "year": "1980 to 2100",
        "warming": "one run, C above 1850-1900, annual global mean",
    },
    "global_means": {
        "year": "1980 to 2024",
        "warming": "observed, C above 1850-1900, annual global mean",
    },
    "station_sites": {
        "station": "identifier",
        "lat": "degrees north",
        "lon": "degrees east",
        "cell": "grid cell",
        "elevation": "metres",
    },
    "stations": {
        "station": "identifier",
        "date": "first day of the month",
        "temperature": "monthly mean, C; NaN where the record has a gap",
    },
}

GRAPH: tuple[tuple[str, str], ...] = (
    ("emissions", "forcing"),
    ("forcing", "warming"),
    ("internal_variability", "warming"),
    ("warming", "global_mean"),
    ("observation_error", "global_mean"),
    ("forcing", "field"),
    ("internal_variability", "field"),
    ("weather", "field"),
    ("field", "station"),
    ("station_noise", "station"),
    ("moved_instrument", "station"),
    ("gaps", "station"),
    ("forcing", "model_projection"),
    ("shared_bias", "model_projection"),
    ("model_deviation", "model_projection"),
    ("model_variability", "model_projection"),
)


@dataclass(frozen=True)
class TerraMLParameters:
    """Every constant and dial; temperatures in degrees C."""

    latitudes: int = 24
    longitudes: int = 48
    stations: int = 60
    internal_sd: float = 0.15  # of one year's global mean
    persistence: float = 0.5  # year to year, of internal variability
    observation_sd: float = 0.03  # error of the observed global mean
    bias_scale: float = 1.0  # times the calibrated SD of the shared bias; 0: none
    weather_persistence: float = 0.4  # month to month
    station_sd: float = 0.5  # local noise of a station
    station_persistence: float = 0.3  # month to month
    gap_share: float = 0.08  # share of station months lost in spells
    break_share: float = 0.2  # share of stations with a step (moved instrument)
    break_sd: float = 0.8  # size of a step


@dataclass(frozen=True)
class Predictive:
    """Normal predictive distribution of warming in 2100 (C above 1850-1900)."""

    mean: float
    sd: float

    def probability_above(self, threshold: float) -> float:
        """P(warming > threshold).

        Examples
        --------
        >>> Predictive(2.0, 1.0).probability_above(2.0)
        0.5
        """
        return float(ndtr((self.mean - threshold) / self.sd))

    def quantile(self, p: ArrayLike) -> Array:
        """Quantiles at p in (0, 1)."""
        return np.asarray(self.mean + self.sd * ndtri(p))

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Return n draws."""
        return rng.normal(self.mean, self.sd, n)


@dataclass(frozen=True)
class TerraMLTruth:
    """What only a simulator knows (C above 1850-1900).

    ``warming`` the 2100 value of each scenario, with internal variability;
    ``forced`` without it; ``shared_bias`` of all models; ``model_deviation`` of each;
    ``path`` the forced and realised warming by year; ``pattern`` local warming per
    degree of global warming (latitudes x longitudes); ``climatology`` (12 x
    lat x lon); ``stations`` trend, step and its date; ``station_temperature`` without
    gaps or steps.
    """

    warming: Mapping[str, float]
    forced: Mapping[str, float]
    shared_bias: float
    model_deviation: pd.DataFrame
    path: pd.DataFrame
    pattern: Array
    climatology: Array
    stations: pd.DataFrame
    station_temperature: pd.DataFrame
    graph: tuple[tuple[str, str], ...]


# derivation
def solve_bias(internal_sd: float = 0.15) -> tuple[float, float]:
    r"""Return mean and SD of the shared bias that give both canonical probabilities.

    With z_s = Phi^-1(P_s) and C_s the middle of the span,

    .. math:: \sigma = \frac{C_1 - C_2}{z_1 - z_2}, \quad
              \bar\beta = C_1 - 2 - \sigma z_1, \quad
              \sigma_\beta^2 = \sigma^2 - \sigma_I^2.

    Examples
    --------
    >>> [round(v, 3) for v in solve_bias()]
    [0.29, 0.676]
    """
    canon = canon_of("terraml")
    centre = [float(np.mean(canon["span_celsius"][s])) for s in SCENARIOS]
    z = [float(ndtri(canon["percent_above_two_celsius"][s] / 100)) for s in SCENARIOS]
    sd = (centre[0] - centre[1]) / (z[0] - z[1])
    if internal_sd >= sd:
        raise WorldError(
            f"internal_sd must be below {sd:.2f} C, the whole predictive SD."
        )
    return centre[0] - 2.0 - sd * z[0], float(np.sqrt(sd**2 - internal_sd**2))


# derivation
def forced_path(year: ArrayLike, warming: float, scenario: str) -> Array:
    """F_s(t): forced warming in C above 1850-1900, given its 2100 value.

    Examples
    --------
    >>> forced_path([1980, 2024, 2100], 3.0, "current").tolist()
    [0.45, 1.25, 3.0]
    """
    t = np.asarray(year, float)
    past = 0.45 + 0.8 * (np.clip(t - FIRST, 0, NOW - FIRST) / (NOW - FIRST)) ** 1.15
    x = np.clip((t - NOW) / (LAST - NOW), 0, 1)
    k = x if scenario == "current" else 1 - (1 - x) ** 2
    return past + (warming - 1.25) * k


def _ar1(noise: Array, phi: float) -> Array:
    """Stationary AR(1) of SD 1 along axis 0, from standard normal noise."""
    e = noise * np.sqrt(1 - phi**2)
    e[0] = noise[0]
    return lfilter([1.0], [1.0, -phi], e, axis=0)


class TerraML:
    """A gridded planet, its stations, and twelve models under two scenarios.

    Parameters
    ----------
    size
        ``"tiny"`` (12 x 24 cells), ``"small"`` (24 x 48) or ``"medium"`` (48 x 96).
    seed
        Non-negative integer; the same seed gives the same bytes.
    overrides
        Any field of :class:`TerraMLParameters`.

    Raises
    ------
    WorldError
        On an unknown size, a count below one, a negative SD or a persistence outside
        [0, 1).
    TypeError
        On an unknown parameter.

    Examples
    --------
    >>> world = TerraML("tiny", seed=1)
    >>> world.fields.shape
    (540, 12, 24)
    >>> round(world.predictive("current").probability_above(2.0), 2)
    0.83
    """

    version = VERSION
    columns = COLUMNS

    def __init__(self, size: str = "small", seed: int = 0, **overrides: Any) -> None:
        self.size, self.seed = size, check_seed(seed)
        counts = ("latitudes", "longitudes", "stations")
        q = parameters(TerraMLParameters, SIZES, size, overrides, counts)
        self.parameters = q
        for name in (
            "internal_sd",
            "observation_sd",
            "station_sd",
            "break_sd",
            "bias_scale",
        ):
            if getattr(q, name) < 0:
                raise WorldError(f"{name} must be 0 or more, not {getattr(q, name)}.")
        for name in ("persistence", "weather_persistence", "station_persistence"):
            if not 0 <= getattr(q, name) < 1:
                raise WorldError(f"{name} must be at least 0 and below 1.")
        check_share("gap_share", q.gap_share)
        check_share("break_share", q.break_share)
        if min(q.latitudes, q.longitudes) < 6:
            raise WorldError("latitudes and longitudes must be at least 6.")
        if q.stations > q.latitudes * q.longitudes // 5:
            raise WorldError(
                f"stations must be at most {q.latitudes * q.longitudes // 5}, "
                "a fifth of the cells; use a finer grid."
            )
        mean, sd = solve_bias(q.internal_sd)
        self.bias_prior = (mean, q.bias_scale * sd)
        self.years = np.arange(FIRST, LAST + 1)
        self.months = pd.date_range(f"{FIRST}-01", f"{NOW}-12", freq="MS")

    def _stream(self, purpose: str) -> np.random.Generator:
        return stream(self.seed, f"terraml/{purpose}")

    # ---------------------------------------------------------------- ensemble
    @cached_property
    def _central(self) -> Array:
        """Central estimates, models x scenarios: ends at the span, mean mid-way."""
        n = canon_of("terraml")["models"]
        own, other = self._stream("ensemble").uniform(-0.85, 0.85, (2, n - 2))
        columns = []
        for inside in (own, 0.8 * own + 0.2 * other):  # models keep their rank, nearly
            v = inside - inside.mean()
            v *= min(1.0, 0.95 / np.abs(v).max())
            columns.append(np.concatenate([[-1.0, 1.0], v]))
        u = self._stream("ensemble/order").permutation(np.column_stack(columns), axis=0)
        span = np.array([canon_of("terraml")["span_celsius"][s] for s in SCENARIOS])
        return span.mean(axis=1) + u * (span[:, 1] - span[:, 0]) / 2

    @cached_property
    def _bias(self) -> float:
        mean, sd = self.bias_prior
        return mean + sd * float(self._stream("shared_bias").standard_normal())

    @cached_property
    def _forced(self) -> Array:
        """W_s, one a scenario: what forcing does in this world by 2100."""
        return self._central.mean(axis=0) - self._bias

    def _internal(self, purpose: str, runs: int) -> Array:
        """Annual internal variability, years x runs."""
        q = self.parameters
        noise = self._stream(purpose).standard_normal((self.years.size, runs))
        return q.internal_sd * _ar1(noise, q.persistence)

    @cached_property
    def _warming(self) -> Array:
        """Realised annual warming, years x scenarios; the same past in both."""
        own = self._internal("internal", 1)
        forced = [
            forced_path(self.years, w, s)
            for w, s in zip(self._forced, SCENARIOS, strict=True)
        ]
        return np.column_stack(forced) + own

    @property
    def _names(self) -> Array:
        return np.array([f"M{k:02d}" for k in range(1, len(self._central) + 1)])

    @property
    def ensemble(self) -> pd.DataFrame:
        """Central estimate of 2100 warming by model and scenario."""
        M, S = self._central.shape
        return pd.DataFrame(
            {
                "model": np.repeat(self._names, S),
                "scenario": np.tile(SCENARIOS, M),
                "warming_2100": self._central.ravel(),
            }
        )

    @cached_property
    def _runs(self) -> Array:
        """One run a model and scenario: models x scenarios x years."""
        M, S = self._central.shape
        noise = self._internal("runs", M * S).T.reshape(M, S, -1)
        past = self.years <= NOW
        noise[:, 1, past] = noise[:, 0, past]  # one history a model
        forced = [
            [forced_path(self.years, w, s) for w, s in zip(row, SCENARIOS, strict=True)]
            for row in self._central
        ]
        return np.array(forced) + noise

    @property
    def projections(self) -> pd.DataFrame:
        """One run of each model under each scenario, annual global means."""
        M, S, T = self._runs.shape
        return pd.DataFrame(
            {
                "model": np.repeat(self._names, S * T),
                "scenario": np.tile(np.repeat(SCENARIOS, T), M),
                "year": np.tile(self.years, M * S),
                "warming": self._runs.ravel(),
            }
        )

    @property
    def global_means(self) -> pd.DataFrame:
        """Observed annual warming to 2024."""
        past = self.years <= NOW
        error = self._stream("observation").standard_normal(past.sum())
        seen = self._warming[past, 0] + self.parameters.observation_sd * error
        return pd.DataFrame({"year": self.years[past], "warming": seen})

    def predictive(self, scenario: str) -> Predictive:
        """Ensemble mean less the expected shared bias; SD of bias and variability."""
        k = self._scenario(scenario)
        mean, sd = self.bias_prior
        return Predictive(
            float(self._central[:, k].mean() - mean),
            float(np.hypot(sd, self.parameters.internal_sd)),
        )

    def ensemble_normal(self, scenario: str) -> Predictive:
        """A Normal fitted to the twelve central estimates: too sure, for comparison."""
        values = self._central[:, self._scenario(scenario)]
        return Predictive(float(values.mean()), float(values.std(ddof=1)))

    @staticmethod
    def _scenario(scenario: str) -> int:
        if scenario not in SCENARIOS:
            raise WorldError(f"unknown scenario {scenario!r}; choose current or paris.")
        return SCENARIOS.index(scenario)

    # ------------------------------------------------------------------- fields
    def _smooth(self, purpose: str, n: int, sigma: float) -> Array:
        """Draw n smooth random fields of SD 1, periodic in longitude."""
        q = self.parameters
        noise = self._stream(purpose).standard_normal((n, q.latitudes, q.longitudes))
        width = (0, sigma * q.latitudes / 24, sigma * q.longitudes / 48 * 1.6)
        field = gaussian_filter(noise, width, mode=("nearest", "nearest", "wrap"))
        return field / field.std(axis=0 if n > 30 else (1, 2), keepdims=True)

    @cached_property
    def _planet(self) -> dict[str, Array]:
        q = self.parameters
        lat = -90 + (np.arange(q.latitudes) + 0.5) * 180 / q.latitudes
        lon = (np.arange(q.longitudes) + 0.5) * 360 / q.longitudes
        sine = np.abs(np.sin(np.radians(lat)))[:, None]
        area = np.cos(np.radians(lat))[:, None] * np.ones(q.longitudes)
        area /= area.sum()
        relief = self._smooth("land", 1, 2.2)[0]
        land = (relief > np.quantile(relief, 0.68)).astype(int)
        pattern = 0.8 + 0.35 * land + 0.9 * sine**3 * (1 + 0.5 * np.sign(lat)[:, None])
        pattern = pattern + 0.05 * self._smooth("pattern", 1, 2.0)[0]
        pattern /= (area * pattern).sum()
        phase = np.cos(2 * np.pi * (np.arange(12) - 6.5) / 12)[:, None, None]
        swing = (1 + 13 * sine) * (0.6 + 0.9 * land) * np.sign(lat)[:, None]
        height = np.where(land, 1200 * np.maximum(relief - relief.mean(), 0) * 0.5, 0.0)
        annual = 30 - 46 * sine**2 - 0.0065 * height
        return {
            "lat": lat,
            "lon": lon,
            "area": area,
            "land": land,
            "pattern": pattern,
            "height": height,
            "climatology": annual + phase * swing,
            "weather_sd": (0.5 + 1.6 * sine) * (0.7 + 0.5 * land),
        }

    @cached_property
    def _fields(self) -> Array:
        q, planet, T = self.parameters, self._planet, self.months.size
        weather = self._smooth("weather", T, 1.2)
        weather = planet["weather_sd"] * _ar1(weather, q.weather_persistence)
        weather -= (weather * planet["area"]).sum(axis=(1, 2), keepdims=True)
        year = np.arange(T) // 12
        own = (self._warming[:, 0] - forced_path(self.years, 2.0, "current"))[year]
        local = planet["pattern"] * self._past_forced[:, None, None]
        season = planet["climatology"][np.arange(T) % 12]
        return (season + local + own[:, None, None] + weather).astype(np.float32)

    @property
    def _past_forced(self) -> Array:
        """Forced warming in each observed year, by month: a step a year."""
        return np.repeat(forced_path(np.arange(FIRST, NOW + 1), 2.0, "current"), 12)

    @property
    def fields(self) -> Array:
        """Monthly mean temperature, C: months x latitudes x longitudes, float32."""
        return self._fields.copy()

    @property
    def grid(self) -> pd.DataFrame:
        """One row a cell, in the order of ``fields.reshape(months, -1)``."""
        p = self._planet
        lat, lon = np.meshgrid(p["lat"], p["lon"], indexing="ij")
        return pd.DataFrame(
            {
                "cell": np.arange(lat.size),
                "lat": lat.ravel(),
                "lon": lon.ravel(),
                "land": p["land"].ravel(),
                "area_weight": p["area"].ravel(),
            }
        )

    def model_field(self, model: int, scenario: str, year: int) -> Array:
        """Annual mean warming of one model run, latitudes x longitudes, C.

        ``model`` 1 to 12. Each model has its own pattern; its area mean is its run.
        """
        k = self._scenario(scenario)
        for name, number in (("model", model), ("year", year)):
            if not isinstance(number, (int, np.integer)):
                raise WorldError(f"{name} must be a whole number, not {number!r}.")
        if not 1 <= model <= len(self._central):
            raise WorldError(f"model must be 1 to {len(self._central)}, not {model}.")
        if not FIRST <= year <= LAST:
            raise WorldError(f"year must be {FIRST} to {LAST}, not {year}.")
        area = self._planet["area"]
        shape = (
            self._planet["pattern"] + 0.12 * self._smooth(f"model/{model}", 1, 2.0)[0]
        )
        noise = 0.25 * self._smooth(f"model/{model}/{scenario}/{year}", 1, 1.2)[0]
        field = shape / (area * shape).sum() * self._runs[model - 1, k, year - FIRST]
        return field + noise - (area * noise).sum()

    # ----------------------------------------------------------------- stations
    @cached_property
    def _station(self) -> dict[str, Array]:
        q, planet, T = self.parameters, self._planet, self.months.size
        land = np.flatnonzero(planet["land"].ravel())
        rng = self._stream("stations")
        cell = np.sort(rng.choice(land, q.stations, replace=False))
        row, col = np.divmod(cell, q.longitudes)
        own = np.round(
            np.maximum(
                planet["height"].ravel()[cell] + 150 * rng.normal(size=cell.size), 1
            )
        )
        lapse = -0.0065 * (own - planet["height"].ravel()[cell])
        noise = self._stream("stations/noise").standard_normal((T, q.stations))
        noise = q.station_sd * _ar1(noise, q.station_persistence)
        clean = self._fields[:, row, col].astype(float) + lapse + noise
        moved = self._stream("stations/break").random((2, q.stations))
        month = np.where(
            moved[0] < q.break_share, (0.15 + 0.7 * moved[1]) * T, np.inf
        ).round()
        size = q.break_sd * self._stream("stations/step").standard_normal(q.stations)
        return {
            "cell": cell,
            "lat": planet["lat"][row]
            + rng.uniform(-0.4, 0.4, cell.size) * 180 / q.latitudes,
            "lon": planet["lon"][col]
            + rng.uniform(-0.4, 0.4, cell.size) * 360 / q.longitudes,
            "elevation": own,
            "clean": clean,
            "break": month,
            "step": np.where(np.isfinite(month), size, 0.0),
            "pattern": planet["pattern"][row, col],
            "lost": self._gaps(T, q.stations),
        }

    def _gaps(self, T: int, S: int) -> Array:
        """Lost months: spells of about eight months, a two-state chain."""
        share, rng = self.parameters.gap_share, self._stream("stations/gaps")
        if share in (0.0, 1.0):
            return np.full((T, S), bool(share))
        leave = min(1 / 8, (1 - share) / share)
        enter = leave * share / (1 - share)
        u = rng.random((T + 1, S))
        lost = np.empty((T, S), dtype=bool)
        state = u[T] < share
        for t in range(T):
            lost[t] = state
            state = np.where(state, u[t] >= leave, u[t] < enter)
        return lost

    @property
    def station_sites(self) -> pd.DataFrame:
        """Where the stations are; all on land."""
        s = self._station
        keys = ("lat", "lon", "cell", "elevation")
        return pd.DataFrame(
            {"station": np.arange(s["cell"].size), **{k: s[k] for k in keys}}
        )

    def _series(self, values: Array) -> pd.DataFrame:
        T, S = values.shape
        return pd.DataFrame(
            {
                "station": np.repeat(np.arange(S), T),
                "date": np.tile(self.months.to_numpy(), S),
                "temperature": values.T.ravel(),
            }
        )

    @property
    def stations(self) -> pd.DataFrame:
        """Monthly station records: season, trend, steps, gaps."""
        s = self._station
        after = np.arange(self.months.size)[:, None] >= s["break"]
        seen = np.round(s["clean"] + after * s["step"], 2)
        return self._series(np.where(s["lost"], np.nan, seen))

    # -------------------------------------------------------------------- truth
    @cached_property
    def truth(self) -> TerraMLTruth:
        """The bias, the planet's future and what stations would have shown."""
        s, end = self._station, self._warming[-1]
        rise = forced_path(NOW, 2.0, "current") - forced_path(FIRST, 2.0, "current")
        when = [self.months[int(b)] if np.isfinite(b) else pd.NaT for b in s["break"]]
        deviation = self.ensemble
        centre = np.tile(self._central.mean(axis=0), len(self._central))
        deviation["deviation"] = deviation.pop("warming_2100") - centre
        return TerraMLTruth(
            warming=dict(zip(SCENARIOS, map(float, end), strict=True)),
            forced=dict(zip(SCENARIOS, map(float, self._forced), strict=True)),
            shared_bias=self._bias,
            model_deviation=deviation,
            path=self._paths(),
            pattern=self._planet["pattern"].copy(),
            climatology=self._planet["climatology"].copy(),
            stations=pd.DataFrame(
                {
                    "station": np.arange(s["cell"].size),
                    "trend_per_decade": s["pattern"] * float(rise) / (NOW - FIRST) * 10,
                    "break_date": when,
                    "step": s["step"],
                }
            ),
            station_temperature=self._series(s["clean"]),
            graph=GRAPH,
        )

    def _paths(self) -> pd.DataFrame:
        frames = [
            pd.DataFrame(
                {
                    "scenario": s,
                    "year": self.years,
                    "forced": forced_path(self.years, self._forced[k], s),
                    "warming": self._warming[:, k],
                }
            )
            for k, s in enumerate(SCENARIOS)
        ]
        return pd.concat(frames, ignore_index=True)

    # -------------------------------------------------------------------- pages
    def describe(self) -> Page:
        """Return a page about this world; ``print`` it or show it in a notebook."""
        q, t, e = self.parameters, self.truth, self.ensemble
        lines = []
        for s in SCENARIOS:
            values = e.loc[e["scenario"] == s, "warming_2100"]
            ours, naive = self.predictive(s), self.ensemble_normal(s)
            lines.append(
                f"{s:<10}{values.min():>7.1f} to {values.max():.1f}"
                f"{100 * ours.probability_above(2):>14.0f} %"
                f"{100 * naive.probability_above(2):>16.1f} %"
                f"{t.warming[s]:>12.2f}"
            )
        lost = self.stations["temperature"].isna().mean()
        return page(
            f"TerraML, size {self.size}, seed {self.seed}, version {self.version}",
            (
                "Scale",
                [
                    f"{q.latitudes} x {q.longitudes} cells, {self.months.size} months "
                    f"({FIRST} to {NOW}), {len(self._central)} models to {LAST}",
                    f"{q.stations} stations, {100 * lost:.1f} % of months lost",
                ],
            ),
            (
                "Warming by 2100 (C above 1850-1900)",
                [
                    f"{'':<10}{'span of models':>14}{'P(> 2 C)':>12}"
                    f"{'if models were all':>20}{'truth':>10}",
                    *lines,
                    f"shared bias: prior {self.bias_prior[0]:.2f} (SD "
                    f"{self.bias_prior[1]:.2f}), truth {t.shared_bias:.2f}",
                    "The span and the probability are two objects: no Normal has both.",
                ],
            ),
            (
                "How to use it",
                [
                    "ensemble, projections   what twelve models say",
                    "fields, stations        what was measured, with gaps and steps",
                    "predictive(scenario)    the honest forecast, with the shared bias",
                    "truth                   what only the world knows; never data",
                    "Not realistic: a bias equal in both scenarios, a schematic",
                    "climatology, no El Nino.",
                ],
            ),
            *(
                (f"world.{frame}", [f"{c:<20}{text}" for c, text in columns.items()])
                for frame, columns in COLUMNS.items()
            ),
            (
                "world.fields",
                ["monthly mean temperature, C, months x lat x lon, float32"],
            ),
        )

    def plot(self) -> Figure:
        """Draw the pattern, the ensemble, the two distributions and a station."""
        from matplotlib.figure import Figure

        fig = Figure(figsize=(10, 7), layout="constrained")
        axes = fig.subplots(2, 2)
        p, t = self._planet, self.truth
        mesh = axes[0, 0].pcolormesh(p["lon"], p["lat"], t.pattern, rasterized=True)
        fig.colorbar(mesh, ax=axes[0, 0])
        axes[0, 0].set(
            title="Local warming per degree (truth)", xlabel="lon", ylabel="lat"
        )
        for k, (s, colour) in enumerate(
            zip(SCENARIOS, ("tab:red", "tab:blue"), strict=True)
        ):
            axes[0, 1].plot(
                self.years, self._runs[:, k].T, color=colour, alpha=0.25, lw=0.7
            )
            axes[0, 1].plot(
                self.years, self._warming[:, k], color=colour, label=f"{s} (truth)"
            )
            axes[1, 0].plot(*_density(self.predictive(s)), color=colour, label=s)
            axes[1, 0].plot(
                self._central[:, k],
                0 * self._central[:, k] - 0.02 * (k + 1),
                "|",
                color=colour,
            )
        axes[0, 1].set(title="Twelve models and the world", ylabel="warming, C")
        axes[0, 1].legend()
        axes[1, 0].axvline(2.0, linestyle="--", color="grey")
        axes[1, 0].set(
            title="Predictive density; ticks: models", xlabel="warming 2100, C"
        )
        axes[1, 0].legend()
        one = self.stations.query("station == 0")
        axes[1, 1].plot(one["date"], one["temperature"], lw=0.7)
        axes[1, 1].set(title="Station 0, with gaps", ylabel="C")
        return fig


def _density(p: Predictive) -> tuple[Array, Array]:
    x = np.linspace(p.mean - 4 * p.sd, p.mean + 4 * p.sd, 200)
    return x, np.exp(-(((x - p.mean) / p.sd) ** 2) / 2) / (p.sd * np.sqrt(2 * np.pi))


def calibration(
    seeds: Iterable[int] = range(10),
    size: str = "small",
    progress: Callable[[int], None] | None = None,
) -> list[Row]:
    """Measure the canon of TerraML: rows (name, canon, measured, tolerance).

    Spans from ``world.ensemble``; P(> 2.0 C) as the share of 4,000 draws a seed from
    ``world.predictive``; tolerances 3 %. ``progress`` is called with each seed done.
    """
    canon, got = canon_of("terraml"), []
    for seed in seeds:
        world = TerraML(size, seed)
        spread = world.ensemble.groupby("scenario")["warming_2100"].agg(["min", "max"])
        draws = [
            world.predictive(s).draw(4_000, stream(seed, f"calibration/{s}"))
            for s in SCENARIOS
        ]
        ends = [v for s in SCENARIOS for v in spread.loc[s]]
        got.append(
            ends + [100 * np.mean(d > 2.0) for d in draws] + [len(world.ensemble) / 2]
        )
        if progress:
            progress(seed)
    mean = [float(v) for v in np.mean(got, axis=0)]
    span, above = canon["span_celsius"], canon["percent_above_two_celsius"]
    target = [v for s in SCENARIOS for v in span[s]] + [above[s] for s in SCENARIOS]
    names = [
        f"TerraML {s}, {end} central estimate, C"
        for s in SCENARIOS
        for end in ("lowest", "highest")
    ]
    names += [f"TerraML {s}, P(> 2.0 C), %" for s in SCENARIOS]
    rows = [
        Row(n, c, m, 0.03 * c) for n, c, m in zip(names, target, mean, strict=False)
    ]
    return [*rows, Row("TerraML models", canon["models"], mean[-1], 0.0)]
