"""Rivals of the call forecasts: reads a grid of counts as JSON, writes forecasts as JSON lines.

Started by forecall-bench-calls with --python. A library that isn't there is said on standard error and left out. Every forecast
stands on days before its origin only: the target's midnight, that seven days before, or (LightGBM) the interval before.
"""

import json
import sys
import time
import warnings

warnings.filterwarnings("ignore")


def answer(model, horizon, targets, means, spent):
    print(json.dumps({"model": model, "horizon": horizon, "targets": targets, "means": means, "cpu_seconds": spent}), flush=True)


def shares(task):
    """Features by (day, slot) that are known at the origin of a horizon."""
    import numpy as np

    values = np.array(task["values"], dtype=float)
    days, slots, week = len(values), values.shape[1], task["week"]
    weekday = np.array([(d + 3) % 7 for d in task["days"]])
    month = np.array([d % 30.437 for d in task["days"]])

    def of(lead, near):
        known = lead + 1
        first = 1 if lead == 0 else 2
        columns = []
        mean8 = np.full_like(values, np.nan)
        for k in range(days):
            rows = [k - week * j for j in range(first, first + 8) if k - week * j >= 0]
            if rows:
                mean8[k] = values[rows].mean(axis=0)
        level = np.full(days, np.nan)
        ratio = np.full(days, np.nan)
        for k in range(days):
            last = k - known
            if last >= 0:
                level[k] = values[max(0, last - week + 1) : last + 1].mean()
                own = np.nansum(mean8[last]) or np.nan
                ratio[k] = values[last].sum() / own
        for k in range(days):
            last = k - known
            same = k - week * first
            nothing = np.full(slots, np.nan)
            own = [
                np.arange(slots),
                np.full(slots, weekday[k]),
                np.full(slots, month[k]),
                mean8[k],
                values[same] if same >= 0 else nothing,
                values[last] if last >= 0 else nothing,
                np.full(slots, level[k]),
                np.full(slots, ratio[k]),
                mean8[k] * ratio[k],
            ]
            if near:
                for lag in (1, 2, 3, 6):
                    shifted = nothing.copy()
                    shifted[lag:] = values[k][:-lag] / np.maximum(mean8[k][:-lag], 0.5)
                    own.append(shifted)
                gone = np.concatenate([[0.0], values[k].cumsum()[:-1]])
                usual = np.concatenate([[0.0], mean8[k].cumsum()[:-1]])
                own.append(gone / np.maximum(usual, 1.0))
                own.append(mean8[k] * gone / np.maximum(usual, 1.0))
            columns.append(np.stack(own, axis=1))
        return np.stack(columns)

    return values, of


def lightgbm(task):
    import lightgbm
    import numpy as np

    week = task["week"]
    for horizon, lead, near in [("next interval", 0, True), ("1 day", 0, False), ("1 week", week, False)]:
        begun = time.process_time()
        values, of = shares(task)
        table = of(lead, near)
        targets, means = task["targets"], []
        model = None
        for number, k in enumerate(targets):
            if number % week == 0:
                # Days that are known at this origin.
                x, y = table[week : k - lead], values[week : k - lead]
                data = lightgbm.Dataset(x.reshape(-1, x.shape[2]), y.reshape(-1))
                settings = {"objective": "poisson", "learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 50, "verbose": -1, "num_threads": 1}
                model = lightgbm.train(settings, data, num_boost_round=400)
            means.append([float(v) for v in np.maximum(model.predict(table[k]), 0.0)])
        answer("LightGBM, Poisson, refitted weekly", horizon, targets, means, time.process_time() - begun)


def origins(task):
    """Targets of the dear models with how far ahead each origin looks: a day, a week."""
    for horizon, lead in [("1 day", 0), ("1 week", task["week"])]:
        yield horizon, lead, task["few"]


def mstl(task):
    import numpy as np
    from statsforecast.models import MSTL, AutoETS

    values = np.array(task["values"], dtype=float)
    slots, week = values.shape[1], task["week"]
    for horizon, lead, targets in origins(task):
        begun, means = time.process_time(), []
        for k in targets:
            known = values[: k - lead].reshape(-1)
            model = MSTL(season_length=[slots, slots * week], trend_forecaster=AutoETS(model="ZZN"))
            found = model.fit(known).predict(h=slots * (lead + 1))["mean"]
            means.append([float(max(v, 0.0)) for v in found[-slots:]])
        answer("statsforecast MSTL+AutoETS", horizon, targets, means, time.process_time() - begun)


def prophet(task):
    import logging

    import pandas
    from prophet import Prophet

    logging.disable(logging.CRITICAL)
    step, first = task["step_seconds"], task["first_slot"]
    slots = len(task["values"][0])

    def frame(rows):
        at = [d * 86400 + (first + s) * step for d in rows for s in range(slots)]
        return pandas.DataFrame({"ds": pandas.to_datetime(at, unit="s")})

    for horizon, lead, targets in origins(task):
        begun, means = time.process_time(), []
        for k in targets:
            known = frame(task["days"][: k - lead])
            known["y"] = [v for row in task["values"][: k - lead] for v in row]
            model = Prophet(daily_seasonality=20, weekly_seasonality=10, yearly_seasonality=False, seasonality_mode="multiplicative", uncertainty_samples=0)
            model.fit(known)
            found = model.predict(frame([task["days"][k]]))["yhat"]
            means.append([float(max(v, 0.0)) for v in found])
        answer("Prophet", horizon, targets, means, time.process_time() - begun)


def main():
    task = json.load(sys.stdin)
    for name, run in [("lightgbm", lightgbm), ("statsforecast", mstl), ("prophet", prophet)]:
        try:
            run(task)
        except ImportError as missing:
            print(f"left out: {name}: {missing}", file=sys.stderr)


main()
