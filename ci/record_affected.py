"""Runs the real client on the datasets and contexts of the rehearsal plans and writes its answers down.

For each set of rules (`fixture`: the project's own; `real`: the public ones in a cache) and each pair of contexts that a
plan sets, `crds bestrefs` is run as the host's `affected_datasets` job runs it, against a small JSON-RPC server that
hands out fixtures/datasets/hst.jsonl. Nothing of the project answers anything here.

Written: fixtures/affected/<set>.json (see README there), fixtures/affected/<set>/<old>_<new>.log (the whole log).
"""
import argparse
import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
FIXTURES = PROJECT / "fixtures"
PAIRS = [("hst_0279.pmap", "hst_0283.pmap"), ("hst_0279.pmap", "hst_0282.pmap")]
SWITCHES = ["--affected-datasets", "--datasets-since=auto", "--stats", "--dump-unique-errors", "--optimize-tables",
            "--print-affected"]


def sha1(data):
    return hashlib.sha1(data).hexdigest()


def closure(mappings, context):
    """All rules below a context, itself included."""
    names, todo = set(), [context]
    while todo:
        name = todo.pop()
        if name in names:
            continue
        names.add(name)
        selector = (mappings / name).read_text().split("selector", 1)[1]
        todo += re.findall(r"'([^']+\.(?:imap|rmap))'", selector)
    return names


def datasets():
    lines = (FIXTURES / "datasets/hst.jsonl").read_text().splitlines()
    return {item["id"]: item["header"] for item in map(json.loads, lines)}


class Archive(http.server.BaseHTTPRequestHandler):
    """The few services that the client asks for."""

    headers_by_id = {}
    references = {}
    mappings = None
    contexts = ()

    def do_POST(self):
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        method, params = call["method"], call["params"]
        body = {"jsonrpc": "1.0", "id": call["id"], "error": None, "result": None}
        try:
            body["result"] = getattr(self, "service_" + method)(*params)
        except Exception as exc:  # the envelope of a real server
            text = f"{type(exc).__name__}: {exc}"
            body["error"] = {"name": "OtherError", "code": 500, "message": text, "data": None}
        answer = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def service_get_server_info(self):
        old, new = self.contexts
        here = f"http://{self.headers['Host']}"
        urls = {"checked": {"hst": f"{here}/get/"}, "unchecked": {"hst": f"{here}/unchecked_get/"}}
        return {
            "last_synced": "2014-09-16 12:00:00", "last_refreshed": "2014-09-16 12:00:00", "observatory": "hst",
            "edit_context": new, "operational_context": old, "versions_context": "", "bad_files_list": [],
            "bad_files": "", "force_remote_mode": 0, "context_history": [], "mappings": sorted(self.names()),
            "reference_url": urls, "mapping_url": urls, "max_headers_per_rpc": 1000, "max_bestrefs_per_rpc": 1000,
            "crds_version": {"str": "7.3", "rev": "1", "svnurl": "/"},
        }

    def names(self):
        return set().union(*(closure(self.mappings, context) for context in self.contexts))

    def service_get_mapping_names(self, context):
        return sorted(closure(self.mappings, context))

    def service_get_file_info_map(self, observatory, names, fields):
        if names is None:
            texts = [(self.mappings / name).read_text() for name in self.names()]
            references = {found for text in texts for found in re.findall(r"'([^']+\.fits)'", text)}
            names = sorted(self.names() | references)
        info = {}
        for name in names:
            data = self.reference(name) if name.endswith(".fits") else (self.mappings / name).read_bytes()
            info[name] = {"sha1sum": sha1(data), "size": str(len(data)), "state": "operational",
                          "rejected": "false", "blacklisted": "false"}
        return info

    def reference(self, name):
        """Bytes of a reference: a submitted one, else a file without data that bears its name."""
        card = lambda text: text.ljust(80).encode()
        cards = [card("SIMPLE  =                    T"), card("BITPIX  =                    8"),
                 card("NAXIS   =                    0"), card(f"FILENAME= '{name}'"), card("END")]
        return self.references.get(name) or b"".join(cards).ljust(2880)

    def do_GET(self):
        data = self.reference(self.path.rsplit("/", 1)[-1])
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def service_get_dataset_ids(self, context, instrument, since=None):
        ids = []
        for key, header in self.headers_by_id.items():
            if header["INSTRUME"].lower() == instrument.lower():
                if not since or header["EXPSTART"] >= since:
                    ids.append(key)
        return sorted(ids)

    def service_get_dataset_headers_by_id(self, context, ids, since=None):
        return {key: self.headers_by_id.get(key, "NOT FOUND no match found in query") for key in ids}

    def log_message(self, *arguments):
        pass


