"""The dashboard's pages for what jobs leave behind and what is made of them, in a real browser: completion of a job's text,
system use, ensembles, the registry."""

import json
import random
import re

import pytest
from playwright.sync_api import expect

from conftest import digits
from test_charts import call, fall, record
from test_dashboard import HOSTILE, card, chromium, open_page, slow  # noqa: F401


def proposed(server, text):
    """What the server proposes for the place of the `|` in a text: the words, and the text with the first in place."""
    before, after = (part.encode("utf-16-le") for part in text.split("|"))
    caret, whole = len(before) // 2, (before + after).decode("utf-16-le")
    answer = server.request("POST", f"/api/v1/jobs/check?caret={caret}", data=whole.encode())
    assert answer.status_code == 200
    found = answer.json()["proposals"]
    start, end = found["range"]
    first = found["items"][0]["insert"] if found["items"] else ""
    units = before + after
    return [item["text"] for item in found["items"]], (units[: 2 * start] + first.encode("utf-16-le") + units[2 * end :]).decode("utf-16-le")


def test_what_may_stand_at_the_caret_follows_the_schema(server):
    schema = server.get("/api/v1/openapi.json")["components"]["schemas"]["JobSpec"]
    assert proposed(server, "{|")[0] == proposed(server, "{|}")[0] == list(schema["properties"])
    types = [form["properties"]["type"]["const"] for form in schema["properties"]["optimizer"]["oneOf"]]
    assert proposed(server, '{"optimizer": {"type": "|"}}')[0] == types
    layer = next(f for f in schema["properties"]["model"]["oneOf"] if "items" in f["properties"].get("layers", {}))["properties"]["layers"]["items"]["oneOf"]
    assert proposed(server, '{"model": {"layers": [{"type": |')[0] == [form["properties"]["type"]["const"] for form in layer]
    # Fields beside the caret choose the form, before it and after it; those that are there are left out.
    adam = proposed(server, '{"optimizer": {"type": "adam", "lr": 1, |}}')[0]
    assert "betas" in adam and not {"momentum", "lr", "type"} & set(adam)
    assert "momentum" in proposed(server, '{"optimizer": {|, "type": "sgd"}}')[0]
    assert proposed(server, '{"optimizer": {|}}') == (["type"], '{"optimizer": {"type": ""}}')
    assert proposed(server, '{"train": {"ep|": 3}, "seed": 1}') == (["epochs", "steps", "replicas"], '{"train": {"epochs": 3}, "seed": 1}')
    inner = '{"model": {"layers": [{"type": "linear", "out": 3}, {"layers": [{"type": "soft|"}], "type": "residual"}]}}'
    assert proposed(server, inner)[0] == ["softplus"]
    assert proposed(server, '{"model": {"layers": [{"type": "linear", "bias": |}]}}')[0] == ["true", "false"]
    assert proposed(server, '{"name": "ein 𝛼 \\"{[", "se|"}') == (["seed", "preset", "dataset"], '{"name": "ein 𝛼 \\"{[", "seed": 0}')
    for nowhere in ("|", "|[1, 2]", '{"tags": {"|"}}', '{"nothing": {"|"}}', '{"seed": 1}|', "}}|", '{"a":|]', "[" * 900_000 + "|"):
        assert proposed(server, nowhere)[0] == []


@pytest.mark.parametrize("field, text", [("optimizer.lr", '"lr": -1'), ("model.layers.1.p", '"p": 7'), ("surprise", '"surprise": {"a": [1, "}"]}')])
def test_a_fault_is_found_in_the_text(server, field, text):
    spec = digits(model={"layers": [{"type": "linear", "out": 10}, {"type": "dropout", "p": 0.5}]})
    if field == "surprise":
        spec["surprise"] = {"a": [1, "}"]}
    elif field == "optimizer.lr":
        spec["optimizer"]["lr"] = -1
    else:
        spec["model"]["layers"][1]["p"] = 7
    spec = {"name": "𝛼 first", **spec, "name": "𝛼 first"}
    whole = json.dumps(spec, ensure_ascii=False)
    answer = server.request("POST", "/api/v1/jobs/check", data=whole.encode()).json()
    assert answer["error"]["field"] == field
    start, end = answer["range"]
    assert whole.encode("utf-16-le")[2 * start : 2 * end].decode("utf-16-le") == text


