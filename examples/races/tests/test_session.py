"""The second test needs what the first one leaves in memory."""

session = {}


def test_log_in():
    session["user"] = "ada"
    assert session


def test_greeting():
    assert f"hello {session.get('user')}" == "hello ada"
