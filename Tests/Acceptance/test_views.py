"""The dashboard's pages beside the charts, in a real browser: tables, menus, comparisons, forms, settings.

Where a page must hold more than a test can train, the runs come from `fleet`: the list of runs is answered in the
browser, in pages, in the form of the API, and everything else still by the program.
"""

import json
import re
import time
import urllib.parse

import pytest
from playwright.sync_api import expect

from conftest import digits
from test_dashboard import CONTRAST, DESKTOP, HOSTILE, PHONE, SHOTS, chromium, open_page, slow  # noqa: F401

NAMES = "main table.grid tbody .name a"


def fleet(count, start=1_700_000_000_000):
    """Runs as `GET /api/v1/runs` gives them, newest first."""
    runs = []
    for i in range(count):
        loss = ((i * 7919) % 1000) / 1000
        times = {"start_time": start - 60_000 * i, "end_time": start - 60_000 * i + 1000 * (i % 50)}
        runs.append({
            "run_id": f"{i * 2654435761 % 2**32:08x}{i:024x}", "name": f"run {i}", "experiment": f"group {i % 3}",
            "status": "FINISHED", "job_id": None, "tags": {"team": ["red", "blue"][i % 2]}, **times,
            "params": {"optimizer.lr": str(10 ** -(1 + i % 4)), "optimizer.type": "sgd", "train.batch_size": str(16 << (i % 3))},
            "metrics": {
                "val/loss": {"last": loss, "min": loss / 2, "max": 2.0, "count": 5},
                "val/accuracy": {"last": 1 - loss, "min": 0.1, "max": 1 - loss, "count": 5},
            },
        })
    return runs


def serve_runs(page, runs):
    """Answers the list of runs from `runs`; gives the queries that were asked."""
    asked = []

    def answer(route):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(route.request.url).query)
        asked.append(query)
        at, limit = int(query.get("page_token", ["p0"])[0][1:]), int(query["limit"][0])
        body = {"runs": runs[at : at + limit]}
        if at + limit < len(runs):
            body["next_page_token"] = f"p{at + limit}"
        route.fulfill(json=body)

    page.route(re.compile(r"/api/v1/runs\?"), answer)
    page.route(re.compile(r"/api/v1/curves\?"), lambda route: route.fulfill(json={"curves": []}))
    return asked


@pytest.fixture
def with_runs(server, open_page):
    """Opens the dashboard with so many runs."""

    def make(count, address="#/runs", **options):
        runs = count if isinstance(count, list) else fleet(count)
        asked = []
        page = open_page(address, prepare=lambda page: asked.append(serve_runs(page, runs)), **options)
        page.locator(NAMES).first.wait_for()
        return page, runs, asked[0]

    return make


def head(page, column):
    return page.locator(f'th[data-column="{column}"]')


def column_ids(page):
    return page.locator("table.grid thead th[data-column]").evaluate_all("all => all.map(th => th.dataset.column)")


def choose_in_menu(page, text):
    page.locator(".menu > button", has_text=re.compile(f"^{re.escape(text)}$")).click()


# --- the table of runs


def test_curves_of_rows_that_fly_past_are_not_read(with_runs):
    page, runs, _ = with_runs(2000)
    expect(page.locator(".summary")).to_have_text(re.compile("^2,000 runs"))
    asked = set()
    page.on("request", lambda request: "max_points=40" in request.url and asked.update(urllib.parse.parse_qs(urllib.parse.urlparse(request.url).query)["run"]))
    rows = page.locator("tbody.rows")
    sight = """async (rows, leaps) => {
      const scroller = rows.closest(".scroller");
      for (let i = 0; i < leaps; i += 1) {
        scroller.scrollTop += 1500;
        await new Promise(requestAnimationFrame);
      }
      const { top, bottom } = scroller.getBoundingClientRect();
      return [...rows.children].filter((row) => row.getBoundingClientRect().bottom > top && row.getBoundingClientRect().top < bottom).map((row) => row.dataset.id);
    }"""
    rows.evaluate(sight, 40)
    time.sleep(1.5)
    seen = set(rows.evaluate(sight, 0))
    assert len(seen) > 10 and seen <= asked, "those in sight are read"
    assert asked <= set(rows.locator("tr").evaluate_all("all => all.map(row => row.dataset.id)")), "and those around them alone"


