"""The dashboard in a real browser against the real program: what a reader sees, clicks and types.

Charts tell what they draw through their card: `data-key` (the curve's name), `data-points` (points of all lines) and
`data-runs`; the upper canvas says the same in its label.
"""

import json
import os
import pathlib
import re
import shutil
import time
import urllib.parse

import pytest
from playwright.sync_api import expect, sync_playwright

from conftest import digits

HERE = pathlib.Path(__file__).resolve().parent
PUBLIC = HERE.parents[1] / "Public"
SHOTS = pathlib.Path(os.environ.get("CAIRN_SCREENSHOTS", HERE / "screenshots"))
HOSTILE = "<img src=x onerror=alert(1)>"
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


def slow(**changes):
    """A job that is still running while a page is looked at."""
    layers = [{"type": "linear", "out": 1024}, {"type": "relu"}, {"type": "linear", "out": 10}]
    return digits(**{"model": {"layers": layers}, "train": {"epochs": 3000, "batch_size": 32}, **changes})


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, server):
    """Opens pages of the server; afterwards, none of them may have complained on its console."""
    contexts, complaints, expected = [], [], []

    def make(address="#/runs", viewport=DESKTOP, scheme="light", allow=(), url=None, prepare=None):
        context = chromium.new_context(viewport=viewport, color_scheme=scheme)
        context.set_default_timeout(15000)
        contexts.append(context)
        expected.extend(allow)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(f"{error}\n{error.stack}"))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        if prepare:
            prepare(page)
        page.goto((url or server.url) + "/" + address)
        return page

    yield make
    for context in contexts:
        context.close()
    assert [c for c in complaints if not any(word in c for word in expected)] == []


def card(page, key):
    return page.locator(f'.chart[data-key="{key}"]')


def points(page, key):
    return int(card(page, key).get_attribute("data-points"))


def wait_for_points(page, key, more_than, timeout=20):
    deadline = time.monotonic() + timeout
    card(page, key).wait_for()
    while points(page, key) <= more_than:
        assert time.monotonic() < deadline, f"{key} stays at {points(page, key)} points"
        time.sleep(0.05)
    return points(page, key)


def drawn(page, key):
    """How many pixels of a chart have colour: grid, axis and text are grey."""
    return card(page, key).locator("canvas.plot").evaluate(
        """canvas => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let n = 0;
          for (let i = 0; i < data.length; i += 4) {
            const [r, g, b] = [data[i], data[i + 1], data[i + 2]];
            if (data[i + 3] > 100 && Math.max(r, g, b) - Math.min(r, g, b) > 27) n += 1;
          }
          return n;
        }"""
    )


# --- live


def test_a_curve_appears_and_grows_without_a_reload(server, open_page):
    page = open_page("#/runs")
    page.evaluate("window.sameDocument = true")
    expect(page.locator("main")).to_contain_text("No runs yet")
    job = server.submit(slow(name="growing"))
    first = wait_for_points(page, "train/loss", 0)
    second = wait_for_points(page, "train/loss", first)
    wait_for_points(page, "train/loss", second)
    assert drawn(page, "train/loss") > 50
    expect(card(page, "train/loss").locator("canvas.overlay")).to_have_attribute(
        "aria-label", re.compile(r"^train/loss: [\d,]+ points? in 1 run")
    )
    expect(page.locator("table.list")).to_contain_text("growing")
    expect(page.locator(".badge.running")).to_be_visible()
    server.action(job, "cancel")
    expect(page.locator(".badge.cancelled")).to_be_visible()
    assert page.evaluate("window.sameDocument") is True


@pytest.mark.parametrize("epochs", [10, 70])
def test_every_point_of_a_live_curve_is_counted_once(server, open_page, epochs):
    """Also when the curve outgrows what is drawn point by point, and is read anew as buckets on its way."""
    page = open_page("#/runs")
    job = server.submit(digits(train={"epochs": epochs, "batch_size": 32}))
    server.wait(job["id"])
    expect(page.locator(".badge.finished")).to_be_visible()
    steps = server.job(job["id"])["progress"]["total_steps"]
    wait_for_points(page, "train/loss", steps - 1)
    time.sleep(2)
    assert points(page, "train/loss") == steps
    assert points(page, "val/loss") == epochs
    note = "exact, {} points" if steps <= 2000 else "exact to the pixel, {} points, min and max per pixel"
    expect(card(page, "train/loss").locator(".note")).to_have_text(re.compile(f"^{note.format(f'{steps:,}')}$"))


