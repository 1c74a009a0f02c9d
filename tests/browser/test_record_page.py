"""The page of one record in a browser: what it draws, measures, switches and tells."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from record_pages import CLASSES, PULSE, RATE, attribution, explanation

from myocard.report.record.page import page as render
from myocard.report.record.sheet import DARKEST

MM = 96 / 25.4
"""Pixels of a millimetre at 100 %."""
MS, MV = 1000 / (25 * MM), 1 / (10 * MM)
"""Milliseconds and millivolts of a pixel at 100 %."""


@pytest.fixture(scope="session")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "record.html"
    path.write_text(render(explanation()), encoding="utf-8")
    return path


@pytest.fixture
def opened(page, file):
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(file.as_uri())
    yield page
    assert [url for url in requested if not url.startswith("data:")] == [file.as_uri()]


def pulse(page, lead: str = "II") -> tuple[float, float, float, float]:
    """Scroll to a pulse; its place by the matrix of its curve: left, top, right, bottom."""
    height = {"II": 1000}.get(lead, 500)
    ends = [(PULSE[0] * RATE, -height), (PULSE[1] * RATE, 0)]
    return page.evaluate(
        """([lead, ends]) => {
            const path = document.querySelector(`.lead[data-lead="${lead}"] .trace`);
            document.querySelector("#paper").scrollLeft = 0;
            scrollBy(0, path.parentNode.getBoundingClientRect().top - 200);
            return ends.flatMap(([x, y]) => {
                const { x: left, y: top } = new DOMPoint(x, y).matrixTransform(path.getScreenCTM());
                return [left, top];
            });
        }""",
        [lead, ends],
    )


def measured(page) -> tuple[str, float, float]:
    """Lead, ms and mV that the caliper tells."""
    told = page.locator("#measured").inner_text()
    lead, ms, mv = re.match(r"(\w+): (\d+) ms, (-?\d+\.\d+) mV", told).groups()
    return lead, float(ms), float(mv)


def drag(page, start: tuple[float, float], stop: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*stop, steps=4)
    page.mouse.up()


def test_a_second_is_25_mm_and_a_millivolt_10(opened):
    left, top, right, bottom = pulse(opened)
    assert right - left == pytest.approx(0.2 * 25 * MM, abs=0.1)
    assert bottom - top == pytest.approx(10 * MM, abs=0.1)


def test_a_curve_is_drawn_where_it_should_be_and_the_grid_below_it(opened, tmp_path):
    from matplotlib.image import imread

    opened.locator("input[value=none]").check()
    left, top, right, bottom = pulse(opened)
    clip = {"x": left - 30, "y": top - 10, "width": right - left + 60, "height": bottom - top + 20}
    opened.screenshot(path=tmp_path / "a.png", clip=clip)
    picture = imread(tmp_path / "a.png")[:, :, :3]
    dark = picture.max(axis=2) < 0.7
    rows, columns = dark.mean(axis=1), dark.mean(axis=0)
    within = (right - left) / clip["width"]
    assert rows[9:12].max() == pytest.approx(within, abs=0.05)  # the top of the pulse
    assert rows[-12:-9].max() == pytest.approx(1 - within, abs=0.05)  # the line beside it
    for edge in (30, 30 + right - left):
        assert columns[round(edge) - 1 : round(edge) + 2].max() > 0.6
    # Lines of large squares, 5 mm apart, are darker than what is between; the pulse begins on one.
    shade = picture[:8, :, 1].mean(axis=0)
    lines = [round(30 + step * 5 * MM) for step in (-1, 0, 1, 2)]
    darkest = [shade[at - 1 : at + 2].min() for at in lines]
    assert max(darkest) < np.median(shade) - 0.02


@pytest.mark.parametrize("larger", [0, 3])
def test_the_caliper_measures_a_pulse_to_a_pixel(opened, larger):
    for _ in range(larger):
        opened.get_by_role("button", name="Larger").click()
    opened.get_by_role("button", name="Measure").click()
    left, top, right, bottom = pulse(opened)
    drag(opened, (left, bottom), (right, top))
    size = {0: 1, 3: 3}[larger]
    lead, ms, mv = measured(opened)
    assert lead == "II"
    assert abs(ms - 200) <= MS / size + 0.5
    assert abs(mv - 1) <= MV / size + 0.005


def test_an_end_of_the_caliper_can_be_taken_up_again(opened):
    opened.get_by_role("button", name="Measure").click()
    left, top, right, bottom = pulse(opened, "I")
    drag(opened, (left, bottom), (right, bottom))
    drag(opened, (left, bottom), (left - 50 * MM / 2, bottom))
    lead, ms, mv = measured(opened)
    assert (lead, mv) == ("I", pytest.approx(0, abs=0.01))
    assert ms == pytest.approx(1200, abs=2 * MS)


def test_the_caliper_measures_by_touch(opened):
    opened.get_by_role("button", name="Measure").click()
    left, top, right, bottom = pulse(opened)
    touches = opened.context.new_cdp_session(opened)
    for kind, points in (
        ("touchStart", [{"x": left, "y": bottom}]),
        ("touchMove", [{"x": (left + right) / 2, "y": bottom}]),
        ("touchMove", [{"x": right, "y": top}]),
        ("touchEnd", []),
    ):
        touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    lead, ms, mv = measured(opened)
    assert lead == "II"
    assert abs(ms - 200) <= MS + 0.5
    assert abs(mv - 1) <= MV + 0.005


def test_the_caliper_measures_by_keyboard_and_follows_the_curve(opened):
    opened.get_by_role("button", name="Measure").press("Enter")
    first, second = opened.get_by_role("slider").all()
    assert opened.evaluate("document.activeElement.getAttribute('aria-label')") == (
        "Caliper, first end"
    )
    assert measured(opened) == ("I", 200, 0)
    opened.keyboard.press("PageDown")
    for _ in range(5):
        opened.keyboard.press("ArrowLeft")
    for _ in range(3):
        opened.keyboard.press("Shift+ArrowDown")
    opened.keyboard.press("ArrowUp")
    assert measured(opened) == ("II", 210, pytest.approx(0.29))
    assert first.get_attribute("aria-valuetext") == "390 ms, -0.29 mV"
    opened.get_by_label("on the curve").check()
    second.focus()
    for _ in range(30):
        opened.keyboard.press("Shift+ArrowRight")
    # From 0.6 s by 30 × 20 ms: at the pulse's end, where the line is down again.
    assert measured(opened) == ("II", 810, 0)
    opened.keyboard.press("ArrowLeft")
    assert measured(opened) == ("II", 808, 1)
    assert "74 a minute" in opened.locator("#measured").inner_text()


def test_leads_are_switched_and_the_paper_gets_shorter(opened):
    sheet = opened.locator("#sheet")
    before = sheet.bounding_box()["height"]
    opened.get_by_role("checkbox", name="aVR").uncheck(force=True)
    rows = opened.locator(".lead[data-lead=aVR]")
    assert rows.count() == 2
    assert not any(row.is_visible() for row in rows.all())
    assert before - sheet.bounding_box()["height"] == pytest.approx(20 * MM, abs=0.5)
    opened.get_by_role("button", name="Chest").click()
    shown = opened.locator(".lead:has(.trace):visible").all()
    assert [each.get_attribute("data-lead") for each in shown] == [f"V{k}" for k in range(1, 7)]
    opened.get_by_role("button", name="All", exact=True).click()
    assert sheet.bounding_box()["height"] == pytest.approx(before, abs=0.5)


def test_the_paper_is_enlarged_and_fitted(opened):
    width = opened.locator("#sheet").bounding_box()["width"]
    opened.get_by_role("button", name="Larger").click()
    assert opened.locator("#zoom").inner_text() == "150 %"
    assert opened.locator("#sheet").bounding_box()["width"] == pytest.approx(1.5 * width, abs=0.5)
    opened.set_viewport_size({"width": 700, "height": 800})
    opened.get_by_role("button", name="Fit").click()
    box, paper = (opened.locator(each).bounding_box() for each in ("#sheet", "#paper"))
    assert box["width"] == pytest.approx(paper["width"] - 2, abs=1.5)


@pytest.mark.parametrize("method", ["gradients", "occlusion", "none"])
@pytest.mark.parametrize("output", [0, 2])
def test_the_map_of_an_output_is_that_of_the_explanation(opened, method, output):
    opened.get_by_label("Output of the map").select_option(str(output))
    opened.locator(f"input[value={method}]").check()
    found = opened.evaluate(
        """[...document.querySelectorAll(".map")].map((row) => [...row.children].map(
            (each) => each.getAttribute("opacity") * (each.matches(".for") ? 1 : -1)))"""
    )
    known = attribution().maps[method][output] if method != "none" else np.zeros((12, 50))
    shades = DARKEST * known / max(np.abs(known).max(), 1e-9)
    assert np.allclose(found, shades, atol=1.1e-3)
    name = CLASSES[attribution().outputs[output]]
    assert opened.locator("#told-output").inner_text() == name
    told = opened.locator("#told-map").inner_text()
    assert told == "No map is shown." if method == "none" else f"{known.max():.2f}" in told


def test_the_page_can_be_used_by_all_at_every_size(opened, require_accessible):
    opened.get_by_role("button", name="Measure").click()
    for details in opened.locator("summary").all():
        details.click()
    require_accessible(opened)
    opened.set_viewport_size({"width": 360, "height": 740})
    require_accessible(opened)
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360


def test_every_control_is_reached_by_tab_and_shows_it(opened):
    opened.get_by_role("button", name="Measure").press("Enter")
    opened.evaluate(
        """() => {
            const kinds = "a, button, input, select, summary, [tabindex]";
            globalThis.controls = () => [...document.querySelectorAll(kinds)];
            document.activeElement.blur();
        }"""
    )
    reached = set()
    for _ in range(80):
        opened.keyboard.press("Tab")
        number, is_seen = opened.evaluate(
            """() => {
                const at = document.activeElement;
                const shown = at.matches(".chips input") ? at.nextElementSibling
                    : at.matches(".end") ? at.querySelector(".hit") : at;
                const { outlineStyle, stroke } = getComputedStyle(shown);
                const isSeen = outlineStyle !== "none" || stroke !== "none";
                return [controls().indexOf(at), isSeen || at === document.body];
            }"""
        )
        assert is_seen
        reached.add(number)
    wanted = opened.evaluate(
        """() => {
            const isOne = (each) => each.checkVisibility() && !each.matches("[type=radio]");
            return controls().flatMap((each, k) => isOne(each) ? [k] : []);
        }"""
    )
    assert set(wanted) <= reached


def test_in_print_there_is_paper_and_no_control(opened):
    opened.emulate_media(media="print")
    assert opened.locator("#sheet").is_visible()
    assert not opened.locator(".controls").is_visible()
    opened.set_viewport_size({"width": round(186 * MM), "height": round(270 * MM)})
    box = opened.locator("#sheet").bounding_box()
    assert box["height"] <= 225 * MM + 1
    assert box["width"] <= 186 * MM + 1


@pytest.fixture
def without_script(chromium, file) -> Iterator:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    yield page
    context.close()


def test_without_script_the_ecg_and_all_numbers_are_there(without_script):
    assert without_script.locator(".trace:visible").count() == 12
    assert without_script.locator(".map rect").count() == 12 * 50
    assert not without_script.locator(".controls").is_visible()
    assert without_script.get_by_role("row", name="NORM").first.is_visible()


def test_its_policy_lets_nothing_out_or_in(chromium, file):
    context = chromium.new_context()
    page = context.new_page()
    page.goto(file.as_uri())
    broken = page.evaluate(
        """async () => {
            const broken = [];
            addEventListener("securitypolicyviolation",
                (event) => broken.push(event.effectiveDirective));
            await fetch("http://127.0.0.1:9/").catch(() => {});
            document.body.append(Object.assign(new Image(), { src: "http://127.0.0.1:9/a.png" }));
            const script = document.createElement("script");
            script.textContent = "globalThis.ran = true";
            document.body.append(script);
            await new Promise((done) => setTimeout(done, 100));
            return [globalThis.ran, ...broken.sort()];
        }"""
    )
    context.close()
    assert broken == [None, "connect-src", "img-src", "script-src-elem"]