def test_ten_thousand_runs_are_listed_but_only_those_in_sight_are_elements(with_runs):
    page, runs, asked = with_runs(10_000)
    expect(page.locator(".summary")).to_have_text("10,000 runs, 8 drawn", timeout=30_000)
    assert len(asked) > 3, "the list is read in pages"
    rows = page.locator("tbody.rows tr")
    assert rows.count() < 60
    scroller = page.locator(".scroller")
    frames = scroller.evaluate(
        """async s => {
          let changed = 0;
          for (let i = 0, before = ""; i < 60; i += 1) {
            s.scrollTop += 700;
            await new Promise(requestAnimationFrame);
            await new Promise(requestAnimationFrame);
            const { left, top } = s.getBoundingClientRect();
            const now = document.elementFromPoint(left + 90, top + 200).closest("tr").querySelector("a").textContent;
            changed += now !== before;
            before = now;
          }
          return changed;
        }"""
    )
    assert frames == 60, "each frame shows other rows"
    page.locator("table.grid").focus()
    page.keyboard.press("End")
    expect(page.locator(NAMES).last).to_have_text(runs[-1]["name"])
    expect(page.locator("tr.active a")).to_have_text(runs[-1]["name"])
    assert page.locator("tr.active").get_attribute("aria-rowindex") == "10001"


def test_pinned_columns_and_rows_stay_while_the_rest_moves(with_runs):
    page, runs, _ = with_runs(300, """#/runs?columns={"off":["trend"]}""")
    page.locator("table.grid").focus()
    for key in ("Home", "p"):
        page.keyboard.press(key)
    expect(page.locator("tbody.stay a")).to_have_text("run 0")
    scroller = page.locator(".scroller")
    frame = scroller.bounding_box()
    # A head stands over its column, pinned or not.
    cells = page.locator("tbody.rows tr").first.locator("th, td")
    for i, title in enumerate(page.locator("table.grid thead th").all()[:4]):
        assert title.bounding_box()["x"] == pytest.approx(cells.nth(i).bounding_box()["x"], abs=1)
    name, value = page.locator(NAMES).nth(5), page.locator("tbody.rows tr").nth(5).locator("td.n").first
    before = name.bounding_box()["x"], value.bounding_box()["x"]
    scroller.evaluate("s => s.scrollTo(60, 0)")
    until = "x => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(x.getBoundingClientRect().x))))"
    assert name.evaluate(until) == pytest.approx(before[0], abs=1)
    assert value.evaluate(until) == pytest.approx(before[1] - 60, abs=1)
    # What passes below a cell that stays is not seen through it.
    assert page.evaluate("([x, y]) => Boolean(document.elementFromPoint(x, y).closest('.name, .pick'))", [frame["x"] + 150, frame["y"] + 200])
    assert name.evaluate("a => getComputedStyle(a.closest('th')).backgroundColor") != "rgba(0, 0, 0, 0)"
    scroller.evaluate("s => s.scrollTo(0, 4000)")
    page.wait_for_timeout(300)
    head, stay = page.locator("table.grid thead").bounding_box(), page.locator("tbody.stay tr").bounding_box()
    assert head["y"] == pytest.approx(frame["y"] + 1, abs=1) and stay["y"] == pytest.approx(head["y"] + 36, abs=1)
    # Elements come as they are at hand; who reads them in their order finds it when the table rests.
    places = scroller.evaluate(
        """async s => {
          for (let i = 0; i < 7; i += 1) {
            s.scrollTop -= 300;
            await new Promise(requestAnimationFrame);
          }
          await new Promise((done) => setTimeout(done, 400));
          const { top } = s.querySelector("tbody.rows").getBoundingClientRect();
          return [...s.querySelectorAll("tbody.rows tr")].map((row) => [Number(row.getAttribute("aria-rowindex")),
            row.querySelector("a").textContent, Math.round(row.getBoundingClientRect().top - top)]);
        }"""
    )
    assert [index for index, _, _ in places] == list(range(places[0][0], places[0][0] + len(places)))
    assert all(name == runs[index - 2]["name"] and y == 36 * (index - 3) for index, name, y in places)