def test_the_page_comes_back_when_the_server_does(server, open_page):
    page = open_page("#/runs", allow=["net::ERR"])
    expect(page.locator("#link")).to_contain_text("live")
    server.kill()
    expect(page.locator("#banner")).to_contain_text("cannot be reached")
    server.start()
    server.submit(digits(name="after the pause"))
    expect(page.locator("#banner")).to_be_hidden(timeout=20000)
    expect(page.locator("table.list")).to_contain_text("after the pause")
    wait_for_points(page, "train/loss", 10)


# --- jobs


def test_pause_resume_and_cancel_on_the_run_page(server, open_page):
    job = server.submit(slow(name="buttons"))
    page = open_page(f"#/runs/{job['run_id']}")
    wait_for_points(page, "train/loss", 10)
    head = page.locator(".run-head")
    head.get_by_role("button", name="Pause").click()
    expect(head.locator(".badge")).to_have_text("paused")
    assert server.wait(job["id"], states=("paused",))["state"] == "paused"
    before = points(page, "train/loss")
    head.get_by_role("button", name="Resume").click()
    expect(head.locator(".badge")).to_have_text("running")
    wait_for_points(page, "train/loss", before)
    head.get_by_role("button", name="Cancel").click()
    expect(head.locator(".badge")).to_have_text("cancelled")
    assert server.job(job["id"])["state"] == "cancelled"
    expect(head.get_by_role("button", name=re.compile("Pause|Resume|Cancel"))).to_have_count(0)


def test_the_queue_shows_and_changes_jobs(server, open_page):
    page = open_page("#/jobs")
    expect(page.locator("main")).to_contain_text("Nothing in the queue")
    running = server.submit(slow(name="first"))
    waiting = server.submit(slow(name="second"))
    for job in (running, waiting):
        expect(page.locator(f'tr[data-id="{job["id"]}"]')).to_be_visible()
    row = page.locator(f'tr[data-id="{waiting["id"]}"]')
    row.get_by_role("button", name="Cancel").click()
    expect(row.locator(".badge")).to_have_text("cancelled")
    row = page.locator(f'tr[data-id="{running["id"]}"]')
    expect(row.locator(".badge")).to_have_text("running")
    expect(row.get_by_role("progressbar")).to_be_attached()
    row.get_by_role("button", name="Cancel").click()
    expect(row.locator(".badge")).to_have_text("cancelled")


# --- the form


def test_a_job_is_checked_and_submitted_from_the_form(server, open_page):
    page = open_page("#/submit")
    page.get_by_role("button", name="MLP, momentum").click()
    plan = page.locator(".plan")
    expect(plan).to_contain_text("4,810")  # 64 x 64 + 64 + 64 x 10 + 10
    expect(plan.locator("tbody tr")).to_have_count(3)
    assert server.get("/api/v1/jobs")["jobs"] == []
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile(r"#/runs/[0-9a-f]{32}"))
    wait_for_points(page, "train/loss", 0)
    (job,) = server.get("/api/v1/jobs")["jobs"]
    assert job["run_id"] in page.url


def test_an_error_appears_at_its_field(server, open_page):
    page = open_page("#/submit")
    page.get_by_role("button", name="MLP, Adam").click()
    expect(page.locator(".plan")).to_contain_text("4,810")
    text = page.locator("#spec")
    error = page.locator("#spec-error")
    text.fill(text.input_value().replace("0.001", "-1"))
    caret = text.evaluate("area => area.selectionStart")
    # While one writes, the server checks and the line is told, but the caret stays.
    line = text.input_value()[: text.input_value().index('"lr"')].count("\n") + 1
    expect(error).to_have_text(re.compile(rf"^line {line}: optimizer\.lr "))
    expect(page.locator(".plan")).not_to_contain_text("4,810")
    assert text.evaluate("area => area.selectionStart") == caret
    text.press("Space")
    expect(error).to_be_hidden()
    text.press("Backspace")
    page.get_by_role("button", name="Submit").click()
    expect(error).to_contain_text("optimizer.lr")
    expect(text).to_have_attribute("aria-invalid", "true")
    expect(text).to_be_focused()
    assert text.evaluate("area => area.value.slice(area.selectionStart, area.selectionEnd)") == '"lr": -1'
    text.fill('{"optimizer": {"type": "sgd",, "lr": 1}}')
    expect(error).to_contain_text("line 1")
    page.get_by_role("button", name="Submit").click()
    expect(text).to_be_focused()
    assert text.evaluate("area => area.selectionStart") == 29
    assert server.get("/api/v1/jobs")["jobs"] == []


