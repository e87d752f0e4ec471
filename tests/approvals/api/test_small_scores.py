"""A small EPSS score on the patch page is what it is."""


def test_the_page_shows_a_small_epss_score(make_patch, sign_in, alice):
    decision = make_patch(epss=0.00043, epss_date="2024-01-01")
    page = sign_in(alice).get(f"/patches/{decision.decision_id}").content.decode()
    assert "0.04&thinsp;%" in page
    assert "<dd>0&thinsp;%" not in page