def test_a_spec_is_completed_with_keys_alone(server, open_page):
    page = open_page("#/submit")
    text = page.locator("#spec")
    text.fill('{\n  "opt')
    text.press("Control+ ")
    items = page.get_by_role("menu", name="What can stand here").get_by_role("menuitem")
    expect(items).to_have_text(["optimizer"])
    # The menu stands at the word, inside of the window.
    box, area = items.first.bounding_box(), text.bounding_box()
    assert area["x"] < box["x"] < area["x"] + 200 and area["y"] + 20 < box["y"] < area["y"] + 120
    page.keyboard.press("Enter")
    expect(text).to_have_value('{\n  "optimizer": {}')
    expect(text).to_be_focused()
    text.press("Control+ ")
    expect(items).to_have_text(["type"])
    page.keyboard.press("Enter")
    expect(text).to_have_value('{\n  "optimizer": {"type": ""}')
    page.keyboard.type("rad")
    text.press("Control+ ")
    expect(items).to_have_text(["radam", "adagrad"])
    page.keyboard.press("Enter")
    expect(text).to_have_value('{\n  "optimizer": {"type": "radam"}')
    text.press("Control+z")
    expect(text).to_have_value('{\n  "optimizer": {"type": "rad"}')
    # A text that is not finished is told so, and no error reaches the console.
    expect(page.locator("#spec-error")).to_contain_text("line 2")
    text.fill("[]")
    text.press("Control+ ")
    expect(page.get_by_role("menu")).to_contain_text("Nothing is known for this place")
    page.keyboard.press("Escape")
    expect(text).to_be_focused()


def test_system_use_is_a_page_of_its_own(server, open_page):
    run = record(server, "monitored", {"loss": fall(50), "system/cpu_utilization_percentage": [30, 40, 35], "system/system_memory_usage_megabytes": [1, 2, 3]})
    page = open_page(f"#/runs/{run}?tab=system")
    expect(page.locator(".pane .chart")).to_have_count(2)
    expect(card(page, "system/cpu_utilization_percentage")).to_have_attribute("data-points", "3")
    page.get_by_role("link", name="Overview").click()
    expect(page.locator(".columns .chart")).to_have_count(3)
    job = server.run_job(digits())
    page.goto(f"{server.url}/#/runs/{job['run_id']}?tab=system")
    plan = server.request("POST", "/api/v1/jobs?dry_run=true", json=digits()).json()
    figures = page.locator(".pane dl")
    expect(figures).to_contain_text(f"memory of the job{plan['memory_bytes'] / 1024:.0f} KiB")
    expect(figures).to_contain_text(re.compile(r"server's memory now\d+(\.\d)? MiB"))
    expect(page.locator(".pane .chart")).to_have_count(1)
    expect(card(page, "examples_per_second")).to_be_visible()


def test_log_and_checkpoints_follow_a_run_that_trains(server, open_page):
    job = server.submit(slow(name="followed", train={"epochs": 3000, "batch_size": 32}))
    page = open_page(f"#/runs/{job['run_id']}")
    lines, checkpoints = page.locator("aside .log li"), page.locator("aside details", has_text="Checkpoints").locator("tbody tr")
    expect(lines.nth(2)).to_be_visible(timeout=20_000)
    expect(checkpoints.first).to_be_visible(timeout=20_000)
    seen, newest = lines.count(), checkpoints.first.locator("th").inner_text()
    page.wait_for_function("n => document.querySelectorAll('aside .log li').length >= n + 3", arg=seen)
    expect(checkpoints.first.locator("th")).not_to_have_text(newest, timeout=20_000)
    box = page.get_by_role("log", name="Log")
    below = "e => e.scrollHeight - e.scrollTop - e.clientHeight"
    assert box.evaluate("e => e.scrollHeight > e.clientHeight") and box.evaluate(below) < 40
    # Who has scrolled up to read stays there.
    box.evaluate("e => (e.scrollTop = 0)")
    seen = lines.count()
    page.wait_for_function("n => document.querySelectorAll('aside .log li').length > n", arg=seen)
    assert box.evaluate("e => e.scrollTop") == 0
    server.action(job, "cancel")
    expect(page.locator(".badge.cancelled")).to_be_visible()
    told = [line["text"] for line in server.get(f"/api/v1/runs/{job['run_id']}/log?from=1")["lines"]]
    page.wait_for_function("n => document.querySelectorAll('aside .log li').length >= n", arg=len(told))
    assert lines.evaluate_all("all => all.map((line) => line.lastChild.data)") == told  # none twice, none lost