def test_a_job_starts_from_an_earlier_run(server, open_page):
    first = server.run_job(digits(name="first", seed=11))
    page = open_page("#/submit")
    page.get_by_label("Start from an earlier run").select_option(first["run_id"])
    expect(page.locator("#spec")).to_have_value(re.compile('"seed": 11'))
    expect(page.locator(".plan h2").first).to_have_text("This job is sound")
    page.get_by_role("button", name="Submit").click()
    expect(page.locator(".run-head .badge")).to_have_text("finished")
    assert len(server.get("/api/v1/jobs")["jobs"]) == 2


def test_a_spec_is_edited_and_run_again(server, open_page):
    job = server.submit(digits(name="original", seed=5))
    server.wait(job["id"])
    page = open_page(f"#/runs/{job['run_id']}")
    page.get_by_role("link", name="Edit and submit").click()
    text = page.locator("#spec")
    expect(text).to_have_value(re.compile('"seed": 5'))
    text.fill(text.input_value().replace('"original"', '"changed"'))
    page.get_by_role("button", name="Submit").click()
    expect(page.locator(".run-head h1")).to_have_text("changed")
    expect(page.locator(".run-head .badge")).to_have_text("finished")
    first = page.url.split("/")[-1].split("?")[0]
    page.get_by_role("button", name="Run again").click()
    page.wait_for_function("id => !location.hash.includes(id)", arg=first)
    expect(page.locator(".run-head .badge")).to_have_text("finished")
    assert len(server.get("/api/v1/jobs")["jobs"]) == 3


# --- one run


def test_the_run_page_tells_everything(server, open_page):
    job = server.submit(digits(name="whole", tags={"why": "baseline"}))
    server.wait(job["id"])
    page = open_page(f"#/runs/{job['run_id']}")
    aside = page.locator("aside")
    expect(aside).to_contain_text("optimizer.lr")
    expect(aside).to_contain_text("baseline")
    expect(page.locator(".log li").first).to_be_visible()
    with page.expect_download() as download:
        aside.get_by_role("link", name=re.compile("Download model of step")).first.click()
    assert download.value.suggested_filename.endswith(".safetensors")
    for key in ("train/loss", "train/accuracy", "val/loss", "val/accuracy"):
        wait_for_points(page, key, 0)
    assert page.title().startswith("whole")


def test_the_tabs_of_a_run_show_its_log_model_and_spec(server, open_page):
    layers = [
        {"type": "conv2d", "channels": 4, "kernel": 3, "padding": 1},
        {"type": "residual", "layers": [{"type": "conv2d", "channels": 4, "kernel": 3, "padding": 1}, {"type": "relu"}]},
        {"type": "flatten"},
        {"type": "linear", "out": 10},
    ]
    job = server.run_job(digits(name="graph", model={"layers": layers}))
    plan = server.request("POST", "/api/v1/jobs?dry_run=true", json=server.get(f"/api/v1/runs/{job['run_id']}/spec")).json()
    layers = [line for layer in plan["layers"] for line in (layer, *layer["layers"])]
    assert [layer["name"] for layer in layers] == ["0.conv2d", "1.residual", "0.conv2d", "1.relu", "2.flatten", "3.linear"]
    page = open_page(f"#/runs/{job['run_id']}")
    tabs = page.get_by_role("navigation", name="Parts of this run")
    expect(tabs.locator("[aria-current]")).to_have_text("Overview")
    tabs.get_by_role("link", name="Model").click()
    rows = page.locator(".pane table tbody tr")
    expect(rows).to_have_count(len(layers))
    for row, layer in zip(rows.all(), layers):
        expect(row.locator("th")).to_contain_text(layer["name"])
        expect(row.locator("td").nth(0)).to_have_text(" × ".join(map(str, layer["output_shape"])))
        expect(row.locator("td").nth(1)).to_have_text(f"{layer['parameters']:,}")
    expect(rows.nth(2).locator("th")).to_contain_text(re.compile(r"↳ 0\.conv2d channels 4, kernel "))
    expect(page.locator(".pane dl")).to_contain_text(f"{plan['parameters']:,}")
    expect(page.locator(".board")).to_be_hidden()
    tabs.get_by_role("link", name="Spec").click()
    assert json.loads(page.get_by_label("Spec", exact=True).inner_text()) == plan["spec"]
    tabs.get_by_role("link", name="Log").press("Enter")
    expect(page.locator(".pane .log li").first).to_be_visible()
    page.reload()
    expect(tabs.locator("[aria-current]")).to_have_text("Log")
    page.go_back()
    expect(page.get_by_label("Spec", exact=True)).to_be_visible()
    tabs.get_by_role("link", name="Overview").click()
    expect(page.locator("aside .log li").first).to_be_visible()
    expect(page.locator(".board")).to_be_visible()


