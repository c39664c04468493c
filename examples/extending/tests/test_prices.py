from prices import with_tax


def test_tax_is_added():
    assert with_tax(100) == 120


def test_half_a_cent_is_rounded_up():
    assert with_tax(1, percent=50) == 2
