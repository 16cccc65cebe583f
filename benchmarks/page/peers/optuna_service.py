"""Optuna's dashboard over a study of many trials in memory. Knows nothing of Grid.

python optuna_service.py PORT TRIALS
"""

import sys

import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial
from optuna_dashboard import run_server

DISTRIBUTIONS = {"diffusivity": FloatDistribution(0.0, 1.0), "initial_temp": FloatDistribution(0.0, 200.0)}


def main() -> None:
    """Serve until ended."""
    port, trials = int(sys.argv[1]), int(sys.argv[2])
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="sweep")
    study.add_trials(
        create_trial(
            params={"diffusivity": 0.002 + 0.02 * (index % 100) / 100, "initial_temp": 40.0 + index // 100},
            distributions=DISTRIBUTIONS,
            value=float(index * 7919 % trials),
        )
        for index in range(trials)
    )
    run_server(storage, host="127.0.0.1", port=port)


if __name__ == "__main__":
    main()
