"""Checks what `superbatch train --json` printed and wrote."""

import json
import sys
from pathlib import Path

run, printed = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text().splitlines()[-1])
summary = json.loads((run / "summary.json").read_text())
assert printed == summary, "the last line differs from summary.json"
for key in ("run", "adapter", "steps", "trainedExamples", "drawnExamples", "seconds", "flops", "loss", "evaluation"):
    assert key in summary, f"the summary has no {key}"
assert summary["trainedExamples"] == 20 * 64 and summary["drawnExamples"] > summary["trainedExamples"]
assert all(summary["flops"][part] > 0 for part in ("learnerTrain", "learnerScore", "referenceTrain", "referenceScore"))
for direction in ("imageToText", "textToImage"):
    assert 0 <= summary["evaluation"][direction]["r1"] <= summary["evaluation"][direction]["r5"] <= 1
lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
assert {line["arm"] for line in lines} == {"reference", "joint", "uniform"}
loss = [line["loss"] for line in lines if line["arm"] == "reference"]
assert loss[-1] < loss[0], "the reference learned nothing"
report = (run / "report.html").read_text()
assert report.count("<svg") >= 3 and "data:image/png" in report and "http" not in report.split("<body")[0], "report.html"
for name in ("learner", "reference", "uniform"):
    assert (run / f"{name}.safetensors").stat().st_size > 100_000, name
assert json.loads((run / "status.json").read_text())["status"] == "complete"
print(f"{run}: all there")