def test_artifacts_are_listed_and_looked_into_but_never_run(server, open_page):
    job = server.run_job(digits(name="files"))
    uri = server.get(f"/api/2.0/mlflow/runs/get?run_id={job['run_id']}")["run"]["info"]["artifact_uri"]
    root = f"/api/2.0/mlflow-artifacts/artifacts/{uri.removeprefix('mlflow-artifacts:/').strip('/')}"
    one_pixel = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000" "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
        "0000000049454e44ae426082")
    files = {
        "notes.md": "# Notes\nNaïve.".encode(), "table.csv": b'name,score\nalpha,1.5\n"b, c",2\n', "deep/er/data.json": b'{"a":[1,2]}',
        f"{HOSTILE}.html": b"<script>alert(1)</script>", "plots/dot.png": one_pixel, "weights.bin": b"\xff\x00\xfe", "empty.txt": b"",
        "long.log": b"x" * 300_000,
    }
    for name, body in files.items():
        answer = server.request("PUT", f"{root}/{urllib.parse.quote(name)}", data=body)
        assert answer.status_code == 200, (name, answer.text)
    page = open_page(f"#/runs/{job['run_id']}?tab=artifacts")
    pane = page.locator(".pane")

    def look(name):
        entry = pane.locator("details", has=page.locator("> summary", has_text=re.compile(f"^{re.escape(name)}"))).last
        entry.locator("> summary").click()
        return entry

    expect(look("notes.md")).to_contain_text("Naïve.")
    cells = look("table.csv").locator("tr")
    expect(cells).to_have_text(["namescore", "alpha1.5", "b, c2"])
    expect(cells.nth(2).locator("td.n")).to_have_text("2")
    look("deep")
    look("er")
    expect(look("data.json").locator("pre")).to_have_text(re.compile(r'^\{\s*"a": \[ ?1, 2 ?\]\s*\}$'))
    expect(look(f"{HOSTILE}.html").locator("pre")).to_have_text("<script>alert(1)</script>")
    look("plots")
    picture = look("dot.png").locator("img")
    expect(picture).to_have_js_property("naturalWidth", 1)
    expect(look("weights.bin")).to_contain_text("no text")
    expect(look("empty.txt")).to_contain_text("empty")
    expect(look("long.log")).to_contain_text("The first 256 KiB")
    look("checkpoints")
    expect(pane.locator("summary", has_text=".safetensors").first).to_be_visible()
    with page.expect_download() as download:
        pane.get_by_role("link", name="Download table.csv").click()
    assert download.value.path().read_bytes() == files["table.csv"]
    assert page.locator("iframe, object, embed").count() == 0


def test_a_run_of_another_client_has_no_spec_and_says_so(server, open_page):
    mlflow = f"{server.url}/api/2.0/mlflow/runs/create"
    run = server.request("POST", mlflow.removeprefix(server.url), json={"experiment_id": "0", "run_name": "elsewhere"}).json()["run"]["info"]
    for tab in ("log", "model", "spec", "system"):
        page = open_page(f"#/runs/{run['run_id']}?tab={tab}")
        expect(page.locator(".pane")).to_contain_text("Another client logged this run: no job here has its spec or log.")
    page.get_by_role("link", name="Overview").click()
    expect(page.locator(".columns")).to_be_visible()
    expect(page.get_by_role("heading", name="Log")).to_have_count(0)
    expect(page.get_by_role("button", name="Run again")).to_have_count(0)


def test_an_unknown_run_says_so(server, open_page):
    page = open_page(f"#/runs/{'0' * 32}", allow=["404"])
    expect(page.locator("main")).to_contain_text("No such run")