def test_rows_are_sorted_by_several_columns(with_runs):
    page, runs, _ = with_runs(60)
    head(page, "params.train.batch_size").locator(".title").click()
    head(page, "metrics.val/loss").locator(".title").click(modifiers=["Shift"])
    wanted = sorted(runs, key=lambda r: (int(r["params"]["train.batch_size"]), -r["metrics"]["val/loss"]["last"]))
    expect(page.locator(NAMES).first).to_have_text(wanted[0]["name"])
    expect(page.locator(NAMES).nth(5)).to_have_text(wanted[5]["name"])
    expect(head(page, "params.train.batch_size")).to_have_attribute("aria-sort", "ascending")
    expect(head(page, "metrics.val/loss")).to_have_attribute("aria-sort", "descending")
    page.reload()
    expect(page.locator(NAMES).nth(5)).to_have_text(wanted[5]["name"])


def test_columns_are_hidden_chosen_moved_pinned_and_resized(with_runs):
    page, _, _ = with_runs(20)
    expect(head(page, "params.optimizer.type")).to_have_count(0)  # the same in every run
    page.get_by_role("button", name="differing").click()
    expect(head(page, "params.optimizer.type")).to_have_count(1)
    page.get_by_role("button", name="differing").click()
    page.get_by_role("button", name="Columns", exact=True).click()
    choose_in_menu(page, "params.optimizer.type")
    expect(head(page, "params.optimizer.type")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator(".menu")).to_have_count(0)
    # By the menu, with keys alone.
    head(page, "metrics.val/accuracy").locator(".title").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".menu button").first).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(head(page, "metrics.val/accuracy")).to_have_count(0)
    # A column tells its values; one of them keeps the runs that have it.
    page.locator(".scroller").evaluate("s => (s.scrollLeft = 400)")
    head(page, "params.optimizer.lr").click(button="right")
    expect(page.locator(".menu button", has_text="Only")).to_have_text([f"Only {value} (5)" for value in (0.1, 0.01, 0.001, 0.0001)])
    choose_in_menu(page, "Only 0.001 (5)")
    expect(page.locator(".summary")).to_contain_text("5 of 20 runs")
    page.get_by_label("Filter runs").fill("")
    # By dragging the head of one column before another.
    page.locator(".scroller").evaluate("s => (s.scrollLeft = 0)")
    before = column_ids(page)
    source = head(page, "metrics.val/loss").locator(".title").bounding_box()
    target = head(page, "state").bounding_box()
    page.mouse.move(source["x"] + 30, source["y"] + 10)
    page.mouse.down()
    page.mouse.move(target["x"] + 60, target["y"] + 10, steps=4)
    page.mouse.move(target["x"] + 10, target["y"] + 10, steps=4)
    page.mouse.up()
    after = column_ids(page)
    assert after.index("metrics.val/loss") == before.index("state")
    assert sorted(after) == sorted(before)
    expect(head(page, "metrics.val/loss")).not_to_have_attribute("aria-sort", re.compile("."))
    # By dragging the edge.
    grip = head(page, "metrics.val/loss").locator(".grip").bounding_box()
    width = head(page, "metrics.val/loss").bounding_box()["width"]
    page.mouse.move(grip["x"] + 4, grip["y"] + 10)
    page.mouse.down()
    page.mouse.move(grip["x"] + 54, grip["y"] + 10, steps=4)
    page.mouse.up()
    assert head(page, "metrics.val/loss").bounding_box()["width"] == pytest.approx(width + 50, abs=1)
    head(page, "metrics.val/loss").click(button="right")
    choose_in_menu(page, "Pin to the left")
    assert column_ids(page).index("metrics.val/loss") == 2
    page.locator(".scroller").evaluate("s => (s.scrollLeft = 400)")
    time.sleep(0.2)
    name = head(page, "name").bounding_box()
    for cell in (head(page, "metrics.val/loss"), page.locator("tbody.rows tr").first.locator("td.sticky.n")):
        assert cell.bounding_box()["x"] == pytest.approx(name["x"] + name["width"], abs=1)
    order = column_ids(page)
    page.reload()
    page.locator(NAMES).first.wait_for()
    assert column_ids(page) == order
    assert head(page, "metrics.val/loss").bounding_box()["width"] == pytest.approx(width + 50, abs=1)
    page.get_by_role("button", name="Columns", exact=True).click()
    page.locator(".menu button", has_text="Back to the usual").click()
    expect(head(page, "metrics.val/accuracy")).to_have_count(1)
    assert column_ids(page).index("state") == 2


