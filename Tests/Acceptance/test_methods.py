"""The README's table of methods is what the tests' names say."""

import sys

from conftest import ROOT

sys.path.insert(0, str(ROOT / "Tests"))
import methods  # noqa: E402


def test_the_readme_shows_every_row_that_has_a_test():
    assert methods.shown() == methods.table(), "run: python3 Tests/methods.py --write"


def test_names_are_read():
    found = methods.tests()
    assert "folds" in found["G2"] and "stages give the bits of one" in found["P4"]
    assert methods.SWIFT.findall('@Test("O2 O3 both", arguments: x)\n@Test("nothing")') == ["O2 O3 both"]
    assert methods.PYTHON.findall("def test_G2_folds(server):\ndef test_nothing():") == ["G2_folds"]