# --- charts


def test_values_are_read_with_pointer_and_keys(server, open_page):
    job = server.submit(digits())
    server.wait(job["id"])
    page = open_page("#/runs")
    wait_for_points(page, "train/loss", 10)
    overlay = card(page, "train/loss").locator("canvas.overlay")
    overlay.hover()
    tip = page.locator(".tip")
    expect(tip).to_contain_text("mlp")
    page.mouse.move(5, 5)
    expect(tip).to_be_hidden()
    overlay.focus()
    overlay.press("Home")
    curve = server.get(f"/api/v1/runs/{job['run_id']}/metrics/train/loss?max_points=0")
    cells = tip.locator("tbody td")
    expect(cells.nth(4)).to_have_text("0")
    assert float(cells.nth(3).inner_text()) == pytest.approx(curve["values"][0], rel=1e-4)
    overlay.press("ArrowRight")
    expect(cells.nth(4)).to_have_text("1")
    overlay.press("End")
    expect(cells.nth(4)).to_have_text(str(curve["steps"][-1]))


def test_zoom_log_and_fit(server, open_page):
    server.wait(server.submit(digits())["id"])
    page = open_page("#/runs")
    wait_for_points(page, "train/loss", 10)
    chart = card(page, "train/loss")
    picture = "canvas => canvas.toDataURL()"
    whole = chart.locator("canvas.plot").evaluate(picture)
    box = chart.locator("canvas.overlay").bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 120, steps=3)
    page.mouse.up()
    expect(chart.get_by_role("button", name="Fit")).to_be_visible()
    assert chart.locator("canvas.plot").evaluate(picture) != whole
    chart.locator("canvas.overlay").dblclick()
    expect(chart.get_by_role("button", name="Fit")).to_be_hidden()
    page.mouse.move(5, 5)
    assert chart.locator("canvas.plot").evaluate(picture) == whole
    page.get_by_role("button", name="log y").click()
    assert chart.locator("canvas.plot").evaluate(picture) != whole
    assert "log=1" in page.url
    page.get_by_label("Smoothing", exact=True).fill("0")
    assert "smooth=0" in page.url
    page.reload()
    expect(page.get_by_role("button", name="log y")).to_have_attribute("aria-pressed", "true")


def test_a_long_curve_says_what_it_shows_and_is_exact_when_zoomed(server, open_page):
    job = server.submit(digits(train={"epochs": 50, "batch_size": 32}))
    server.wait(job["id"])
    steps = server.job(job["id"])["progress"]["total_steps"]
    page = open_page("#/runs")
    wait_for_points(page, "train/loss", 1000)
    chart = card(page, "train/loss")
    expect(chart.locator(".note")).to_have_text(f"exact to the pixel, {steps:,} points, min and max per pixel")
    assert points(page, "train/loss") == steps
    box = chart.locator("canvas.overlay").bounding_box()
    page.mouse.move(box["x"] + 150, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 104, steps=3)
    with page.expect_response(lambda r: "from_step=" in r.url) as finer:
        page.mouse.up()
    assert finer.value.json()["sampled"] is False


def test_runs_are_sorted_filtered_and_chosen(server, open_page):
    for name, lr in (("small", 0.001), ("large", 0.01)):
        server.wait(server.submit(digits(name=name, optimizer={"type": "adam", "lr": lr}))["id"])
    page = open_page("#/runs")
    names = page.locator("tbody .name a")
    expect(names).to_have_text(["large", "small"])
    page.locator("thead .param").get_by_role("button", name="lr", exact=True).click()
    expect(names).to_have_text(["small", "large"])
    search = page.get_by_label("Filter runs")
    search.fill("optimizer.lr<0.005")
    expect(names).to_have_text(["small"])
    search.fill("")
    wait_for_points(page, "train/loss", 200)
    page.get_by_role("button", name="Draw large").click()
    expect(card(page, "train/loss")).to_have_attribute("data-runs", "1")
    page.reload()
    expect(card(page, "train/loss")).to_have_attribute("data-runs", "1")


# --- safety and manners


