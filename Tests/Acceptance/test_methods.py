"""The README's table of methods is what the tests' names say."""

import sys

from conftest import ROOT

sys.path.insert(0, str(ROOT / "Tests"))
import methods  # noqa: E402


def test_the_readme_shows_every_row_that_has_a_test():
    assert methods.shown() == methods.table(), "run: python3 Tests/methods.py --write"


def test_names_are_read():
    assert methods.TEST.findall("@Test func O2_O3(_ x: Int)") == ["O2_O3"]
    assert methods.TEST.findall("def test_G2_folds(server):") == ["G2_folds"]
    assert methods.TEST.findall("func Other_O2(") == []
    found = methods.tests()
    assert "test_G2_folds" in found["G2"] and "P4_stagesGiveTheBitsOfOne" in found["P4"]
