#!/usr/bin/env python3
"""Record what the real CRDS client answers, lookup by lookup.

    record.py --old PMAP --new PMAP --headers headers.json --out DIR [-- SWITCH ...]

Runs `crds bestrefs --load-pickles HEADERS --print-affected --print-affected-details --print-new-references SWITCH ...` in
this process (`--diffs-only` with the headers of the file instead of a server's) and writes to DIR: `lookups.jsonl` (per dataset and context every type with its answer, tuples as lists, or the
failure), `affected.txt`, `details.txt`, `newrefs.txt` (the client's own prints), `cpu.txt` (CPU seconds of the run).
Needs CRDS_PATH and a serverless configuration in the environment.
"""
import argparse
import contextlib
import io
import json
import os
import resource

import crds.bestrefs
import crds.bestrefs.headers
from crds.core import log


def plain(value):
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value if isinstance(value, str) else {"__selector__": type(value).__name__.replace("Selector", "")}


class Recorder(crds.bestrefs.BestrefsScript):
    """The client's own script; only listens to what it computes."""

    answers = {}

    def init_headers(self, context, datasets_since):
        self.pickle_headers = crds.bestrefs.headers.PickleHeaderGenerator(
            context, self.args.load_pickles, only_ids=self.only_ids, datasets_since=datasets_since)
        return self.pickle_headers

    def get_bestrefs(self, instrument, dataset, context, header):
        side = "new" if context == self.new_context else "old"
        record = self.answers.setdefault(dataset, {})
        try:
            result = super().get_bestrefs(instrument, dataset, context, header)
        except Exception as why:
            record[side + "_error"] = str(why)
            raise
        record[side] = {name.lower(): plain(value) for name, value in result.items()}
        return result


def main():
    parser = argparse.ArgumentParser()
    for name in ("old", "new", "headers", "out"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("switches", nargs="*")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    command = ["crds.bestrefs", "--old-context", args.old, "--new-context", args.new, "--load-pickles", args.headers]
    log.set_verbose(-3)
    script = Recorder(command + ["--print-affected"] + args.switches)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        script()
    outputs = {"affected": printed.getvalue()}
    for name, show in (("details", script.print_affected_details), ("newrefs", script.print_new_references)):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            show()
        outputs[name] = printed.getvalue()
    for name, text in outputs.items():
        with open(os.path.join(args.out, name + ".txt"), "w", encoding="utf-8") as out:
            out.write(text)
    with open(os.path.join(args.out, "lookups.jsonl"), "w", encoding="utf-8") as out:
        for dataset, record in sorted(script.answers.items()):
            out.write(json.dumps({"id": dataset, **record}) + "\n")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    with open(os.path.join(args.out, "cpu.txt"), "w", encoding="utf-8") as out:
        out.write(f"{usage.ru_utime + usage.ru_stime:.3f}\n")


if __name__ == "__main__":
    main()