def test_rows_are_pinned_hidden_and_compared_with_a_baseline(with_runs):
    page, runs, _ = with_runs(30)
    page.get_by_text("run 7", exact=True).hover()
    page.get_by_role("button", name="More about run 7").click()
    choose_in_menu(page, "Pin the run")
    expect(page.locator("tbody.stay a")).to_have_text("run 7")
    page.locator("table.grid").focus()
    page.keyboard.press("Home")
    expect(page.locator("tr.active a")).to_have_text("run 7")
    page.keyboard.press("p")
    expect(page.locator("tbody.stay a")).to_have_count(0)
    page.get_by_text("run 3", exact=True).click(button="right")
    choose_in_menu(page, "Baseline")
    expect(page.locator("tbody.stay .label")).to_have_text("baseline")
    row = page.locator("tr", has=page.get_by_text("run 4", exact=True))
    delta = runs[4]["metrics"]["val/loss"]["last"] - runs[3]["metrics"]["val/loss"]["last"]
    shown = row.locator(".delta").first
    assert float(shown.inner_text().replace("−", "-")) == pytest.approx(delta, rel=1e-2)
    expect(shown).to_have_class(re.compile("worse" if delta > 0 else "better"))
    page.get_by_text("run 5", exact=True).click(button="right")
    choose_in_menu(page, "Hide")
    expect(page.get_by_text("run 5", exact=True)).to_have_count(0)
    expect(page.locator(".summary")).to_contain_text("29 runs")
    page.get_by_role("button", name="Show 1 hidden").click()
    expect(page.get_by_text("run 5", exact=True)).to_have_count(1)


def test_the_main_metrics_curve_is_in_each_row_in_sight(with_runs):
    page, runs, _ = with_runs(400)
    asked = []

    def answer(route):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(route.request.url).query)
        asked.append((query["key"][0], query["run"]))
        curve = {"key": query["key"][0], "count": 4, "sampled": False, "steps": [0, 1, 2, 3], "timestamps": [0, 1, 2, 3]}
        route.fulfill(json={"curves": [{**curve, "run_id": run, "values": [3, "NaN", 2, 1]} for run in query["run"]]})

    page.route(re.compile(r"/api/v1/curves\?"), answer)
    page.reload()
    expect(head(page, "trend")).to_have_text("val/loss")
    path = page.locator("tr", has=page.get_by_text("run 3", exact=True)).locator(".spark path")
    expect(path).to_have_attribute("d", "M0.0 2.0L48.0 11.0L72.0 20.0h1")
    asked = [(key, run) for key, some in asked for run in some if key == "val/loss"]
    assert len(asked) < 100, "rows out of sight are not read"
    expect(page.locator(".summary")).to_contain_text("400 runs")
    page.locator(".scroller").evaluate("s => (s.scrollTop = 300 * 36)")
    expect(page.locator("tr", has=page.get_by_text("run 305", exact=True)).locator(".spark path")).to_have_count(1)