def test_a_token_is_asked_for_once(servers, open_page):
    guarded = servers("--token", "correct horse")
    guarded.token = "correct horse"
    page = open_page("#/runs", url=guarded.url, allow=["401"])
    field = page.get_by_label("Access token")
    field.fill("wrong")
    page.get_by_role("button", name="Go on").click()
    field.fill("correct horse")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("main")).to_contain_text("No runs yet")
    job = guarded.submit(digits(name="guarded"))
    wait_for_points(page, "train/loss", 10)
    guarded.wait(job["id"])
    page.goto(f"{guarded.url}/#/runs/{job['run_id']}")
    page.reload()
    wait_for_points(page, "train/loss", 10)
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("Download all of step")).first.click()
    assert download.value.suggested_filename.endswith(".safetensors")


def test_hostile_names_are_shown_as_text(server, open_page):
    job = server.submit(digits(name=HOSTILE, experiment=HOSTILE, tags={"why": f"<b>{HOSTILE}</b>"}))
    server.wait(job["id"])
    page = open_page("#/runs")
    expect(page.locator("tbody .name a")).to_have_text(HOSTILE)
    page.goto(f"{server.url}/#/runs/{job['run_id']}")
    expect(page.locator(".run-head h1")).to_have_text(HOSTILE)
    expect(page.locator("aside")).to_contain_text(f"<b>{HOSTILE}</b>")
    wait_for_points(page, "train/loss", 10)
    card(page, "train/loss").locator("canvas.overlay").hover()
    expect(page.locator(".tip")).to_contain_text(HOSTILE)
    assert page.locator("img, main b").count() == 0


def test_the_source_keeps_the_content_policy():
    forbidden = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\bon\w+\s*=|javascript:")
    files = [path for path in PUBLIC.rglob("*") if path.is_file()]
    for path in files:
        found = forbidden.search(path.read_text())
        assert not found, f"{path.name}: {found.group()}"
    assert not re.search(r"<style|\sstyle=|<script>", (PUBLIC / "index.html").read_text())
    assert sum(path.stat().st_size for path in files) < 250_000


def test_a_page_names_the_modules_that_it_needs(server):
    """With these in the answer's head, a browser asks for all of them at once and not one level after the other."""
    found = ["app.js"]
    for name in found:
        for other in re.findall(r'^import .*"(.+)";$', (PUBLIC / name).read_text(), re.M):
            path = os.path.normpath(pathlib.PurePosixPath(name).parent / other)
            if path not in found:
                found.append(path)
    link = server.request("GET", "/").headers["Link"]
    assert re.fullmatch(r"(</[\w/.]+>; rel=modulepreload(, |$))+", link)
    assert re.findall(r"</(.+?)>", link) == found and {"views/runs.js", "board.js"} < set(found)
    assert not {"views/jobs.js", "theme.js"} & set(found)  # not needed for the first page; no module
    assert "Link" not in server.request("GET", "/app.js").headers


CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((c, i) => (c * a + below[i] * (255 - a)) / 255);
  const ground = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.push(rgba(getComputedStyle(e).backgroundColor));
    return layers.reduceRight((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const light = (rgb) => rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const bad = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!text || !element.checkVisibility() || element.matches(":disabled")) continue;
    const below = ground(element);
    const [a, b] = [light(over(rgba(getComputedStyle(element).color), below)), light(below)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) bad.push(`${element.tagName}.${element.className} "${element.textContent.slice(0, 30)}" ${contrast.toFixed(2)}`);
  }
  return bad;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone_is_readable_and_named(server, open_page, scheme):
    job = server.submit(digits(name="a name that is rather longer than any column would like to give room to"))
    server.wait(job["id"])
    page = open_page("#/runs", viewport=PHONE, scheme=scheme)
    one = f"#/runs/{job['run_id']}"
    server.request("POST", "/api/v1/ensembles", json={"members": [{"run_id": job["run_id"]}]})
    version = {"run_id": job["run_id"], "source": f"runs:/{job['run_id']}/checkpoints"}
    for call, body in (("registered-models/create", {}), ("model-versions/create", version)):
        assert server.request("POST", f"/api/2.0/mlflow/{call}", json={"name": "a" * 60, **body}).status_code == 200
    tabs = [f"{one}?tab={tab}" for tab in ("log", "model", "artifacts", "system", "spec")]
    for address in ("#/runs", one, *tabs, "#/jobs", "#/submit", "#/datasets", "#/datasets/digits", "#/models", "#/ensembles", "#/settings"):
        page.goto(f"{server.url}/{address}")
        page.locator("main h1, main table.list").first.wait_for()
        time.sleep(0.4)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], address
        assert page.evaluate(CONTRAST) == [], address
        unnamed = page.locator("button:visible, a:visible, input:visible, select:visible, textarea:visible").evaluate_all(
            "all => all.filter(e => !(e.textContent.trim() || e.ariaLabel || e.labels?.length)).map(e => e.outerHTML)"
        )
        assert unnamed == [], address


