"""Holds what TensorBoard and MLflow show of runs to what the API says, with their own readers.

python tools/trackers/check.py http://127.0.0.1:8080/v1 --tensorboard FOLDER --mlflow http://127.0.0.1:5000
"""

import argparse
import glob
import json
import struct
import sys
import urllib.request


def ask(url):
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


def points_of_api(api, run):
    """(name, step) -> value, of everything a tracker should have."""
    points = {}
    for group, path in (("train", "steps"), ("held_out", "alignments")):
        for row in ask(f"{api}/runs/{run}/{path}"):
            for name, value in row["metrics"].items():
                points[f"{group}/{name}", row["step"]] = value
            for name, value in (row.get("phaseSeconds") or {}).items():
                points[f"phase_seconds/{name}", row["step"]] = value
    for row in ask(f"{api}/runs/{run}/evaluations"):
        step = 0 if row["step"] == "base" else row["step"]
        points[f"accuracy/{row['documents']}_documents", step] = row["correct"] / row["n"]
    return points


def points_of_tensorboard(folder, run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (home,) = glob.glob(f"{glob.escape(folder)}/*.{run}")
    events = EventAccumulator(home, size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    return [((tag, event.step), event.value) for tag in events.Tags()["scalars"] for event in events.Scalars(tag)]


def points_of_mlflow(url, run):
    from mlflow import MlflowClient

    client = MlflowClient(url)
    experiment = client.get_experiment_by_name("solopo")
    (found,) = client.search_runs([experiment.experiment_id], f"tags.solopo_run = '{run}'")
    print(f"  mlflow: {found.info.run_name}, {found.info.status}, {len(found.data.params)} parameters")
    names = [name for name in found.data.metrics if name != "held_out/step"]
    return [((name, m.step), m.value) for name in names for m in client.get_metric_history(found.info.run_id, name)]


def compare(name, found, expected, rounded):
    assert len(found) == len(dict(found)), f"{name} has a point twice"
    assert set(dict(found)) == set(expected), f"{name} lacks or adds {set(dict(found)) ^ set(expected)}"
    for key, value in found:
        assert value == rounded(expected[key]), f"{name} has {value} for {key}, not {expected[key]}"
    print(f"  {name}: {len(found)} points, all as in the ledger")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("api")
    parser.add_argument("--tensorboard")
    parser.add_argument("--mlflow")
    options = parser.parse_args()
    for run in ask(f"{options.api}/runs"):
        print(f"{run['id']} {run['state']}")
        expected = points_of_api(options.api, run["id"])
        if options.tensorboard:
            found = points_of_tensorboard(options.tensorboard, run["id"])
            # An event's simple_value is a 32-bit float.
            compare("tensorboard", found, expected, lambda value: struct.unpack("f", struct.pack("f", value))[0])
        if options.mlflow:
            compare("mlflow", points_of_mlflow(options.mlflow, run["id"]), expected, lambda value: value)


if __name__ == "__main__":
    sys.exit(main())