def environment(cache, url):
    return {
        "PATH": os.environ["PATH"], "HOME": str(cache), "CRDS_PATH": str(cache), "CRDS_SERVER_URL": url,
        "CRDS_OBSERVATORY": "hst", "no_proxy": "*", "PYTHONHASHSEED": "0", "TZ": "UTC",
    }


def ask(cache, old, new):
    """One run of the client."""
    Archive.headers_by_id, Archive.mappings, Archive.contexts = datasets(), cache / "mappings/hst", (old, new)
    shutil.rmtree(cache / "references", ignore_errors=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Archive)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    command = ["crds", "bestrefs", "--old-context", old, "--new-context", new, *SWITCHES]
    done = subprocess.run(command, env=environment(cache, url), cwd=cache, capture_output=True, text=True)
    server.shutdown()
    log = done.stderr.replace(url, "http://server").replace(str(cache), "$CRDS_PATH")
    return done.returncode, done.stdout.split(), log


# Lines that depend on the run, or that a host's own tool writes with its own figures.
VOLATILE = re.compile(
    r"(CRDS_SERVER_URL does not start with|STARTED|STOPPED|ELAPSED|Dumping dataset parameters|Downloaded |Affected products|Unique error types"
    r"|Command:|Loading config|.*datasets-per-second|\d+ (errors|warnings|infos)$)"
)


def messages(log):
    """`LEVEL text` per message, without the prefix of the client; continuation lines stay with their message."""
    out = []
    for line in log.splitlines():
        match = re.match(r"CRDS\s+(?:-\s+)?(DEBUG|INFO|WARNING|ERROR)\s+-\s*(.*)$", line)
        if match:
            out.append(f"{match.group(1)} {match.group(2).strip()}")
        elif out:
            out[-1] += "\n" + line
    return [line for line in out if not VOLATILE.match(line.split(" ", 1)[1].strip())]


def record(name, cache):
    mappings = cache / "mappings/hst"
    headers = datasets()
    lines = sorted(f"{key}\t{keyword}\t{value}\n" for key in headers for keyword, value in headers[key].items())
    headers_digest = sha1("".join(lines).encode())
    answers = []
    logs = FIXTURES / "affected" / name
    logs.mkdir(parents=True, exist_ok=True)
    for old, new in PAIRS:
        rules = closure(mappings, old) | closure(mappings, new)
        text = "".join(f"{rule} {sha1((mappings / rule).read_bytes())}\n" for rule in sorted(rules))
        status, ids, log = ask(cache, old, new)
        if "STOPPED" not in log:
            sys.exit(f"the client did not finish {old} -> {new}:\n{log}")
        answers.append({"old": old, "new": new, "rules_digest": sha1(text.encode()), "headers_digest": headers_digest,
                        "status": status, "ids": ids, "log": messages(log)})
        log = re.sub(r"(?m)^(.*(?:STARTED|STOPPED|ELAPSED).*|.*datasets-per-second.*)$", lambda m: timeless(m[0]), log)
        (logs / f"{old.split('.')[0][4:]}_{new.split('.')[0][4:]}.log").write_text(log)
        print(f"{name}: {old} -> {new}: status {status}, {len(ids)} products affected")
    (FIXTURES / f"affected/{name}.json").write_text(json.dumps({"answers": answers}, indent=1) + "\n")


def timeless(line):
    """A line of figures with the figures of this run taken out."""
    line = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?", "2014-09-16 20:00:00.00", line)
    line = re.sub(r"\d+:\d\d:\d\d(\.\d+)?(?!\.)", "0:00:01.00", line) if "ELAPSED" in line else line
    return re.sub(r"at\s+[\d.]+ (\w )?\s*datasets-per-second", "at  100.0  datasets-per-second", line)


def story(cache):
    """The release story on the project's own rules, carried out with the client's own functions."""
    code = Path(tempfile.mkdtemp()) / "story.py"
    code.write_text(STORY)
    files = cache / "submissions"
    submissions(files)
    shutil.copy(FIXTURES / "rules/submissions/hst_wfc3_npolfile_0250.rmap", cache / "mappings/hst")
    env = environment(cache, "https://crds-serverless-mode.stsci.edu")
    subprocess.run([sys.executable, str(code), str(cache), str(files)], env=env, check=True, capture_output=True)
    made = ["hst_wfc3_npolfile_0250.rmap", "hst_wfc3_0262.imap", "hst_0280.pmap", "hst_wfc3_npolfile_0251.rmap",
            "hst_wfc3_0263.imap", "hst_0281.pmap", "hst_wfc3_d2imfile_0251.rmap", "hst_wfc3_idctab_0251.rmap",
            "hst_wfc3_0264.imap", "hst_0282.pmap", "hst_acs_pfltfile_0251.rmap", "hst_acs_0257.imap", "hst_0283.pmap"]
    rows = [f"{name}\t{sha1((cache / 'mappings/hst' / name).read_bytes())}\n" for name in made]
    (FIXTURES / "rules/outcome.tsv").write_text("# name, sha1: made by the real client 13.2.9\n" + "".join(rows))
    print(f"fixture: the story made {len(made)} files")