@pytest.mark.parametrize("page_name", ["runs", "compare", "jobs", "ensembles", "models", "runs/unknown"])
def test_pages_with_nothing_on_them_fit_a_phone(server, open_page, page_name):
    page = open_page(f"#/{page_name}", viewport=PHONE, allow=["404"])
    expect(page.locator(".empty h2")).to_be_visible()
    assert page.evaluate("Math.max(...[...document.querySelectorAll('main *')].map((e) => e.getBoundingClientRect().right))") <= PHONE["width"]


def test_the_registry_shows_versions_with_aliases_and_stages(server, open_page):
    page = open_page("#/models")
    expect(page.locator("main")).to_contain_text("No models yet")
    job = server.run_job(digits(name="parent"))

    def mlflow(call, **body):
        answer = server.request("POST", f"/api/2.0/mlflow/{call}", json=body)
        assert answer.status_code == 200, answer.text

    name = f"{HOSTILE} 'a' \"b\""
    mlflow("registered-models/create", name=name)
    for _ in range(2):
        mlflow("model-versions/create", name=name, source=f"runs:/{job['run_id']}/checkpoints", run_id=job["run_id"])
    mlflow("registered-models/alias", name=name, alias="champion", version="2")
    mlflow("model-versions/transition-stage", name=name, version="1", stage="Production", archive_existing_versions=False)
    page.reload()
    rows = page.locator("main tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text(name)
    expect(rows.nth(0).locator(".label")).to_have_text("champion")
    expect(rows.nth(1).locator(".label")).to_have_text("Production")
    rows.nth(0).get_by_role("link", name="parent").click()
    expect(page.locator(".run-head h1")).to_have_text("parent")


def test_the_token_is_kept_and_forgotten_in_the_settings(servers, open_page):
    guarded = servers("--token", "correct horse")
    page = open_page("#/settings", url=guarded.url, allow=["401"])
    page.locator("dialog").get_by_label("Access token").fill("correct horse")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("dialog")).to_have_count(0)
    page.reload()
    field = page.get_by_label("Access token")
    expect(field).to_have_value("correct horse")
    field.fill(" another ")
    field.press("Enter")
    assert page.evaluate("localStorage.getItem('cairn.token')") == '"another"'
    page.get_by_role("button", name="Forget").click()
    assert page.evaluate("localStorage.getItem('cairn.token')") is None


def test_the_theme_is_toggled_and_kept(server, open_page):
    page = open_page("#/submit", scheme="light")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Switch between light and dark").click()
    dark = page.evaluate(background)
    assert dark != light
    page.reload()
    assert page.evaluate(background) == dark
    page.get_by_role("button", name="Switch between light and dark").click()
    assert page.evaluate(background) == light
    assert page.evaluate("localStorage.getItem('cairn.theme')") is None


def test_the_pure_parts_compute_what_they_say(server, open_page):
    page = open_page("#/submit")
    assert page.evaluate(
        """async () => {
          const { Series, smooth, nearest } = await import("/series.js");
          const { linearTicks, logTicks, padded } = await import("/scale.js");
          const format = await import("/format.js");
          const long = new Series({ key: "k", count: 10, sampled: true, steps: [0, 4, 8], timestamps: [0, 4, 8],
            values: [1, 2, 3], min: [0, 1, 2], max: [2, 3, 4], bucket: 4, last_step: 9 });
          for (const [step, value] of [[8, 0], [9, 0], [10, 9], [12, 5]]) long.append({ step, timestamp: step, value });
          const exact = new Series({ key: "k", count: 2, sampled: false, steps: [0, 2], timestamps: [0, 2], values: [1, 2] });
          exact.append({ step: 2, timestamp: 2, value: 2 });
          const repeated = exact.stale;
          exact.append({ step: 1, timestamp: 1, value: 7 });
          return [
            [long.steps, long.high, long.last, long.count], [exact.count, repeated, exact.stale],
            smooth([4, NaN, 4], 0.9).map(String), smooth([0, 1], 0.5).at(1).toFixed(6),
            nearest([0, 10, 20], 14), nearest([], 1),
            linearTicks(0, 1, 5).map((t) => t.text), logTicks(0.01, 100, 4).map((t) => t.at), padded(3, 3, false), padded(0.1, 10, true).map((v) => v.toFixed(4)),
            format.si(1500), format.duration(3905), format.value(0.000012345), format.count(1204331),
          ];
        }"""
    ) == [
        # The points up to step 9 are in the buckets already; 10 joins the last one, 12 begins the next.
        [[0, 4, 8, 12], [2, 3, 9, 5], 12, 12], [2, False, True],
        ["4", "NaN", "4"], "0.666667",
        1, -1,
        ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"], [0.01, 0.1, 1, 10, 100], [0, 6], ["0.0562", "17.7828"],
        "1.5k", "1h 05m", "1.23e-5", "1,204,331",
    ]