def test_the_queue_stands_in_the_order_of_its_work(servers, open_page):
    server = servers("--workers", "1")
    ids = [server.submit(slow(name=name, priority=priority))["id"]
           for name, priority in [("at work", 0), ("later", 1), ("soon", 5), ("also later", 1)]]
    page = open_page("#/jobs", url=server.url)
    rows = page.locator("table.queue tbody tr")
    expect(rows.locator(".name")).to_have_text(["at work", "soon", "later", "also later"])
    expect(rows.nth(0)).to_contain_text(re.compile(r"step [\d,]+ of [\d,]+ .*left"), timeout=20_000)
    part = rows.nth(0).get_by_role("progressbar")
    expect(part).to_have_attribute("aria-valuenow", re.compile(r"^\d+$"))
    expect(rows.nth(1)).to_contain_text("5")
    rows.nth(1).get_by_role("button", name="Pause").click()
    expect(rows.locator(".name")).to_have_text(["at work", "later", "also later", "soon"])
    rows.nth(3).get_by_role("button", name="Resume").click()
    expect(rows.locator(".name")).to_have_text(["at work", "soon", "later", "also later"])
    for job in reversed(ids):
        server.request("POST", f"/api/v1/jobs/{job}/cancel")
    expect(page.locator(".badge.cancelled")).to_have_count(4)


def test_a_run_whose_data_set_is_gone_says_so(server, open_page):
    body = b"x,y\n" + b"".join(b"%d,%d\n" % (i, i % 2) for i in range(40))
    assert server.request("PUT", "/api/v1/datasets/passing?format=csv&label=y&task=classification", data=body).status_code == 201
    job = server.run_job(digits(dataset={"name": "passing"}, model={"layers": [{"type": "linear", "out": 2}]}))
    assert server.request("DELETE", "/api/v1/datasets/passing").status_code == 204
    for tab in ("model", "system"):
        page = open_page(f"#/runs/{job['run_id']}?tab={tab}")
        expect(page.locator(".pane")).to_contain_text("there is no such data set")


def test_selected_runs_become_an_ensemble(server, open_page):
    jobs = [server.run_job(digits(name=f"member {seed}", seed=seed)) for seed in (1, 2)]
    page = open_page("#/ensembles")
    expect(page.locator("main")).to_contain_text("No ensembles yet")
    page.goto(f"{server.url}/#/runs")
    for seed in (1, 2):
        page.get_by_role("checkbox", name=f"Select member {seed}").click()
    page.get_by_role("button", name="Ensemble").click()
    rows = page.locator("main .box tbody tr")
    expect(rows).to_have_count(3)
    (made,) = server.get("/api/v1/ensembles")["ensembles"]
    assert {member["run_id"] for member in made["members"]} == {job["run_id"] for job in jobs}
    expect(rows.last).to_contain_text("ensemble")
    expect(page.locator("main .box thead")).to_contain_text("val/loss")
    shown = [float(text) for text in rows.locator("td:nth-child(3)").all_inner_texts()]
    told = [member["metrics"]["val/loss"] for member in made["members"]] + [made["ensemble"]["val/loss"]]
    assert shown == pytest.approx(told, rel=1e-3)
    rows.first.get_by_role("link").click()
    expect(page.locator(".run-head h1")).to_have_text(re.compile("member [12]"))


def test_an_ensemble_stays_as_it_is_while_jobs_work(server, open_page):
    runs = [server.run_job(digits(name=name))["run_id"] for name in ("one", "two")]
    members = [{"run_id": run, "checkpoint": "latest"} for run in runs]
    assert server.request("POST", "/api/v1/ensembles", json={"members": members}).status_code in (200, 201, 202)
    page = open_page("#/ensembles")
    panel = page.locator("details", has_text="Ensemble 1")
    expect(panel).to_contain_text("finished", timeout=20_000)
    page.wait_for_timeout(1500)
    panel.locator("summary").click()
    expect(panel).not_to_have_attribute("open", "")
    server.run_job(digits(name="beside"))
    page.wait_for_timeout(2500)
    expect(panel).not_to_have_attribute("open", "")


def test_an_ensemble_that_is_refused_says_why(server, open_page):
    record(server, "elsewhere", {"loss": fall(5)})
    page = open_page("#/runs", allow=["404"])
    page.get_by_role("checkbox", name="Select elsewhere").click()
    page.get_by_role("button", name="Ensemble").click()
    expect(page.locator(".toast.bad")).to_contain_text("members.0.run_id")