def test_a_run_gets_another_colour_and_keeps_it(with_runs):
    page, _, _ = with_runs(12)
    eye = page.get_by_role("button", name="Draw run 2", exact=True)
    colour = lambda: re.search(r"\bc(\d)\b", eye.get_attribute("class")).group(1)
    before = int(colour())
    page.get_by_text("run 2", exact=True).click(button="right")
    choose_in_menu(page, "Next colour")
    expect(eye).to_have_class(re.compile(rf"\bc{(before + 1) % 10}\b"))
    page.reload()
    expect(eye).to_have_class(re.compile(rf"\bc{(before + 1) % 10}\b"))


def test_runs_are_selected_in_ranges_and_saved_as_csv(with_runs):
    page, runs, _ = with_runs([*fleet(11), {**fleet(12)[11], "name": 'a "quoted", name'}])
    page.get_by_role("checkbox", name="Select run 2", exact=True).click()
    page.get_by_role("checkbox", name="Select run 6", exact=True).click(modifiers=["Shift"])
    bulk = page.get_by_role("toolbar", name="Selected runs")
    expect(bulk).to_contain_text("5 selected")
    page.locator("table.grid").focus()
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    expect(bulk).to_contain_text("6 selected")
    page.keyboard.press("Shift+ArrowDown")
    expect(bulk).to_contain_text("7 selected")
    page.keyboard.press("Escape")
    expect(bulk).to_be_hidden()
    page.get_by_role("checkbox", name="Select all listed runs").click()
    with page.expect_download() as download:
        bulk.get_by_role("button", name="CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == 13
    header = lines[0].split(",")
    assert header[:2] == ["run_id", "name"]
    assert lines[1].split(",")[header.index("metrics.val/loss")] == str(runs[0]["metrics"]["val/loss"]["last"]).replace("0.0", "0")
    assert '"a ""quoted"", name"' in lines[12]
    with page.expect_download():
        page.get_by_role("button", name="CSV", exact=True).last.click()


def test_words_filter_here_and_sentences_are_filtered_by_the_server(with_runs):
    page, runs, asked = with_runs(50)
    search = page.get_by_label("Filter runs")
    search.fill("lr < 0.01 and state = finished")
    wanted = [r for r in runs if float(r["params"]["optimizer.lr"]) < 0.01]
    expect(page.locator(".summary")).to_contain_text(f"{len(wanted)} of 50 runs")
    search.fill("tag:red")
    expect(page.locator(".summary")).to_contain_text("25 of 50 runs")
    page.unroute(re.compile(r"/api/v1/runs\?"))
    some = serve_runs(page, runs[10:13])
    sentence = "metrics.`val/loss` < 0.5 and tags.team = 'red'"
    search.fill(sentence[:25])
    search.fill(sentence)
    expect(page.locator(NAMES)).to_have_text([r["name"] for r in runs[10:13]])
    assert [query["filter"] for query in some] == [[sentence]], "a sentence is sent when it is whole, and once"
    search.press("Escape")
    expect(page.locator(".summary")).to_contain_text("50 runs")


def test_a_refused_filter_says_why(with_runs):
    page, _, _ = with_runs(5, allow=["400"])
    page.unroute(re.compile(r"/api/v1/runs\?"))
    message = "filter: metrics cannot be compared with LIKE"
    page.route(re.compile(r"/api/v1/runs\?"), lambda route: route.fulfill(
        status=400, json={"error_code": "INVALID_PARAMETER_VALUE", "message": message}))
    page.get_by_label("Filter runs").fill("metrics.a LIKE 'x'")
    expect(page.locator("#filter-error")).to_have_text(message)
    page.get_by_label("Filter runs").fill("run")
    expect(page.locator("#filter-error")).to_be_hidden()


def test_tags_and_deletion_go_through_mlflow_and_can_be_undone(with_runs):
    page, runs, _ = with_runs(12)
    calls = []

    def take(route):
        calls.append((route.request.url.split("/mlflow/")[1], route.request.post_data_json))
        route.fulfill(json={})

    page.route(re.compile("/api/2.0/mlflow/runs/"), take)
    one = re.compile(r"/api/v1/runs/[0-9a-f]{32}$")
    page.route(one, lambda route: route.fulfill(json=next(r for r in runs if r["run_id"] in route.request.url)))
    for i in (1, 2):
        page.get_by_role("checkbox", name=f"Select run {i}", exact=True).click()
    bulk = page.get_by_role("toolbar", name="Selected runs")
    bulk.get_by_role("button", name="Tag").click()
    page.get_by_label("Tag name").fill("why")
    page.get_by_label("Tag value").fill('a "test"/x')
    page.get_by_role("button", name="Set tag").click()
    expect(page.locator(".toast")).to_contain_text("set on 2 runs")
    ids = [runs[1]["run_id"], runs[2]["run_id"]]
    assert sorted(c[1]["run_id"] for c in calls) == sorted(ids)
    assert calls[0] == ("runs/set-tag", {"run_id": calls[0][1]["run_id"], "key": "why", "value": 'a "test"/x'})
    calls.clear()
    bulk.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Cancel").click()
    assert calls == []
    bulk.get_by_role("button", name="Delete").click()
    page.locator("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".summary")).to_contain_text("10 runs")
    assert sorted(c[1]["run_id"] for c in calls if c[0] == "runs/delete") == sorted(ids)
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".summary")).to_contain_text("12 runs")
    assert sorted(c[1]["run_id"] for c in calls if c[0] == "runs/restore") == sorted(ids)


