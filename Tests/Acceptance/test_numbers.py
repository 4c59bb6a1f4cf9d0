"""How quick the dashboard is, measured in the browser: each test prints what it found and fails only where something is
wrong by much, as a busy machine is slow. CAIRN_POINTS says how long the long curves are, CAIRN_LONG_CURVES names a folder that keeps them.
"""

import os
import statistics
import time

from test_charts import COST, call, ready
from test_dashboard import card, chromium, open_page  # noqa: F401
from test_views import fleet, with_runs  # noqa: F401

POINTS = int(os.environ.get("CAIRN_POINTS", 50_000))

MARKS = """
  window.marks = {};
  new MutationObserver(() => {
    if (marks.rows || !document.querySelector("main table.grid tbody .name a")) return;
    marks.rows = performance.now();
    requestAnimationFrame(() => setTimeout(() => (marks.painted = performance.now())));
  }).observe(document, { subtree: true, childList: true });
"""


def logged(server, count):
    """So many runs with three curves of ten points and three params."""
    experiment = call(server, "experiments/create", {"name": "many"})["experiment_id"]
    for i in range(count):
        began = 1_700_000_000_000 + 60_000 * i
        run = call(server, "runs/create", {"experiment_id": experiment, "run_name": f"run {i}", "start_time": began})["run"]["info"]["run_id"]
        params = {"optimizer.lr": 10 ** -(1 + i % 4), "train.batch_size": 16 << (i % 4), "optimizer.type": ["sgd", "adam"][i % 2]}
        call(server, "runs/log-batch", {
            "run_id": run, "params": [{"key": key, "value": str(value)} for key, value in params.items()],
            "metrics": [{"key": key, "value": 1 / (1 + j) + i / 1e4, "timestamp": began + j, "step": j}
                        for key in ("train/loss", "val/loss", "val/accuracy") for j in range(10)]})
        call(server, "runs/update", {"run_id": run, "status": "FINISHED", "end_time": began + 5000})


def test_the_first_paint_with_a_thousand_runs(server, open_page):
    logged(server, 1000)
    found = []
    for _ in range(5):  # each in a browser context of its own: a cold cache
        page = open_page("#/runs", prepare=lambda page: page.add_init_script(MARKS))
        page.wait_for_function("() => marks.painted")
        found.append(page.evaluate("[performance.getEntriesByName('first-contentful-paint')[0].startTime, marks.painted]"))
        page.context.close()
    first, rows = (statistics.median(column) for column in zip(*found))
    print(f"1,000 runs: first paint after {first:.0f} ms, rows painted after {rows:.0f} ms")
    assert first < 1500 and rows < 3000


SCROLL = """async () => {
  const scroller = document.querySelector("main .scroller:has(> .grid)");
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const times = [await frame()];
  for (let i = 0; i < 180; i += 1) {
    scroller.scrollTop += [40, 400, 4000][i % 3];
    times.push(await frame());
  }
  return times.slice(1).map((time, i) => time - times[i]).sort((a, b) => a - b);
}"""


def test_ten_thousand_runs_are_scrolled(with_runs):
    page, _, _ = with_runs(fleet(10_000))
    page.wait_for_function("() => /^10,000 runs/.test(document.querySelector('.summary').textContent)", timeout=60_000)
    time.sleep(1)
    frames = page.evaluate(SCROLL)
    print(f"10,000 runs: a frame of scrolling takes {statistics.mean(frames):.1f} ms, 95 of 100 at most {frames[171]:.1f} ms")
    assert statistics.mean(frames) < 60


def long_curves(server):
    """Twenty runs with a long curve each: those that the store has, else new ones."""
    runs = [run["run_id"] for run in server.get("/api/v1/runs?limit=100")["runs"]]
    if runs:
        return runs
    experiment = call(server, "experiments/create", {"name": "long"})["experiment_id"]
    for k in range(20):
        run = call(server, "runs/create", {"experiment_id": experiment, "run_name": f"run {k}", "start_time": 1_700_000_000_000 + k})["run"]["info"]["run_id"]
        for start in range(0, POINTS, 1000):
            call(server, "runs/log-batch", {"run_id": run, "metrics": [
                {"key": "loss", "value": k + 1000 / (1000 + step) + (step * 7919 % 101) / 5000, "timestamp": 1_700_000_000_000 + step, "step": step}
                for step in range(start, min(start + 1000, POINTS))]})
        call(server, "runs/update", {"run_id": run, "status": "FINISHED"})
        runs.append(run)
    return runs


def test_long_curves_of_twenty_runs(servers, open_page):
    server = servers(folder=os.environ.get("CAIRN_LONG_CURVES"))
    runs = long_curves(server)
    address = f"#/runs?show={'~'.join(run[:12] for run in runs)}"
    page = open_page(address, allow=["willReadFrequently"], url=server.url)
    ready(page)
    loaded = "() => document.querySelector('.chart')?.dataset.runs === '20'"
    page.wait_for_function(loaded, timeout=60_000)
    points = int(card(page, "loss").get_attribute("data-points")) // 20
    waits = []
    for _ in range(5):
        time.sleep(1)  # a drawn page goes on to read its curves smoothed over every point, which would be waited for as well
        page.reload(wait_until="commit")
        page.wait_for_function(loaded, polling="raf", timeout=60_000)
        waits.append(page.evaluate("performance.now()"))
    # With the program's modules read, only the curves are waited for.
    fetches = page.evaluate("performance.getEntriesByType('resource').filter((e) => e.name.includes('/curves?')).map((e) => e.duration)")
    time.sleep(0.5)
    hover, smooth = page.evaluate(COST, "hover"), page.evaluate(COST, "smooth")
    print(f"20 runs of {points:,} points: ready {statistics.median(waits):.0f} ms after the page was asked for, curves read in "
          f"{max(fetches):.0f} ms, a step of the pointer {hover:.1f} ms, of the slider {smooth:.1f} ms")
    assert statistics.median(waits) < 5000 and hover < 80 and smooth < 300