def test_a_version_of_a_model_is_edited(server, open_page):
    run = record(server, "parent", {"loss": fall(5)})
    call(server, "registered-models/create", {"name": "digits"})
    call(server, "model-versions/create", {"name": "digits", "source": f"runs:/{run}/model", "run_id": run})
    call(server, "registered-models/alias", {"name": "digits", "alias": "old", "version": "1"})
    call(server, "model-versions/set-tag", {"name": "digits", "version": "1", "key": "why", "value": "first = try"})
    page = open_page("#/models")
    page.get_by_role("button", name="Edit digits 1").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Aliases")).to_have_value("old")
    expect(dialog.get_by_label("Tags")).to_have_value("why=first = try")
    dialog.get_by_label("Stage").select_option("Staging")
    dialog.get_by_label("Aliases").fill("champion, new")
    dialog.get_by_label("Tags").fill(f"why=second = try\nmark={HOSTILE}")
    dialog.get_by_label("Description").fill("Two lines,\nboth kept.")
    dialog.get_by_role("button", name="Save").click()
    row = page.locator("main tbody tr")
    expect(row.locator(".label")).to_have_text(["Staging", "champion", "new", f"mark={HOSTILE}", "why=second = try"])
    version = server.get("/api/2.0/mlflow/model-versions/get?name=digits&version=1")["model_version"]
    assert version["current_stage"] == "Staging" and version["description"] == "Two lines,\nboth kept."
    assert {tag["key"]: tag["value"] for tag in version["tags"]} == {"why": "second = try", "mark": HOSTILE}
    assert sorted(version["aliases"]) == ["champion", "new"]
    # What is not changed is not sent, what is refused is told.
    page.get_by_role("button", name="Edit digits 1").click()
    with page.expect_request(re.compile("model-versions/search")):
        dialog.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Edit digits 1").click()
    dialog.get_by_label("Aliases").fill("champion")
    dialog.get_by_role("button", name="Save").click()
    expect(row.locator(".label")).to_have_count(4)


CONTROLS = """() => [...document.querySelectorAll("button, a, summary, input, select, canvas.overlay, [role=slider]")]
  .filter((element) => element.checkVisibility() && !element.disabled && !element.download)
  .map((element) => element.getBoundingClientRect())
  .filter(({ width, height, top, left }) => width && height && top >= 0 && top < innerHeight && left >= 0 && left < innerWidth)
  .map(({ left, top, width, height }) => [left, top, width, height])"""
KEYS = [*"lxXsSogf0bt?/jkehp", " ", "Escape", "Enter", "Tab", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Control+z",
        "Control+Shift+Z", "Control+k", "Backspace", "Home", "End", "PageDown", "Shift+ArrowDown"]


@pytest.mark.parametrize("seed", range(3))
def test_use_at_random_raises_no_error(server, open_page, seed):
    chance = random.Random(seed)
    job = server.run_job(digits(name="first"))
    server.submit(slow(name="live"))
    for name in ("second", "third"):
        record(server, name, {"train/loss": fall(400), "val/loss": [float("nan"), 2, 1], "odd": [1]}, {"lr": len(name)})
    pages = ["#/runs", "#/compare", "#/submit", "#/jobs", "#/models", "#/ensembles", "#/datasets/digits", f"#/runs/{job['run_id']}"]
    page = open_page("#/runs", allow=["40", "willReadFrequently"])  # what the server refuses is told on the console, too
    for action in range(160):
        if action % 20 == 0:
            page.goto(f"{server.url}/{pages[action // 20]}")
            page.locator("main > *").first.wait_for()
        kind = chance.random()
        if kind < 0.4:
            page.keyboard.press(chance.choice(KEYS))
        elif kind < 0.8:
            left, top, width, height = chance.choice(page.evaluate(CONTROLS))
            page.mouse.click(left + chance.random() * width, top + chance.random() * height, button=chance.choice(["left"] * 5 + ["right"]))
        elif kind < 0.9:
            page.mouse.move(chance.random() * 1440, chance.random() * 900)
            page.mouse.down()
            page.mouse.move(chance.random() * 1440, chance.random() * 900, steps=4)
            page.mouse.up()
        else:
            page.mouse.wheel(0, chance.choice([-300, 300]))