def test_a_call_that_fails_is_reported(with_runs):
    page, _, _ = with_runs(3, allow=["404"])
    page.route(re.compile("/api/2.0/mlflow/runs/"), lambda route: route.fulfill(status=404, json={"message": "not today"}))
    page.get_by_text("run 1", exact=True).click(button="right")
    choose_in_menu(page, "Delete…")
    page.locator("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".toast.bad")).to_contain_text("Deleting failed after 0 of 1: not today")
    expect(page.locator(".summary")).to_contain_text("3 runs")


def test_rows_are_reached_by_keys_alone(with_runs):
    page, runs, _ = with_runs(40)
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("tr.active a")).to_have_text("run 1")
    grid = page.locator("table.grid")
    assert grid.get_attribute("aria-activedescendant") == page.locator("tr.active").get_attribute("id")
    page.keyboard.press("k")
    page.keyboard.press("e")
    expect(page.get_by_role("button", name="Draw run 0", exact=True)).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("b")
    expect(page.locator("tbody.stay a")).to_have_text("run 0")
    page.keyboard.press("m")
    expect(page.locator(".menu button").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(grid).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_label("Filter runs")).to_be_focused()


def test_names_that_mean_harm_are_text_in_the_table_too(with_runs):
    runs = fleet(3)
    runs[0]["name"] = HOSTILE
    runs[1]["params"] = {'a/"b"/\'c\'': HOSTILE, "__proto__": "x"}
    runs[2]["metrics"] = {HOSTILE: {"last": "NaN", "min": "NaN", "max": "-Infinity", "count": 1}}
    page, _, _ = with_runs(runs)
    expect(page.locator(NAMES).first).to_have_text(HOSTILE)
    expect(head(page, "params.a/\\\"b\\\"/'c'")).to_have_count(1)
    page.get_by_role("button", name="Columns", exact=True).click()
    expect(page.locator(".menu")).to_contain_text(HOSTILE)
    assert page.locator("img").count() == 0


# --- side by side