def submissions(out):
    """The submitted references, written with astropy from the project's descriptors."""
    import numpy
    from astropy.io import fits

    out.mkdir()
    for descriptor in sorted((FIXTURES / "submissions").glob("*.toml")):
        spec = tomllib.loads(descriptor.read_text())
        for file in spec["files"]:
            primary = fits.PrimaryHDU()
            for keyword, value in [["FILENAME", file["name"]], *file["cards"], *spec["cards"]]:
                if keyword in ("COMMENT", "HISTORY"):
                    primary.header.add_history(value) if keyword == "HISTORY" else primary.header.add_comment(value)
                else:
                    primary.header[keyword] = value
            hdus = [primary]
            if spec.get("columns"):
                columns = [fits.Column(name=c["name"], format=c["form"], array=numpy.array(c["values"]))
                           for c in spec["columns"]]
                hdus.append(fits.BinTableHDU.from_columns(columns))
            fits.HDUList(hdus).writeto(out / file["name"])


STORY = r'''
import glob, os, sys
from crds.refactoring import newcontext, refactor

cache, files = sys.argv[1:]
mappings = os.path.join(cache, "mappings/hst")
at = lambda name: os.path.join(mappings, name)

def contexts(base, rmaps, names):
    updates = newcontext.get_update_map(base, rmaps)
    newcontext.generate_new_contexts(base, updates, names)
    for new in names.values():
        refactor.update_derivation(at(new))

def insert(old, new, suffix):
    refactor.rmap_insert_references(at(old), at(new), sorted(glob.glob(os.path.join(files, "*" + suffix))))
    refactor.update_derivation(at(new))

contexts("hst_0279.pmap", ["hst_wfc3_npolfile_0250.rmap"],
         {"hst_0279.pmap": "hst_0280.pmap", "hst_wfc3_0261.imap": "hst_wfc3_0262.imap"})
insert("hst_wfc3_npolfile_0250.rmap", "hst_wfc3_npolfile_0251.rmap", "_npl.fits")
contexts("hst_0280.pmap", ["hst_wfc3_npolfile_0251.rmap"],
         {"hst_0280.pmap": "hst_0281.pmap", "hst_wfc3_0262.imap": "hst_wfc3_0263.imap"})
insert("hst_wfc3_d2imfile_0250.rmap", "hst_wfc3_d2imfile_0251.rmap", "_d2i.fits")
insert("hst_wfc3_idctab_0250.rmap", "hst_wfc3_idctab_0251.rmap", "_idc.fits")
contexts("hst_0281.pmap", ["hst_wfc3_d2imfile_0251.rmap", "hst_wfc3_idctab_0251.rmap"],
         {"hst_0281.pmap": "hst_0282.pmap", "hst_wfc3_0263.imap": "hst_wfc3_0264.imap"})
refactor.rmap_delete_references(at("hst_acs_pfltfile_0250.rmap"), at("hst_acs_pfltfile_0251.rmap"),
    ["l2d0959cj_pfl.fits", "m1l0942nj_pfl.fits", "lbe1209bj_pfl.fits", "m5t12222j_pfl.fits"])
refactor.update_derivation(at("hst_acs_pfltfile_0251.rmap"))
contexts("hst_0282.pmap", ["hst_acs_pfltfile_0251.rmap"],
         {"hst_0282.pmap": "hst_0283.pmap", "hst_acs_0256.imap": "hst_acs_0257.imap"})
'''


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="a client cache with the real rules")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        cache = Path(work) / "fixture"
        shutil.copytree(FIXTURES / "rules/mappings", cache / "mappings")
        story(cache)
        Archive.references = {path.name: path.read_bytes() for path in (cache / "submissions").iterdir()}
        record("fixture", cache)
        if arguments.cache is None:
            print("real: NOT RECORDED, no --cache with the real rules was given")
            return
        cache = Path(work) / "real"
        wanted = set().union(*(closure(arguments.cache / "mappings/hst", name) for pair in PAIRS for name in pair))
        (cache / "mappings/hst").mkdir(parents=True)
        for name in wanted:
            shutil.copy(arguments.cache / "mappings/hst" / name, cache / "mappings/hst")
        record("real", cache)


main()
