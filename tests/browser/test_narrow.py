"""Pages where there is little room: no page scrolls sideways, and nothing lies over what one needs."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.django_db(transaction=True)

IMAGE = "registry.example.org/a-very-long-team-name/ranges/sqlalchemy-1.4.0-with-mysql-and-postgresql:1.4.0-patched"
PHASES = [
    {"name": name, "success": True, "exit_code": 0, "duration_ms": 3600, "image": IMAGE}
    for name in ("Phase 1: exploit before", "Phase 2: exploit after")
]
WARGAMING = {"phase1_success": True, "phase2_success": True, "validation_passed": True, "phases": PHASES}
LONG = "--- a/app.py\n+++ b/app.py\n@@ -1,2 +1,2 @@\n-" + "x" * 300 + "\n+" + "y" * 300 + "\n z\n"


def sideways(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("width", [320, 390, 834])
@pytest.mark.parametrize("layout", ["unified", "split"])
def test_a_patch_page_never_scrolls_sideways(visit, alice, make_patch, width, layout):
    decision = make_patch(wargaming_result=WARGAMING, diff=LONG)
    page = visit(alice, f"/patches/{decision.decision_id}?view={layout}", viewport={"width": width, "height": 800})
    expect(page.get_by_text(IMAGE).first).to_be_visible()
    assert sideways(page) == 0


def test_a_split_diff_stands_below_itself_on_a_phone(visit, alice, make_patch):
    decision = make_patch(diff=LONG)
    page = visit(alice, f"/patches/{decision.decision_id}?view=split", viewport={"width": 390, "height": 800})
    # In one step: the page may still settle between two questions.
    old, new = page.evaluate("""() => {
        const line = (kind) => document.querySelector(`td.diff__code.is-${kind}`);
        return ["del", "add"].map((kind) => line(kind).getBoundingClientRect().toJSON());
    }""")
    assert old["x"] == new["x"]
    assert new["y"] >= old["y"] + old["height"]
    same = page.locator(".diff--split tr:has(> .is-ctx) > td.diff__code")
    assert [cell.is_visible() for cell in same.all()] == [False, True]


@pytest.mark.parametrize("width", [1152, 1280])
def test_the_clock_and_the_approvals_never_overlap(visit, alice, make_patch, width):
    make_patch(severity="high")
    page = visit(alice, viewport={"width": width, "height": 800})
    # In one step: the page's own clock ticks, and a card may be fetched again at any moment.
    room = page.evaluate("""() => {
        const clock = document.querySelector(".card [data-left]"), approvals = document.querySelector(".card .slots");
        clock.textContent = "9 min 59 s left";
        return approvals.getBoundingClientRect().left - clock.getBoundingClientRect().right;
    }""")
    assert room >= 0


def test_a_confidence_out_of_range_says_so_and_holds_nothing_back(visit, alice, make_patch):
    make_patch(severity="high", title="Scored", ml_prediction={"confidence": 0.87, "prediction": True})
    make_patch(severity="low", title="Not scored")
    page = visit(alice)
    page.locator("#pill-confidence_from").click()
    page.locator("#id_confidence_from").fill("180")
    page.locator("#id_confidence_from").press("Enter")
    expect(page.locator("#id_confidence_from_error")).to_contain_text("A number from 0 to 100")
    expect(page.locator("article.card")).to_have_count(2)
    page.locator("#id_confidence_from").fill("80")
    page.locator("#id_confidence_from").press("Enter")
    expect(page.locator("article.card")).to_have_count(1)
    expect(page.locator("#pill-confidence_from")).to_contain_text("from 80 %")


@pytest.mark.parametrize("script", [True, False])
def test_the_bar_of_a_phone_leads_to_the_verdict(visit, alice, make_patch, script):
    decision = make_patch()
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "java_script_enabled": script}
    page = visit(alice, f"/patches/{decision.decision_id}", **phone)
    bar = page.locator("#actionbar")
    expect(bar.get_by_role("link")).to_have_text(["Reject", "Approve"])
    bar.get_by_role("link", name="Reject").tap()
    expect(page.locator("#mode-reject")).to_be_checked()
    expect(page.locator("#decide-category")).to_be_in_viewport()
    bar.get_by_role("link", name="Approve").tap()
    expect(page.locator("#mode-approve")).to_be_checked()
    expect(page.get_by_role("button", name="Approve revision 1")).to_be_in_viewport()


def test_the_bar_says_where_nothing_can_be_decided(visit, carol, make_patch):
    page = visit(carol, f"/patches/{make_patch().decision_id}", viewport={"width": 390, "height": 844})
    expect(page.locator("#actionbar").get_by_role("link")).to_have_text(["Decision"])


def test_the_sections_say_which_one_is_read(visit, alice, make_patch):
    page = visit(alice, f"/patches/{make_patch().decision_id}", viewport={"width": 1280, "height": 800})
    read = page.locator(".secnav a[aria-current=true]")
    expect(read).to_contain_text("Diff")
    page.locator(".secnav").get_by_role("link", name="Advisory").click()
    expect(read).to_contain_text("Advisory")
    page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
    expect(read).to_contain_text("Diff")


MANY = "".join(f" line {number}\n" for number in range(1, 41))
SPREAD = f"--- a/app.py\n+++ b/app.py\n@@ -1,40 +1,42 @@\n+first\n{MANY}+last\n"


@pytest.mark.parametrize(
    ("script", "width", "layout"),
    [(True, 1280, "split"), (False, 1280, "unified"), (True, 390, "unified"), (False, 390, "split")],
)
def test_unchanged_lines_unfold(visit, alice, make_patch, script, width, layout):
    path = f"/patches/{make_patch(diff=SPREAD).decision_id}?view={layout}"
    page = visit(alice, path, viewport={"width": width, "height": 800}, java_script_enabled=script)
    line = page.locator("tr[id$='-n21']")
    expect(page.locator("tr[id$='-n4']")).to_be_visible()
    expect(line).to_be_hidden()
    page.get_by_text("34 unchanged lines").click()
    expect(line).to_be_visible()
    page.get_by_label("34 unchanged lines").press("Space")
    expect(line).to_be_hidden()


def test_the_address_of_a_folded_line_unfolds_it(visit, alice, make_patch):
    path = f"/patches/{make_patch(diff=SPREAD).decision_id}"
    page = visit(alice, path)
    key = page.locator(".dfile").get_attribute("id")
    page.goto(f"{path}#{key}-n21")
    expect(page.locator(f"[id='{key}-n21']")).to_be_in_viewport()


def test_a_phone_has_room_for_the_title_and_the_menu_of_a_lead(visit, lena):
    page = visit(lena, "/policies", viewport={"width": 390, "height": 844})
    assert page.get_by_role("heading", level=1).bounding_box()["height"] < 50, "the title stands in one line"
    page.get_by_role("button", name="account menu").click()
    # In one step: the menu still moves when it opens.
    apart = page.locator(".menu__item", has_text="Policies").evaluate("""(item) => {
        const middle = (part) => part.getBoundingClientRect().top + part.getBoundingClientRect().height / 2;
        return Math.abs(middle(item) - middle(item.querySelector("svg")));
    }""")
    assert apart < 2, "the icon stands beside the word"