def test_selected_runs_are_compared_and_a_range_on_an_axis_keeps_some(with_runs):
    page, runs, _ = with_runs(24)
    for i in (1, 2, 3, 4):
        page.get_by_role("checkbox", name=f"Select run {i}", exact=True).click()
    page.get_by_role("toolbar", name="Selected runs").get_by_role("button", name="Compare").click()
    names = page.locator(".sides thead a")
    expect(names).to_have_text([f"run {i}" for i in (1, 2, 3, 4)])
    expect(page.locator(".sides tr.differs th").first).to_have_text("optimizer.lr")
    expect(page.locator(".sides tr", has_text="optimizer.type").last).to_have_class("param")
    row = page.locator(".sides tr", has_text="best val/loss").locator("td")
    assert float(row.first.inner_text()) == pytest.approx(runs[1]["metrics"]["val/loss"]["min"], rel=1e-3)
    lr = page.get_by_role("slider", name="optimizer.lr")
    box = lr.locator("rect.grab").bounding_box()
    page.mouse.move(box["x"] + 14, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 14, box["y"] + 60, steps=3)
    page.mouse.up()
    kept = [i for i in (1, 2, 3, 4) if float(runs[i]["params"]["optimizer.lr"]) >= 0.05]
    expect(names).to_have_text([f"run {i}" for i in kept])
    expect(page.locator(".parallel path.off")).to_have_count(4 - len(kept))
    lr.focus()
    page.keyboard.press("Escape")
    expect(names).to_have_count(4)
    page.keyboard.press("ArrowDown")
    expect(names).to_have_text([f"run {i}" for i in (1, 2, 3, 4) if float(runs[i]["params"]["optimizer.lr"]) < 0.01])
    expect(lr).to_be_focused()


def test_there_is_nothing_to_compare_without_runs(server, open_page):
    page = open_page("#/compare")
    expect(page.locator("main")).to_contain_text("Nothing to compare")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_new_pages_are_readable_and_fit(with_runs, scheme, viewport):
    page, _, _ = with_runs(40, scheme=scheme, viewport=viewport)
    SHOTS.mkdir(parents=True, exist_ok=True)
    for name, address in (("many-runs", "#/runs?base=00000000"), ("compare", "#/compare")):
        page.evaluate("address => (location.hash = address)", address)
        page.locator("main .grid, main .sides").first.wait_for()
        time.sleep(0.5)
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], name
        assert page.evaluate(CONTRAST) == [], name
        page.screenshot(path=SHOTS / f"{name}-{scheme}{'-phone' if viewport is PHONE else ''}.png")


# --- data sets


