# SPDX-License-Identifier: MIT
"""Words that are made to break an answer. For service.py."""
from stage_bus import *  # pylint: disable=wildcard-import,unused-wildcard-import


def test_cut_words(service):
    """An error that has room for a part of a word has whole characters. With others there is no answer."""
    pid = service.daemon.pid

    def errors(bus):
        calls, found = manager(bus), []
        for length in (*range(28, 33), *range(56, 65)):
            word = "a" * length + "\u20ac" * 20
            words = lambda *all_: dbus.Array(all_, signature="s")  # noqa: E731
            for member, *more in (("Bind", [word], options()), ("Plan", [word], options()),
                                  ("Run", word, words(), options()), ("Run", "stop", words(word), options()),
                                  ("Run", "bind", words("--" + word), options()),
                                  ("Lease", [DISK], options(key=word)), ("Lease", [DISK], options(**{word: 1})),
                                  ("Revoke", word, options()), ("Connect", word, "watch", options()),
                                  ("Connect", "web", word, options())):
                found.append(error_of(lambda: getattr(calls, member)(*more, timeout=5)))
                assert not f"{found[-1]}".endswith("NoReply"), (member, word)
        return found

    found = ask(STRANGER, errors)
    assert isinstance(found, list), found
    assert {f"{one}".rpartition(".")[2] for one in found} <= {"InvalidArgs", "NotFound"}, found
    assert service.daemon.poll() is None and service.daemon.pid == pid, "usherd has ended"


TESTS = [test_cut_words]