def test_events_are_parsed_however_they_are_cut(server, open_page):
    page = open_page("#/submit")
    assert page.evaluate(
        """async () => {
          const { eventParser } = await import("/api.js");
          const text = ': hello\\n\\nevent: metric\\nid: 1-7\\ndata: [1,\\ndata: 2]\\n\\nevent: run\\r\\ndata: {}\\r\\n\\r\\ndata: 3\\n\\n';
          const results = [];
          for (let size = 1; size <= text.length; size += 1) {
            const events = [];
            const feed = eventParser((event) => events.push([event.kind, event.data, event.id]));
            for (let at = 0; at < text.length; at += size) feed(text.slice(at, at + size));
            results.push(JSON.stringify(events));
          }
          return [...new Set(results)];
        }"""
    ) == ['[["metric",[1,2],"1-7"],["run",{},null],["message",3,null]]']


# --- pictures


def test_screenshots(server, open_page):
    """The pages as they are, for the reader's eye; `runs-light.png` is the one in the README."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    layers = [{"type": "linear", "out": 64}, {"type": "relu"}, {"type": "linear", "out": 10}]
    jobs = [
        server.submit(digits(name=name, optimizer=optimizer, model={"layers": layers}, train={"epochs": 20, "batch_size": 64}))
        for name, optimizer in (
            ("mlp sgd", {"type": "sgd", "lr": 0.05}),
            ("mlp momentum", {"type": "sgd", "lr": 0.02, "momentum": 0.9}),
            ("mlp adam", {"type": "adam", "lr": 0.001}),
        )
    ]
    for job in jobs:
        server.wait(job["id"])
    one = f"#/runs/{jobs[-1]['run_id']}"
    server.request("POST", "/api/v1/ensembles", json={"members": [{"run_id": job["run_id"]} for job in jobs]})
    for call, body in (("registered-models/create", {}), ("model-versions/create", {"run_id": jobs[0]["run_id"], "source": f"runs:/{jobs[0]['run_id']}/checkpoints"}),
                       ("registered-models/alias", {"alias": "champion", "version": "1"})):
        server.request("POST", f"/api/2.0/mlflow/{call}", json={"name": "digits", **body})
    pages = {"runs": "#/runs", "run": one, "model": f"{one}?tab=model", "spec": f"{one}?tab=spec", "artifacts": f"{one}?tab=artifacts", "log": f"{one}?tab=log",
             "queue": "#/jobs", "new-job": "#/submit", "datasets": "#/datasets",
             "digits": "#/datasets/digits", "models": "#/models", "ensembles": "#/ensembles", "compare": "#/compare",
             "system": f"{one}?tab=system", "settings": "#/settings"}
    for scheme in ("light", "dark"):
        for size, viewport in (("", DESKTOP), ("-phone", PHONE)):
            page = open_page("#/runs", viewport=viewport, scheme=scheme)
            for name, address in pages.items():
                page.goto(f"{server.url}/{address}")
                page.locator("main h1, main table.list, main .empty").first.wait_for()
                if name == "new-job":
                    page.locator(".plan h2").first.wait_for()
                if name in ("runs", "run"):
                    wait_for_points(page, "train/loss", 100)
                    if not size:
                        wait_for_points(page, "val/loss", 10)
                time.sleep(0.5)
                page.screenshot(path=SHOTS / f"{name}-{scheme}{size}.png")
    assert len(list(SHOTS.glob("*.png"))) >= 16