def test_examples_are_shown_as_training_sees_them(server):
    plain = server.get("/api/v1/datasets/digits/examples?limit=3&from=5")
    assert plain["count"] == 1797 and plain["input_shape"] == [1, 8, 8]
    assert [e["index"] for e in plain["examples"]] == [5, 6, 7] and [e["label"] for e in plain["examples"]] == ["5", "6", "7"]
    augment = json.dumps([{"type": "random_shift", "pixels": 1}])
    path = f"/api/v1/datasets/digits/examples?limit=3&from=5&augment={urllib.parse.quote(augment)}"
    first, second = server.get(path), server.get(path + "&epoch=1")
    assert first == server.get(path + "&epoch=0&seed=0") and first != second
    shifted = [sum(e["values"]) <= sum(p["values"]) + 1e-4 for e, p in zip(first["examples"], plain["examples"])]
    assert all(shifted), "a shift only loses pixels"
    assert server.get("/api/v1/datasets/iris/examples")["columns"] == [
        "sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
    for query, status, field in (
        ("augment=[", 400, "augment"), ("augment=" + urllib.parse.quote('[{"type": "rotate", "degrees": -1}]'), 400, "augment.0.degrees"),
        ("limit=0", 400, "limit"), ("limit=101", 400, "limit"), ("nonsense=1", 400, "nonsense"),
    ):
        answer = server.request("GET", f"/api/v1/datasets/digits/examples?{query}")
        assert (answer.status_code, answer.json().get("field")) == (status, field), query
    assert server.request("GET", "/api/v1/datasets/nobody/examples").status_code == 404


PIXELS = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]);
}"""


def test_a_data_set_shows_its_quality_classes_and_pictures(server, open_page):
    page = open_page("#/datasets", allow=["400"])
    row = page.locator("main tbody tr", has=page.get_by_role("link", name="digits"))
    expect(row).to_contain_text("1,797")
    row.get_by_role("link", name="digits").click()
    known = server.get("/api/v1/datasets/digits")
    expect(page.locator("main dl")).to_contain_text(str(known["quality"]["duplicate_rows"]))
    classes = page.locator("section", has_text="Classes").locator("tbody tr")
    expect(classes).to_have_count(10)
    for shown, told in zip(classes.all(), known["quality"]["class_balance"]):
        expect(shown.locator("td").nth(1)).to_have_text(str(told["examples"]))
    figures = page.locator(".pictures figure")
    expect(figures).to_have_count(24)
    (plain,) = server.get("/api/v1/datasets/digits/examples?limit=1")["examples"]
    first = figures.first.locator("canvas")
    expect(first.first).to_have_attribute("aria-label", "example 0")
    pixels = first.first.evaluate(PIXELS)
    assert pixels == pytest.approx([255 * v for v in plain["values"]], abs=1)
    assert first.last.evaluate(PIXELS) != pixels, "the second is augmented"
    spec = page.get_by_label("The augment list of a job")
    spec.fill('[{"type": "rotate", "degrees": -1}]')
    expect(page.locator("#augment-error")).to_contain_text("augment.0.degrees")
    spec.fill("[]")
    expect(page.locator("#augment-error")).to_be_empty()
    expect(spec).to_have_attribute("aria-invalid", "false")
    assert first.last.evaluate(PIXELS) == pixels
    page.get_by_role("button", name="Next").click()
    expect(first.first).to_have_attribute("aria-label", "example 24")
    page.goto(f"{server.url}/#/datasets/diabetes")
    expect(page.locator("section", has_text="Ranges").locator("tbody tr")).to_have_count(10)
    expect(page.locator(".pictures")).to_have_count(0)


def test_an_unknown_data_set_says_so(server, open_page):
    page = open_page("#/datasets/nobody", allow=["404"])
    expect(page.locator("main")).to_contain_text("there is no such data set")


# --- against the program itself


def test_the_servers_own_filter_tags_and_deletion(server, open_page):
    for name, lr in (("slow", 0.001), ("fast", 0.01)):
        server.run_job(digits(name=name, optimizer={"type": "adam", "lr": lr}, train={"epochs": 1, "batch_size": 64}))
    page = open_page("#/runs")
    expect(page.locator(NAMES)).to_have_text(["fast", "slow"])
    search = page.get_by_label("Filter runs")
    search.fill("params.`optimizer.lr` = '0.001' and metrics.`val/loss` < 1e6")
    expect(page.locator(NAMES)).to_have_text(["slow"])
    page.get_by_role("checkbox", name="Select slow").click()
    bulk = page.get_by_role("toolbar", name="Selected runs")
    bulk.get_by_role("button", name="Tag").click()
    page.get_by_label("Tag name").fill("why")
    page.get_by_label("Tag value").fill(HOSTILE)
    page.get_by_role("button", name="Set tag").click()
    expect(page.locator(".toast")).to_contain_text("set on 1 run")
    (run,) = [run for run in server.get("/api/v1/runs")["runs"] if run["name"] == "slow"]
    assert run["tags"]["why"] == HOSTILE
    search.fill("")
    bulk.get_by_role("button", name="Delete").click()
    page.locator("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(NAMES)).to_have_text(["fast"])
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(NAMES)).to_have_count(2)
